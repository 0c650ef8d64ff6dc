"""A table of the audit's page: columns on a desk, a card for each row on a phone, a table to a screen reader in both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

__all__ = ["STYLE", "stacked"]

STYLE: Final = """
@media (max-width:37.5rem){.stack,.stack tbody,.stack tr,.stack td{display:block}.stack thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.stack tr{border-bottom:1px solid var(--line);padding:.6rem 0}.stack td{border:0;padding:.2rem 0;overflow-wrap:anywhere}.stack td.n{white-space:normal}
.stack td:not(:first-child){display:grid;grid-template-columns:7.5rem minmax(0,1fr);gap:.1rem .8rem}
.stack td:not(:first-child)::before{content:attr(data-label);font-size:.9rem}.stack td:first-child{font-weight:600}}
""".strip()


def stacked(columns: Sequence[str], rows: Iterable[Sequence[tuple[str, str]]], *, label: str) -> str:
    """The table.

    Args:
        columns: The columns' names, as text.
        rows: Cells as ``(html, class)``, as many as there are columns; the class may be empty.
        label: What the table is, as text.
    """
    # Where rows are laid out as cards browsers forget that this is a table, so the roles are said.
    head = "".join(f'<th role="columnheader" scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(
        '<tr role="row">'
        + "".join(
            f'<td role="cell" data-label="{escape(name)}" class="{kind}"><span>{html}</span></td>'
            for name, (html, kind) in zip(columns, cells, strict=True)
        )
        + "</tr>"
        for cells in rows
    )
    return (
        f'<div class="wrap" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<table class="stack" role="table"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table></div>'
    )
