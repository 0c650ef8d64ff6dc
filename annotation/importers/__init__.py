"""Readers of the files that others publish: pure, and every row accounted for.

Each reader takes the bytes of a file and gives an :class:`~annotation.importers.rows.Import`: items,
judgements, profiles and refusals with ``imported + refused = read``. A fault of the whole file (not UTF-8, not JSON,
empty, wrong columns) is an ``InputError``; a fault of a row refuses the row with its place and reason.
"""

from __future__ import annotations

from annotation.importers.dices import read_dices
from annotation.importers.hh_rlhf import read_hh_rlhf
from annotation.importers.label_studio import read_label_studio
from annotation.importers.mapping import ProfileMapping, parse_mapping
from annotation.importers.pandalm import read_pandalm
from annotation.importers.prism import read_prism
from annotation.importers.rows import FileJudgement, FileProfile, Import, Refusal
from annotation.importers.trl import read_trl

__all__ = [
    "FileJudgement",
    "FileProfile",
    "Import",
    "ProfileMapping",
    "Refusal",
    "parse_mapping",
    "read_dices",
    "read_hh_rlhf",
    "read_label_studio",
    "read_pandalm",
    "read_prism",
    "read_trl",
]
