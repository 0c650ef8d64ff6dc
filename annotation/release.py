"""A release: accepted judgements under an alignment target, as files that answer for themselves.

``judgements.parquet``  every kept judgement under release-scoped ids
``pairs.parquet``       preference pairs (TRL, conversational)
``items.parquet``       what was judged
``annotators.parquet``  who judged, coarsened so that k holds jointly
``splits.parquet``      train, validation, test by prompt, and by annotator
``figures.json``        every figure of the card
``card.md``             the data card
``croissant.json``      the same for data-set catalogues
``release.json``        the manifest: digests, sources, policies, target

INVARIANT: the files are a function of the kept rows, the policy, the target, the seed, ``as_of`` and the
key; neither the order nor the partition of the batches, nor a clock or a machine, changes a byte.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import polars as pl
import pyarrow as pa

from annotation.card import QUESTIONS, card
from annotation.croissant import as_bytes, croissant
from annotation.pairs import preference_pairs
from annotation.records import ITEMS
from annotation.release_figures import figures_of
from annotation.release_inputs import Batch, Inputs, LiveConsents, content_digest, gather
from annotation.release_people import People, release_people
from annotation.release_policy import ReleaseTerms, release_terms
from annotation.release_tables import (
    RELEASED,
    SPLITS,
    annotators_schema,
    released_items,
    released_judgements,
    splits_table,
)
from annotation.splits import FRACTIONS, split_of
from annotation.validated import parquet_bytes
from governance.digest import canonical, digest, digest_bytes
from governance.errors import InputError, RefusedError
from governance.policy.model import EffectivePolicy

__all__ = ["FORMAT", "AlignmentTarget", "Release", "build_release"]

FORMAT: Final = "bounds.release/1"
MANIFEST: Final = "release.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentTarget:
    """What "better" means in a collection; without one nothing is released.

    Attributes:
        better: What annotators were asked to prefer.
        asked: Whom they are.
        for_whom: Whose model is to follow.
    """

    better: str
    asked: str
    for_whom: str

    def as_json(self) -> dict[str, str]:
        """The JSON object of the manifest."""
        return {"better": self.better, "asked": self.asked, "for_whom": self.for_whom}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A built release.

    Attributes:
        digest: Identity: digest of ``release.json``, which names every other file's.
        inputs_digest: Identity of the kept rows, before anything was coarsened.
        batches: Digests of the batches it was built from, sorted. Not part of the files: another partition
            of the same rows gives the same release.
        manifest: The parsed manifest.
        figures: The parsed figures.
    """

    digest: str
    inputs_digest: str
    batches: tuple[str, ...]
    manifest: Mapping[str, Any]
    figures: Mapping[str, Any]
    _files: Mapping[str, bytes] = field(repr=False)

    def files(self) -> dict[str, bytes]:
        """Name to bytes, ``release.json`` included."""
        return dict(self._files)

    @property
    def card(self) -> str:
        """The data card, Markdown."""
        return self._files["card.md"].decode()


def build_release(
    batches: Sequence[Batch],
    *,
    policy: EffectivePolicy,
    alignment_target: AlignmentTarget | None,
    as_of: date,
    seed: int,
    consents: LiveConsents | None = None,
    key: bytes = b"",
    answers: Mapping[str, str] | None = None,
) -> Release:
    """Build a release from accepted batches.

    Args:
        batches: Accepted batches, in any order and partition, of one or more sites.
        policy: The effective policy; its data requirements give k, the consent's purpose and the targets.
        alignment_target: What "better" means here; None or blank is refused.
        as_of: The day the release speaks of.
        seed: Seed of splits and bootstrap.
        consents: Consents live now. None: consent was not consulted, and the card says so.
        key: Secret of the platform that release-scoped ids are derived with. Without one, somebody who
            already holds the internal pseudonyms could recompute the ids.
        answers: Answers to the card's questions by key (:data:`annotation.card.QUESTIONS`).

    Raises:
        RefusedError: No alignment target, or nothing to release.
        RecordError: The batches contradict each other.
        InputError: An answer to an unknown question.
    """
    target = _require_target(alignment_target)
    told = dict(answers or {})
    unknown = sorted(set(told) - {key for key, _ in QUESTIONS})
    if unknown:
        raise InputError("the card has no such question", field="answers", value=unknown[0])
    terms = release_terms(policy)
    if consents is not None and terms.consent_purpose not in (None, consents.purpose):
        raise InputError(
            "consents of another purpose",
            field="consents",
            value=consents.purpose,
            expected=terms.consent_purpose,
        )
    inputs = gather(batches, consents=consents)
    scope_digest = digest(
        {
            "inputs": inputs.digest,
            "policy": policy.digest,
            "target": target.as_json(),
            "as_of": as_of.isoformat(),
            "seed": seed,
        }
    )
    people = release_people(
        inputs.judgements,
        inputs.profiles,
        scope=hmac.new(key, scope_digest.encode(), hashlib.sha256).digest(),
        seed=seed,
        k=terms.k,
        important=terms.important,
        targets=terms.targets,
    )
    judgements = released_judgements(inputs.judgements, people.ids)
    items = released_items(inputs.items)
    splits = {
        item: split_of(digest(list(prompt)), seed=seed)
        for item, prompt in items.select("item", "prompt").iter_rows()
    }
    pairs = preference_pairs(judgements, items, splits)
    figures = figures_of(
        judgements=judgements,
        items=items,
        annotators=people.table,
        fields=people.fields,
        strata=terms.important or people.fields,
        documented=people.documented,
        pairs=pairs.table.num_rows,
        left_out=pairs.left_out,
        targets=terms.targets,
        filtered=inputs.filtered,
        read=inputs.read,
        quarantined=inputs.quarantined,
        without_consent=inputs.without_consent,
        k=terms.k,
        seed=seed,
    )
    tables = {
        "annotators.parquet": people.table.to_arrow().cast(annotators_schema(people.fields)),
        "items.parquet": items.to_arrow().cast(ITEMS),
        "judgements.parquet": judgements.to_arrow().cast(RELEASED),
        "pairs.parquet": pairs.table,
        "splits.parquet": splits_table(splits, people.table).to_arrow().cast(SPLITS),
    }
    about = _about(policy, target, terms, inputs, people, items, as_of=as_of, seed=seed, consents=consents)
    about["answers"] = told
    return _assemble(tables, figures, about, inputs=inputs, batches=batches)


