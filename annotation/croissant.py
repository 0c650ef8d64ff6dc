"""The release as a Croissant description, with its responsible-AI part.

``rai:annotatorDemographics`` is free text in the vocabulary; a reader needs more, so the table of annotators is
described as a record set beside it. Columns of nested messages are left to the manifest: Croissant has no
type for a list of records in Parquet that its readers agree on.

Sources: Croissant 1.0 (Akhtar et al. 2024, doi:10.1145/3650203.3663326), Croissant RAI 1.0; property names
as in its vocabulary file, which differ from some of its own examples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from governance.digest import short

__all__ = ["croissant"]

_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_PARQUET: Final = "application/x-parquet"  # the name that its readers know


def croissant(
    schemas: Mapping[str, pa.Schema], figures: Mapping[str, Any], about: Mapping[str, Any]
) -> dict[str, Any]:
    """The description as JSON-LD.

    Args:
        schemas: File name to the table's schema; its ``doc`` metadata become descriptions.
        figures: The release's figures.
        about: The manifest so far, ``files`` with the tables' digests included.
    """
    target = about["alignment_target"]
    inputs = short(about["inputs_digest"])
    licences = sorted({origin["licence"] for origin in about["sources"]["items"]})
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": f"bounds-release-{inputs}",
        "description": f"Human feedback on language-model answers. What better means: {target['better']} Asked: "
        f"{target['asked']} For: {target['for_whom']}",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "license": licences,
        "datePublished": about["as_of"],
        "version": "1.0.0",
        "citeAs": f"Release of inputs {about['inputs_digest']}, {about['as_of']}.",
        "url": f"urn:bounds:inputs:{inputs}",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "encodingFormat": _PARQUET,
                "sha256": about["files"][name]["sha256"].removeprefix("sha256:"),
            }
            for name in sorted(schemas)
        ],
        "recordSet": [_record_set(name, schemas[name]) for name in sorted(schemas)],
        **_responsible(figures, about),
    }


def _record_set(name: str, schema: pa.Schema) -> dict[str, Any]:
    stem = name.removesuffix(".parquet")
    fields = []
    for column in schema:
        nested = column.type.value_type if pa.types.is_list(column.type) else column.type
        kind = _kind(nested)
        if kind is None:
            continue
        field: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{stem}/{column.name}",
            "name": f"{stem}/{column.name}",
            "description": (column.metadata or {}).get(b"doc", b"").decode() or column.name,
            "dataType": kind,
            "source": {"fileObject": {"@id": name}, "extract": {"column": column.name}},
        }
        if nested is not column.type:
            field["repeated"] = True
        fields.append(field)
    return {"@type": "cr:RecordSet", "@id": stem, "name": stem, "field": fields}


def _kind(kind: pa.DataType) -> str | None:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "sc:Text"
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else None


def _responsible(figures: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    counts = figures["counts"]
    people = [
        f"{field}: " + ", ".join(f"{value} {count}" for value, count in values.items())
        for field, values in figures["people"].items()
    ]
    documented = figures["documented_share"]
    agreement = [
        f"{name}: Krippendorff's alpha ({found['level']}) "
        + (
            f"{found['alpha']:.3f}, 95 % interval {found['low']:.3f} to {found['high']:.3f}"
            if None not in (found["alpha"], found["low"], found["high"])
            else f"without a value or interval ({found['reason'] or 'too few items'})"
        )
        for name, found in figures["agreement"].items()
    ]
    limits = [
        "Whoever holds two releases can match rows by what was said.",
        "Small groups of people are suppressed, so figures by group are of the published profiles.",
    ]
    if counts["simulated_annotators"]:
        limits.insert(
            0, f"{counts['simulated_annotators']} of {counts['annotators']} annotators are simulated."
        )
    if not documented:
        limits.insert(0, "Nothing is documented about the people behind the judgements.")
    properties: dict[str, Any] = {
        "rai:dataCollection": f"Judgements collected at {_places(about)}; {counts['read']} rows read, "
        f"{counts['quarantined']} quarantined by the checks of the policy.",
        "rai:dataCollectionType": ["Manual Human Curator"],
        "rai:dataCollectionMissingData": "An absent profile answer is prefer_not_to_say, not_asked, expired, "
        "revoked or suppressed; an absent judgement is an absent row.",
        "rai:dataPreprocessingProtocol": [
            "Ids hold in this release only; free text, times and references are left out.",
            f"Profiles are published where a combination is shared by at least {about['k']} annotators."
            if about["k"] is not None
            else "Profiles are withheld.",
        ],
        "rai:dataAnnotationProtocol": f"Annotators were asked: {about['alignment_target']['better']}",
        "rai:dataAnnotationPlatform": sorted({part["source"] for part in about["sources"]["judgements"]}),
        "rai:dataAnnotationAnalysis": agreement or ["No agreement can be computed."],
        "rai:annotationsPerItem": f"{figures['judgements_per_item']:.2f} on average",
        "rai:annotatorDemographics": [
            f"{counts['annotators']} annotators; see the record set annotators for each.",
            *people,
        ],
        "rai:dataReleaseMaintenancePlan": ["A release never changes; a later one has another digest."],
        "rai:personalSensitiveInformation": sorted(set(figures["people"]) - {"site"})
        or ["None is published."],
        "rai:dataLimitations": limits,
        "rai:dataUseCases": ["Alignment of language models to the target above, and its audit."],
    }
    return properties


def _places(about: Mapping[str, Any]) -> str:
    return ", ".join(f"{part['site']} ({part['source']})" for part in about["sources"]["judgements"])


def as_bytes(description: Mapping[str, Any]) -> bytes:
    """The file, in a fixed order."""
    return (json.dumps(description, indent=1, ensure_ascii=False) + "\n").encode()
