"""The reports of audits as the object store keeps them, among trees of other kinds under the same prefix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from annotation.ports import ObjectStore

__all__ = ["AUDITS", "kept_reports"]

AUDITS: Final = "audits"
"""Prefix of what audits leave: reports, and the answers of attempts."""


def kept_reports(store: ObjectStore) -> Iterator[tuple[str, bytes]]:
    """The tree of each report, and its ``report.json``."""
    for tree in store.list(AUDITS):
        try:
            yield tree, store.get_file(AUDITS, tree, "report.json")
        except KeyError:
            continue  # a tree of another kind: answers
