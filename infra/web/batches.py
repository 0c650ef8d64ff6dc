"""The pages of batches: what was checked, what failed and why, and how it went from batch to batch.

They show rules, counts and the values that explain a failure; who gave an answer is left out, and text that
failed for personal data never enters the values that are shown (see :mod:`annotation.checks`).
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow.parquet as pq
from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlalchemy import Select, create_engine, make_url, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from starlette.exceptions import HTTPException

from governance.errors import OutsideError
from infra.ledger import Batch
from infra.objects import open_store
from infra.settings import Settings
from infra.tables.releases import BATCHES
from infra.tables.withdrawals import ERASED_BATCHES
from infra.web.pages import Pages

__all__ = ["PATH", "router"]

PATH: Final = "/batches"
_EXAMPLES: Final = 3
_SHOWN: Final = 160
_HIDDEN: Final = frozenset({"annotator", "consent", "presentation", "rationale", "judgement"})
"""Columns that say or lead to who gave the answer, or may quote what a person wrote."""
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One check of rows on the page, or one figure of the batch."""

    rule: str
    statement: str
    source: str
    failed: int
    share: float
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One batch in the trend of a site."""

    batch: Batch
    x: float
    accepted: float
    quarantined: float

    @property
    def name(self) -> str:
        """The batch's place on these pages."""
        return self.batch.digest.removeprefix("sha256:")


def router(settings: Settings, pages: Pages) -> APIRouter:
    """The routes ``/batches`` and ``/batches/<hex>``."""
    routes = APIRouter()

    @routes.get(PATH, response_class=HTMLResponse, include_in_schema=False)
    def listed() -> HTMLResponse:
        by_site: dict[str, list[Batch]] = {}
        for batch in _batches(settings):
            by_site.setdefault(batch.site or "several sites", []).append(batch)
        return pages.page(
            "batches.html",
            here=PATH,
            sites={site: _trend(rows) for site, rows in sorted(by_site.items())},
            erased=_erased(settings),
        )

    @routes.get(PATH + "/{name}", response_class=HTMLResponse, include_in_schema=False)
    def one(name: str) -> HTMLResponse:
        name = name.removeprefix("sha256:")  # as the command line prints it
        found = next((batch for batch in _batches(settings) if batch.digest == f"sha256:{name}"), None)
        if not _HEX.fullmatch(name) or found is None:
            raise HTTPException(404, "No batch has this digest.")
        read = _reader(settings, found.digest)
        try:
            checks = json.loads(read("checks.json"))
            examples = _examples(read("quarantine.parquet"))
        except (KeyError, OutsideError):
            erased = _erased(settings)
            if found.digest in erased:
                instead = ", and replaced by one without them" if erased[found.digest] else ""
                raise HTTPException(
                    410, f"Somebody in this batch withdrew: it was erased{instead}."
                ) from None
            raise HTTPException(404, "The files of this batch are not held any more.") from None
        rules = _rules(checks, examples)
        return pages.page(
            "batch.html",
            here=PATH,
            batch=found,
            checks=checks,
            failed=sorted((rule for rule in rules if rule.failed), key=lambda rule: -rule.failed),
            held=[rule for rule in rules if not rule.failed],
            figures=[check for check in checks["checks"] if check["on"] == "figures"],
            fields=_telling(fields := _fields(checks["filtered_out"])),
            alike=sorted(set(fields) - set(_telling(fields))),
            stale=checks.get("stale", []),
        )

    return routes


def _batches(settings: Settings) -> list[Batch]:
    """Every batch, oldest first; none where there is no database yet."""
    return [
        Batch(**row)
        for row in _rows(settings, select(BATCHES).order_by(BATCHES.c.created_at, BATCHES.c.digest))
    ]


def _erased(settings: Settings) -> dict[str, str | None]:
    """Batches that a withdrawal erased → the one that took its place, if anything was left."""
    return {row["batch"]: row["successor"] for row in _rows(settings, select(ERASED_BATCHES))}


def _rows(settings: Settings, query: Select[Any]) -> list[Mapping[str, Any]]:
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite":
        url = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
    except SQLAlchemyError:
        return []
    finally:
        engine.dispose()


def _reader(settings: Settings, digest: str) -> Callable[[str], bytes]:
    store = open_store(settings)
    return lambda name: store.get_file("batches", digest, name)


def _trend(rows: Sequence[Batch]) -> dict[str, Any]:
    """The newest batches of a site as bars of equal width, heights in hundredths of the largest."""
    shown = rows[-24:]
    most = max(batch.read for batch in shown) or 1
    width = 100 / max(len(shown), 8)
    bars = [
        Bar(
            batch=batch,
            x=number * width,
            accepted=100 * batch.accepted / most,
            quarantined=100 * batch.quarantined / most,
        )
        for number, batch in enumerate(shown)
    ]
    return {"bars": bars, "width": width * 0.7, "newest": shown[-1], "rows": list(reversed(shown))}


def _rules(checks: Mapping[str, Any], examples: Mapping[str, Sequence[str]]) -> list[Rule]:
    read = checks["read"] or 1
    return [
        Rule(
            rule=check["rule"],
            statement=check["statement"],
            source=_source(check["origin"]),
            failed=check["failed"],
            share=check["failed"] / read,
            examples=tuple(examples.get(f"{check['rule']}|{check['statement']}", ())),
        )
        for check in checks["checks"]
        if check["on"] != "figures"
    ]


def _source(origin: Mapping[str, Any]) -> str:
    if origin.get("document") is None:
        return "the record itself" if origin["kind"] == "record" else "the policy"
    return f"{origin['document']} {origin.get('version') or ''}".strip()


def _examples(data: bytes) -> dict[str, list[str]]:
    """Rule and statement → what a few of the rows had instead, without what leads to a person."""
    found: dict[str, Counter[str]] = {}
    table = pq.read_table(io.BytesIO(data), columns=["rules", "reasons", "values"])
    for rules, reasons, values in zip(*table.to_pydict().values(), strict=True):
        for rule, reason, value in zip(rules, reasons, values, strict=True):
            sentence = reason.removeprefix("not so: ")
            key = f"{rule}|{sentence}"
            if rule in {"R.decodable", "R.types"}:
                key = f"{rule}|{sentence.rsplit(' (', 1)[0]}"
            said = {name: part for name, part in json.loads(value).items() if name not in _HIDDEN}
            if said and rule != "R.types":
                text = ", ".join(
                    f"{name} {json.dumps(part, ensure_ascii=False)}" for name, part in said.items()
                )
                found.setdefault(key, Counter())[text[:_SHOWN]] += 1
    return {
        key: [f"{text} ({many} times)" if many > 1 else text for text, many in counter.most_common(_EXAMPLES)]
        for key, counter in found.items()
    }


def _telling(fields: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The questions to which people gave several answers: only these tell who was filtered out."""
    nobody = {"no profile", "not asked"}
    return {
        field: rows for field, rows in fields.items() if len({row["answer"] for row in rows} - nobody) > 1
    }


def _fields(counts: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    fields: dict[str, list[dict[str, Any]]] = {}
    for count in counts:
        fields.setdefault(count["field"], []).append(
            {
                "answer": count["value"] or count["status"].replace("_", " "),
                "read": count["read"],
                "share": count["quarantined"] / count["read"] if count["read"] else 0.0,
            }
        )
    for rows in fields.values():
        rows.sort(key=lambda row: (-row["share"], str(row["answer"])))
    return fields
