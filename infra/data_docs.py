"""Make a folder of Great Expectations' Data Docs self-contained: they are read where no network is.

GX's pages load style sheets, scripts, fonts and pictures from eleven outside hosts. Those are taken out, a
small style sheet is put in, and a content security policy forbids every request, so that what was missed
cannot load either. Time stamps stay as GX wrote them; nothing else of the pages is changed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["make_self_contained"]

_POLICY: Final = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
)
_STYLE: Final = """<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { border-bottom: 1px solid #8884; padding: .4rem .6rem; text-align: left; vertical-align: top }
.badge { border-radius: .3rem; padding: 0 .4rem } .badge-info { background: #8883 }
.text-success { color: #1a7f37 } .text-danger, .text-warning { color: #c4320a }
.fa-check-circle::before { content: "holds " } .fa-times::before { content: "fails " }
.fa-exclamation-triangle::before { content: "error " }
ul { padding-left: 1.2rem } nav ol { list-style: none; display: flex; gap: 1rem; padding: 0 }
.collapse:not(.show), .modal, #walkthroughModal { display: none }
</style>"""
_OUTSIDE: Final = (
    re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<link\b[^>]*>", re.IGNORECASE),
    re.compile(r"<(?:img|iframe|object|embed|source)\b[^>]*(?:https?:)?//[^>]*>", re.IGNORECASE),
    re.compile(r"@import[^;]*;", re.IGNORECASE),
    re.compile(r"<style\b[^>]*>[^<]*url\(.*?</style\s*>", re.DOTALL | re.IGNORECASE),
)


def make_self_contained(folder: Path) -> None:
    """Rewrite every page below ``folder`` so that it asks nothing of the network."""
    for page in sorted(folder.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        for pattern in _OUTSIDE:
            text = pattern.sub("", text)
        text = re.sub(
            r"<head\b[^>]*>", lambda tag: tag.group() + _POLICY + _STYLE, text, count=1, flags=re.IGNORECASE
        )
        page.write_text(text, encoding="utf-8")
    for left in (folder / "static").rglob("*"):
        if left.is_file():
            left.unlink()