def _require_target(target: AlignmentTarget | None) -> AlignmentTarget:
    if target is None:
        raise RefusedError(
            "the release", ["no alignment target: nobody said what better means here, and for whom"]
        )
    blank = [name for name, text in target.as_json().items() if not text.strip()]
    if blank:
        raise RefusedError("the release", [f"the alignment target leaves {name} blank" for name in blank])
    return target


def _about(
    policy: EffectivePolicy,
    target: AlignmentTarget,
    terms: ReleaseTerms,
    inputs: Inputs,
    people: People,
    items: pl.DataFrame,
    *,
    as_of: date,
    seed: int,
    consents: LiveConsents | None,
) -> dict[str, Any]:
    origins = items.group_by("origin", "licence").len("items").sort("origin", "licence")
    collected = inputs.judgements.group_by("site", "source").len("judgements").sort("site", "source")
    languages = items["language"].value_counts().sort("language")
    models = items["candidates"].explode().struct.field("model").drop_nulls().unique().sort()
    weighting = people.weighting
    return {
        "format": FORMAT,
        "alignment_target": target.as_json(),
        "as_of": as_of.isoformat(),
        "seed": seed,
        "inputs_digest": inputs.digest,
        "policy_digest": policy.digest,
        "policies": [
            {"id": ref.id, "version": ref.version, "digest": ref.digest}
            for ref in sorted(policy.documents, key=lambda ref: ref.id)
        ],
        "judged_under": sorted(inputs.judgements["policy_digest"].drop_nulls().unique().to_list()),
        "codebooks": sorted(inputs.profiles["codebook"].unique().to_list()),
        "consent": None if consents is None else {"purpose": consents.purpose},
        "k": terms.k,
        "splits": dict(FRACTIONS),
        "sources": {
            "items": origins.to_dicts(),
            "judgements": collected.to_dicts(),
            "languages": dict(languages.iter_rows()),
            "models": models.to_list(),
            "judgements_digest": content_digest(
                inputs.judgements.select("judgement", "source_digest").sort("judgement")
            ),
        },
        "withheld": {
            "rationale": "free text written by a person; "
            f"{inputs.judgements['rationale'].drop_nulls().len():,} judgements have one",
            "times, presentation, consent and source references": "they would let releases be joined by person",
            **people.withheld,
        },
        "weighting": None
        if weighting is None
        else {
            "columns": [name for name in people.fields if name in terms.targets],
            "effective_sample_size": weighting.effective_sample_size,
            "misfit": weighting.misfit,
            "capped": weighting.capped,
            "converged": weighting.converged,
            "absent": list(weighting.absent),
        },
    }


def _assemble(
    tables: Mapping[str, pa.Table],
    figures: Mapping[str, Any],
    about: dict[str, Any],
    *,
    inputs: Inputs,
    batches: Sequence[Batch],
) -> Release:
    files = {name: parquet_bytes(table.combine_chunks()) for name, table in tables.items()}
    files["figures.json"] = _json(figures)
    about["files"] = {name: _entry(data, tables.get(name)) for name, data in sorted(files.items())}
    for name, data in (
        ("croissant.json", as_bytes(croissant(tables, figures, about))),
        ("card.md", card(figures, about).encode()),
    ):
        files[name] = data
        about["files"][name] = _entry(data, None)
    manifest = _json(about)
    return Release(
        digest=digest_bytes(manifest),
        inputs_digest=inputs.digest,
        batches=tuple(sorted({batch.digest for batch in batches})),
        manifest=about,
        figures=figures,
        _files={**files, MANIFEST: manifest},
    )


def _entry(data: bytes, table: pa.Table | None) -> dict[str, Any]:
    return {
        "sha256": digest_bytes(data),
        "bytes": len(data),
        "rows": None if table is None else table.num_rows,
        "content": None if table is None else content_digest(pl.DataFrame(table)),
    }


def _json(value: Any) -> bytes:
    canonical(value)  # NaN and infinity have no place in a release
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
