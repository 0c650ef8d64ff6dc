"""Markdown of strangers as safe HTML: no raw HTML, no image, no address that a browser would follow.

What models and people write is hostile until shown otherwise. Raw HTML is shown as text; an image is named, not
fetched; a link shows its address and leads nowhere, so that nobody leaves the page or is followed from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

__all__ = ["render"]

_LONGEST: Final = 200_000


def _renderer() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    parser.enable(["table", "strikethrough"])
    parser.add_render_rule("link_open", _nothing)
    parser.add_render_rule("link_close", _nothing)
    parser.add_render_rule("image", _image)
    for level in ("heading_open", "heading_close"):
        parser.add_render_rule(level, _heading)
    return parser


def render(text: str) -> Markup:
    """``text`` as HTML of paragraphs, lists, tables, quotes and code; nothing in it is active."""
    tokens = _PARSER.parse(text[:_LONGEST])
    for token in tokens:
        token.info = ""  # a stranger's word for a class of ours
        if token.children:
            token.children = _addresses(token.children)
    return Markup(_PARSER.renderer.render(tokens, _PARSER.options, {}))  # noqa: S704 - every token is escaped


def _addresses(children: Sequence[Token]) -> list[Token]:
    """Behind the text of a link its address, as code."""
    found: list[Token] = []
    open_links: list[str] = []
    for token in children:
        found.append(token)
        if token.type == "link_open":
            open_links.append(str(token.attrGet("href") or ""))
        elif token.type == "link_close" and open_links:
            address = Token("code_inline", "code", 0, content=open_links.pop())
            found += [Token("text", "", 0, content=" "), address]
    return found


def _nothing(_self: Any, _tokens: Sequence[Token], _at: int, _options: Any, _env: Any) -> str:
    return ""


def _image(_self: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    token = tokens[at]
    return f"[{escape(token.content or 'image')}] <code>{escape(str(token.attrGet('src') or ''))}</code>"


def _heading(_self: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    # A stranger's headings must not become part of the page's outline.
    return '<p class="heading"><strong>' if tokens[at].nesting == 1 else "</strong></p>\n"


_PARSER: Final = _renderer()
