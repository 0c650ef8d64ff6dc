"""A release: accepted judgements under an alignment target, as files that answer for themselves.

``judgements.parquet``  every kept judgement under release-scoped ids
``pairs.parquet``       preference pairs (TRL, conversational)
``items.parquet``       what was judged
``annotators.parquet``  who judged, coarsened so that k holds jointly
``aggregates.parquet``  soft labels, Dawid-Skene and consensus by item, beside the judgements
``splits.parquet``      train, validation, test by prompt, and by annotator
``figures.json``        every figure of the card
``card.md``             the data card
``croissant.json``      the same for data-set catalogues
``release.json``        the manifest: digests, sources, policies, target

INVARIANT: the files are a function of the kept rows, the policy, the target, the seed, ``as_of`` and the
key, and the people's tables of earlier releases; neither the order nor the partition of the batches, nor a
clock or a machine, changes a byte.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from annotation.card import QUESTIONS, card
from annotation.croissant import as_bytes, croissant
from annotation.pairs import PAIRS, preference_pairs
from annotation.records import ITEMS
from annotation.release_extras import AGGREGATES, ReleaseExtras, aggregates_schema
from annotation.release_figures import FigureParts
from annotation.release_files import ReleaseFiles
from annotation.release_inputs import Batch, Inputs, LiveConsents, gather
from annotation.release_missing import missing_figures
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
from annotation.splits import FRACTIONS, prompt_splits
from governance.digest import canonical, digest, digest_bytes
from governance.errors import InputError, RefusedError
from governance.policy.model import EffectivePolicy

__all__ = ["FORMAT", "AlignmentTarget", "Release", "Terms", "build_release", "release_of", "require_terms"]

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
    _files: Mapping[str, bytes | Path] = field(repr=False)

    def contents(self) -> dict[str, bytes | Path]:
        """Name to what an object store takes: the bytes, or where they lie; ``release.json`` included."""
        return dict(self._files)

    def file(self, name: str) -> bytes:
        """The bytes of one file."""
        found = self._files[name]
        return found if isinstance(found, bytes) else found.read_bytes()

    def files(self) -> dict[str, bytes]:
        """Name to bytes, ``release.json`` included; everything is read into memory."""
        return {name: self.file(name) for name in self._files}

    @property
    def card(self) -> str:
        """The data card, Markdown."""
        return self.file("card.md").decode()


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
    """Build a release from accepted batches, in memory.

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
    terms = require_terms(policy, alignment_target, consents, answers)
    return release_of(
        gather(batches, consents=consents),
        batches=[batch.digest for batch in batches],
        terms=terms,
        as_of=as_of,
        seed=seed,
        key=key,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under what a release is made; build with :func:`require_terms`."""

    policy: EffectivePolicy
    target: AlignmentTarget
    data: ReleaseTerms
    consents: LiveConsents | None
    answers: Mapping[str, str]


def require_terms(
    policy: EffectivePolicy,
    alignment_target: AlignmentTarget | None,
    consents: LiveConsents | None,
    answers: Mapping[str, str] | None,
) -> Terms:
    """The terms, if a release may be made under them; arguments and errors as in :func:`build_release`."""
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
    return Terms(policy=policy, target=target, data=terms, consents=consents, answers=told)


def release_of(
    inputs: Inputs,
    *,
    batches: Sequence[str],
    terms: Terms,
    as_of: date,
    seed: int,
    key: bytes = b"",
    folder: Path | None = None,
    earlier: Sequence[pl.DataFrame] = (),
) -> Release:
    """The release of gathered rows, made part by part.

    Args:
        inputs: What :func:`annotation.release_inputs.gather` (or its like on disk) found.
        batches: Digests of the batches behind it.
        terms: Under what it is made.
        as_of: The day the release speaks of.
        seed: Seed of splits and bootstrap.
        key: Secret of the platform, see :func:`build_release`.
        folder: An empty folder for the files; None keeps them in memory.
        earlier: The ``annotators.parquet`` of earlier releases; nothing is said that would tell of fewer than k
            people beside one of them.
    """
    people = release_people(
        inputs.survey.people,
        inputs.profiles,
        scope=_scope(inputs, terms, as_of=as_of, seed=seed, key=key),
        seed=seed,
        k=terms.data.k,
        important=terms.data.important,
        targets=terms.data.targets,
        earlier=earlier,
    )
    figures = FigureParts(
        annotators=people.table,
        fields=people.fields,
        strata=terms.data.important or people.fields,
        seed=seed,
    )
    extras = ReleaseExtras(
        annotators=people.table,
        strata=terms.data.important or people.fields,
        judgements=inputs.survey.judgements,
    )
    schemas = _schemas(people.fields) | {AGGREGATES: aggregates_schema(extras.columns)}
    with ReleaseFiles(folder, schemas) as files:
        left_out = _write_parts(files, inputs, people, figures, extras, seed=seed)
        found = figures.finish(
            documented=people.documented,
            pairs=files.rows("pairs.parquet"),
            left_out=left_out,
            targets=terms.data.targets,
            filtered=inputs.filtered,
            read=inputs.read,
            quarantined=inputs.quarantined,
            without_consent=inputs.without_consent,
            missing=None
            if inputs.missing is None
            else missing_figures(inputs.missing, inputs.missing_profiles, people.fields, k=terms.data.k),
            k=terms.data.k,
        )
        about = _about(terms, inputs, people, as_of=as_of, seed=seed)
        return _assemble(files, found | extras.figures(), about, schemas, inputs=inputs, batches=batches)


def _scope(inputs: Inputs, terms: Terms, *, as_of: date, seed: int, key: bytes) -> bytes:
    """The key that ids of this release are derived with."""
    identity = digest(
        {
            "inputs": inputs.digest,
            "policy": terms.policy.digest,
            "target": terms.target.as_json(),
            "as_of": as_of.isoformat(),
            "seed": seed,
        }
    )
    return hmac.new(key, identity.encode(), hashlib.sha256).digest()


def _schemas(fields: Sequence[str]) -> dict[str, pa.Schema]:
    return {
        "annotators.parquet": annotators_schema(fields),
        "items.parquet": ITEMS,
        "judgements.parquet": RELEASED,
        "pairs.parquet": PAIRS,
        "splits.parquet": SPLITS,
    }


def _write_parts(
    files: ReleaseFiles,
    inputs: Inputs,
    people: People,
    figures: FigureParts,
    extras: ReleaseExtras,
    *,
    seed: int,
) -> dict[str, int]:
    """Write every table part by part; judgements that made no pair, by reason."""
    left_out: Counter[str] = Counter()
    files.add("annotators.parquet", people.table)
    by_annotator = dict(people.table.select("annotator", "split").iter_rows())
    files.add("splits.parquet", splits_table("annotator", by_annotator))
    for part in inputs.parts():
        judgements = released_judgements(
            part.judgements,
            people.ids,
            before=files.rows("judgements.parquet"),
            total=inputs.survey.judgements,
        )
        items = released_items(part.items)
        splits = prompt_splits(items, seed=seed)
        pairs = preference_pairs(judgements, items, splits)
        files.add("judgements.parquet", judgements)
        files.add("items.parquet", items)
        files.add("pairs.parquet", pairs.frame)
        files.add("splits.parquet", splits_table("item", splits))
        figures.add(judgements, items)
        extras.add(judgements, items)
        left_out.update(pairs.left_out)
    for part in inputs.parts():
        rows = extras.table(
            released_judgements(part.judgements, people.ids, before=0, total=inputs.survey.judgements),
            released_items(part.items),
        )
        if rows is not None:
            files.add(AGGREGATES, rows)
    return dict(sorted(left_out.items()))


def _require_target(target: AlignmentTarget | None) -> AlignmentTarget:
    if target is None:
        raise RefusedError(
            "the release", ["no alignment target: nobody said what better means here, and for whom"]
        )
    blank = [name for name, text in target.as_json().items() if not text.strip()]
    if blank:
        raise RefusedError("the release", [f"the alignment target leaves {name} blank" for name in blank])
    return target


def _about(terms: Terms, inputs: Inputs, people: People, *, as_of: date, seed: int) -> dict[str, Any]:
    survey, policy, weighting = inputs.survey, terms.policy, people.weighting
    return {
        "format": FORMAT,
        "alignment_target": terms.target.as_json(),
        "as_of": as_of.isoformat(),
        "seed": seed,
        "inputs_digest": inputs.digest,
        "policy_digest": policy.digest,
        "policies": [
            {"id": ref.id, "version": ref.version, "digest": ref.digest}
            for ref in sorted(policy.documents, key=lambda ref: ref.id)
        ],
        "judged_under": sorted(survey.judged_under),
        "codebooks": sorted(inputs.profiles["codebook"].unique().to_list()),
        "consent": None if terms.consents is None else {"purpose": terms.consents.purpose},
        "k": terms.data.k,
        "splits": dict(FRACTIONS),
        "sources": survey.sources(),
        "withheld": {
            "rationale": f"free text written by a person; {survey.rationales:,} judgements have one",
            "times, presentation, consent and source references": "they would let releases be joined by person",
            **people.withheld,
        },
        "weighting": None
        if weighting is None
        else {
            "columns": [name for name in people.fields if name in terms.data.targets],
            "effective_sample_size": weighting.effective_sample_size,
            "misfit": weighting.misfit,
            "capped": weighting.capped,
            "converged": weighting.converged,
            "absent": list(weighting.absent),
        },
        "answers": dict(terms.answers),
    }


def _assemble(
    files: ReleaseFiles,
    figures: Mapping[str, Any],
    about: dict[str, Any],
    schemas: Mapping[str, pa.Schema],
    *,
    inputs: Inputs,
    batches: Sequence[str],
) -> Release:
    files.close_tables()
    files.put("figures.json", _json(figures))
    about["files"] = files.entries()
    for name, data in (
        ("croissant.json", as_bytes(croissant(schemas, figures, about))),
        ("card.md", card(figures, about).encode()),
    ):
        files.put(name, data)
        about["files"] = about["files"] | {name: files.entries()[name]}
    manifest = _json(about)
    files.put(MANIFEST, manifest)
    return Release(
        digest=digest_bytes(manifest),
        inputs_digest=inputs.digest,
        batches=tuple(sorted(set(batches))),
        manifest=about,
        figures=figures,
        _files=files.contents(),
    )


def _json(value: Any) -> bytes:
    canonical(value)  # NaN and infinity have no place in a release
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
