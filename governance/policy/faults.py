"""What is wrong with a policy document, said so that its owner can mend it: place, field, value, what is right."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from governance.errors import InputError, PolicyError
from governance.policy.blame import BlameError
from governance.policy.fields import map_of, models, names
from governance.policy.source import Source

__all__ = ["DocumentError", "document_error", "first_fault", "no_tier"]

_SHOWN: Final = 50
_TIER_WORDS: Final = {1: "TierOne", 2: "TierTwo", 3: "TierThree"}
# Fields of other tiers, and why this tier cannot say them.
_NOT_HERE: Final = {
    1: {
        "waivable": "nothing waives a Tier One rule",
        "dimensions": "Tier One restricts; what may be personalised is declared in Tier Two",
        "promotion": "law states no tolerated rate; the accepted rate is a promotion requirement of Tier Two",
        "data": "requirements on data belong to Tier Two",
        "applications": "law binds every application",
        "wishes": "wishes belong to Tier Three",
        "default": "defaults belong to Tier Two",
    },
    2: {"wishes": "wishes belong to Tier Three"},
    3: {
        "rules": "Tier Three wishes inside the bounds; rules belong to Tiers One and Two",
        "dimensions": "dimensions are declared in Tier Two",
        "promotion": "promotion requirements belong to Tier Two",
        "data": "requirements on data belong to Tier Two",
    },
}
# pydantic's kinds of error in the words of policy owners: what is wrong, what would be right.
_PLAIN: Final = {
    "tuple_type": ("not a list", "a list: [one, another]"),
    "too_short": ("too few", "at least {min_length}"),
    "string_type": ("not a text", "a text; a number, true and false in quotes"),
    "string_too_short": ("too short", "at least {min_length} characters"),
    "string_too_long": ("too long", "at most {max_length} characters"),
    "int_type": ("not a whole number", "a whole number, without quotes"),
    "int_from_float": ("not a whole number", "a whole number, without quotes"),
    "float_type": ("not a number", "a number, without quotes"),
    "bool_type": ("neither true nor false", "true or false, without quotes"),
    "int_parsing": ("not a whole number", "a whole number"),
    "float_parsing": ("not a number", "a number"),
    "bool_parsing": ("neither true nor false", "true or false"),
    "decimal_parsing": ("not a number", "a number"),
    "decimal_type": ("not a number", "a number"),
    "decimal_max_places": ("too many decimals", "at most {decimal_places}"),
    "list_type": ("not a list", "a list"),
    "path_type": ("not a path", "a path"),
    "greater_than": ("too small", "more than {gt}"),
    "greater_than_equal": ("too small", "at least {ge}"),
    "less_than": ("too large", "less than {lt}"),
    "less_than_equal": ("too large", "at most {le}"),
    "datetime_type": ("not a date", "2026-12-02 or 2026-12-02T09:00:00+01:00"),
}


class DocumentError(PolicyError):
    """A policy document with one or more faults; ``faults`` holds each, the first is the error itself."""

    def __init__(self, found: Sequence[PolicyError]) -> None:
        first = found[0]
        super().__init__(
            first.message,
            file=first.file,
            line=first.line,
            column=first.column,
            field=first.field,
            value=first.value,
            expected=first.expected,
        )
        self.faults = tuple(found)

    def diagnostics(self) -> str:
        """One line for each fault."""
        lines = [PolicyError.diagnostics(fault) for fault in self.faults[:_SHOWN]]
        if len(self.faults) > _SHOWN:
            lines.append(f"… and {len(self.faults) - _SHOWN} more")
        return "\n".join(lines)


def no_tier(text: Source) -> DocumentError:
    """The error for data of which not even the tier can be told."""
    if isinstance(text.data, dict):
        message, field, value = "the tier is missing or unknown", "tier", text.data.get("tier")
        expected = "1 (law), 2 (organisation) or 3 (person)"
    else:
        message, field, value = "not a policy document", None, text.data
        expected = "a map with format, id, version, tier, title and authority"
    place = text.place((field,) if field else ())
    return DocumentError(
        [
            PolicyError(
                message,
                file=text.name,
                line=place.line if place else None,
                column=place.column if place else None,
                field=field,
                value=value,
                expected=expected,
            )
        ]
    )


def document_error(error: ValidationError, text: Source, shape: type[BaseModel]) -> DocumentError:
    """Every fault that pydantic found, with its place in the text."""
    return DocumentError([_fault(dict(detail), text, shape) for detail in error.errors(include_url=False)])


def first_fault(error: ValidationError, data: Any, shape: type[BaseModel]) -> InputError:
    """The first fault of data that is no policy document, and whose places in a text are not known."""
    detail: dict[str, Any] = dict(error.errors(include_url=False)[0])
    path, value = _follow(data, detail["loc"], missing=detail["type"] == "missing")
    message, expected = _words(detail, path, shape)
    return InputError(
        message,
        field=_dotted(path) or None,
        value=... if isinstance(value, dict | list | tuple) else value,
        expected=expected,
    )


def _fault(detail: dict[str, Any], text: Source, shape: type[BaseModel]) -> PolicyError:
    path, value = _follow(text.data, detail["loc"], missing=detail["type"] == "missing")
    message, expected = _words(detail, path, shape)
    shown = value
    if isinstance(shown, dict | list | tuple):
        shown = ...
    blame = detail.get("ctx", {}).get("error")
    if isinstance(blame, BlameError):
        below, shown = _follow(value, blame.at, missing=False)
        path += below
        shown = shown if blame.value is ... else blame.value
        expected = blame.expected
    place = text.place(path)
    return PolicyError(
        message,
        file=text.name,
        line=place.line if place else None,
        column=place.column if place else None,
        field=_dotted(path) or None,
        value=shown,
        expected=expected,
    )


def _follow(data: Any, loc: Sequence[str | int], *, missing: bool) -> tuple[tuple[str | int, ...], Any]:
    """The part of ``loc`` that is a path in the data: pydantic puts the names of union members between."""
    path: list[str | int] = []
    value = data
    for position, step in enumerate(loc):
        in_list = isinstance(value, list | tuple) and isinstance(step, int) and step < len(value)
        if in_list or (isinstance(value, dict) and step in value):
            value = value[step]
        elif missing and isinstance(value, dict) and position == len(loc) - 1:
            value = ...  # a field that is missing
        else:
            continue
        path.append(step)
    return tuple(path), value


def _dotted(path: Sequence[str | int]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _words(
    detail: dict[str, Any], path: Sequence[str | int], shape: type[BaseModel]
) -> tuple[str, str | None]:
    """The sentence for a fault, and what would be right."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            words = _unknown_field(str(path[-1]) if path else "", detail["loc"], shape)
        case "missing":
            words = ("a field is missing", f"`{path[-1] if path else ''}`")
        case "literal_error" | "enum" | "union_tag_invalid":
            words = (
                "not one of the known words",
                str(context.get("expected") or context.get("expected_tags")),
            )
        case "union_tag_not_found":
            words = ("a field is missing", str(context.get("discriminator")).strip("'"))
        case "string_pattern_mismatch":
            words = ("not of the right form (plain ASCII)", f"a match of {context['pattern']}")
        case "value_error":
            return str(context.get("error", detail["msg"])), None
        case "model_type" | "model_attributes_type" | "dict_type":
            words = ("not a map", map_of(models(detail["loc"], shape)))
        case kind if kind in _PLAIN:
            message, right = _PLAIN[kind]
            words = (message, right.format_map(context))
            if kind == "string_type" and path and path[-1] == "version":
                words = (message, "three numbers in quotes: '1.0.0'")
        case _:
            said = str(detail["msg"])
            words = ("cannot be used", (said[:1].lower() + said[1:]).removeprefix("input should be "))
    return words


def _unknown_field(name: str, loc: Sequence[str | int], shape: type[BaseModel]) -> tuple[str, str]:
    tier = next((number for number, word in _TIER_WORDS.items() if word in shape.__name__), 0)
    why = _NOT_HERE.get(tier, {}).get(name)
    if why:
        return f"a Tier {tier} document cannot say this", why
    known = names(models(loc[:-1], shape))
    near = difflib.get_close_matches(name, known, n=1)
    return "unknown field", f"`{near[0]}`" if near else f"one of {', '.join(known)}"
