"""Reports of audits as the object store keeps them, found by the audit's digest and shown beside the decision.

A tree is named by its bytes, an audit by its report without times: the same audit made twice is two trees, of which
either is its report. No example stands in a kept report, so whoever may read the decision may read it.
"""

from __future__ import annotations

import json
from typing import Final

from fastapi import HTTPException
from fastapi.responses import Response

from infra.kept_reports import AUDITS, kept_reports
from infra.objects import open_store
from infra.settings import Settings

__all__ = ["Reports"]

_KINDS: Final = {"report.html": "text/html; charset=utf-8", "report.json": "application/json"}
# A report is one file: its style stands in it, and it loads nothing.
_ALONE: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}


class Reports:
    """The reports of a data folder; where one lies is remembered.

    Args:
        settings: Of the platform.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trees: dict[str, str] = {}

    def has(self, audit: str) -> bool:
        """Whether the report of an audit is kept."""
        return self._tree(audit) is not None

    def response(self, audit: str, name: str) -> Response:
        """A file of a report; 404 where there is none."""
        tree = self._tree(audit)
        if tree is None or name not in _KINDS:
            raise HTTPException(404, "The report of this audit is not kept here.")
        data = open_store(self._settings).get_file(AUDITS, tree, name)
        return Response(data, media_type=_KINDS[name], headers=_ALONE)

    def _tree(self, audit: str) -> str | None:
        if audit in self._trees:
            return self._trees[audit]
        for tree, data in kept_reports(open_store(self._settings)):
            if audit.encode() in data and json.loads(data).get("digest") == audit:
                self._trees[audit] = tree
                return tree
        return None
