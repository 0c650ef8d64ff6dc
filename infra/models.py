"""Loading a model by its alias only once everything about it is verified; else refusing with every reason.

Asked, in this order: which version carries the alias, its newest decision with its approvals, whether that allows this
alias on exactly these files under the policies in force, and whether the log's signed checkpoint and inclusion proofs
show that the decision and each approval on it stand in the log. The files that were verified are the files that are loaded:
they are fetched once, hashed, and read from there, so that nobody can change them in between.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from governance.decision import Approval
from governance.digest import digest_bytes
from governance.errors import InputError, RefusedError
from governance.log.inclusion import InclusionsError, open_inclusions
from governance.promotion import Decision, verify_decision
from infra import ledger
from infra.approvals import joined
from infra.artifacts import fetch
from infra.database import Database
from infra.inclusion import inclusions_of
from infra.registry import Registry
from infra.settings import Settings
from infra.trust import current_trust, newest_version

__all__ = ["VerifiedModel", "load", "verified"]

_URI: Final = re.compile(r"models:/(?P<model>[^/@]+)@(?P<alias>[^/@]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedModel:
    """A version that may be used under an alias now, and where its verified files lie."""

    model: str
    alias: str
    version: str
    decision: Decision
    artifact: str
    position: int
    folder: Path


@contextmanager
def verified(
    uri: str,
    *,
    settings: Settings,
    db: Database,
    registry: Registry,
    policies: Collection[str],
    approvals: Sequence[Approval],
    accept_demonstration: bool,
    now: datetime,
) -> Iterator[VerifiedModel]:
    """The verified version behind ``models:/<name>@<alias>``; its files are there while the block runs.

    Args:
        uri: By alias; a version number or ``@latest`` names nothing that was decided.
        settings: Of the data folder.
        db: The platform's database.
        registry: The model registry.
        policies: Digests of the policy documents in force.
        approvals: Signatures that the policy in force asks for.
        accept_demonstration: Whether simulated evidence may do.
        now: The reference time.

    Raises:
        InputError: The address is none, or nobody carries the alias.
        RefusedError: With every reason why the version may not be used.
    """
    match = _URI.fullmatch(uri)
    if match is None or match["alias"].casefold() == "latest":
        raise InputError(
            "not an address by alias",
            field="model",
            value=uri,
            expected="models:/<name>@<alias>; @latest moves with every upload and is never loaded",
        )
    model, alias = match["model"], match["alias"]
    info = registry.holder(model, alias)
    if info is None:
        raise InputError("no version carries the alias", field="model", value=uri)
    what = f"{uri} (version {info.version})"
    rows = [row for row in ledger.decisions(db) if (row.model, row.version) == (model, info.version)]
    if not rows:
        raise RefusedError(what, ["there is no signed decision about this version"])
    trust = current_trust(settings, db, now)
    with tempfile.TemporaryDirectory(prefix="bounds-model-") as scratch:
        files = fetch(info.uri, Path(scratch))
        whole = joined(db, rows[-1].envelope.encode(), trust=trust, now=now)
        found = verify_decision(
            whole,
            trust=trust,
            model=model,
            version=info.version,
            artifact=files.digest,
            alias=alias,
            policies=policies,
            approvals=approvals,
            accept_demonstration=accept_demonstration,
            now=now,
        )
        position, missing = _included(settings, db, rows[-1], whole, now)
        if not found or found.decision is None or missing:
            raise RefusedError(what, [*found.reasons, *missing])
        yield VerifiedModel(
            model=model,
            alias=alias,
            version=info.version,
            decision=found.decision,
            artifact=files.digest,
            position=position,
            folder=files.folder,
        )


def load(uri: str, **asked: Any) -> Any:
    """The model behind an alias as an MLflow pyfunc, once :func:`verified` let it through; ``asked`` as there.

    Raises:
        InputError: The address is none, or nobody carries the alias.
        RefusedError: With every reason.
    """
    import mlflow.pyfunc

    with verified(uri, **asked) as found:
        return mlflow.pyfunc.load_model(str(found.folder))


def _included(
    settings: Settings, db: Database, row: ledger.Decision, whole: bytes, now: datetime
) -> tuple[int, tuple[str, ...]]:
    """Position of the decision in the log, and why it and its approvals are not shown to be there."""
    name = digest_bytes(whole)
    try:
        data = inclusions_of(settings, db, {name: whole}, decided={name: row}, now=now)
        found = open_inclusions(data, log=newest_version(settings, db, now).log)
    except InclusionsError as error:
        return -1, (str(error),)
    except RefusedError as error:
        return -1, tuple(error.reasons)
    return found.position(whole), found.why_not(whole)
