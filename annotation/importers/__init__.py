"""Readers of the files that others publish: pure, and every row accounted for.

Each reader takes the bytes of a file and gives an :class:`~annotation.importers.rows.Import`: items,
judgements and refusals with ``imported + refused = read``. A fault of the whole file (not UTF-8, not JSON,
empty, wrong columns) is an ``InputError``; a fault of a row refuses the row with its place and reason.
"""

from __future__ import annotations

from annotation.importers.pandalm import read_pandalm
from annotation.importers.rows import FileJudgement, Import, Refusal
from annotation.importers.trl import read_trl

__all__ = ["FileJudgement", "Import", "Refusal", "read_pandalm", "read_trl"]
