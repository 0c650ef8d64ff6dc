"""Layers of settings: how one is laid over another, and which of them said what cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from pydantic import BaseModel, SecretStr, ValidationError

from governance.errors import InputError

__all__ = ["Layer", "merged", "refusal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one place says: ``name`` is its file, or the environment variable."""

    name: str
    data: Mapping[str, Any]


def merged(base: Mapping[str, Any], other: Mapping[str, Any], *, wins: bool = True) -> dict[str, Any]:
    """Two layers as one; tables by their names, ``sites`` by their ids, in the order of ``base``.

    Args:
        base: The one.
        other: The other.
        wins: Whether ``other`` is believed where both say something.
    """
    result = dict(base)
    for key, value in other.items():
        here = result.get(key)
        if key not in result:
            result[key] = value
        elif key == "sites" and _are_sites(here) and _are_sites(value):
            result[key] = _sites(here, value, wins=wins)
        elif isinstance(here, dict) and isinstance(value, dict):
            result[key] = merged(here, value, wins=wins)
        elif wins:
            result[key] = value
    return result


def _sites(base: list[dict[str, Any]], other: list[dict[str, Any]], *, wins: bool) -> list[dict[str, Any]]:
    by_id = {site["id"]: site for site in base}
    for site in other:
        by_id[site["id"]] = merged(by_id.get(site["id"], {}), site, wins=wins)
    return list(by_id.values())


def _are_sites(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and all(
        isinstance(site, dict) and isinstance(site.get("id"), str) for site in value
    )


def refusal(
    error: ValidationError, data: Mapping[str, Any], layers: Sequence[Layer], shape: type[BaseModel]
) -> InputError:
    """The first fault in words, with the one layer that said it; no secret is repeated.

    Args:
        error: What pydantic found in ``data``.
        data: The layers as one.
        layers: The weakest first.
        shape: The settings' shape.
    """
    from governance.policy.faults import first_fault

    fault = first_fault(error, data, shape)
    loc = tuple(error.errors(include_url=False)[0]["loc"])
    said = [layer for layer in layers if _says(layer.data, loc, data)]
    whose = said[-1].name if said else layers[0].name if layers else "environment"
    return InputError(
        fault.message,
        file=whose,
        field=fault.field,
        value=... if _is_secret(loc, shape) else fault.value,
        expected=fault.expected,
    )


def _says(layer: Any, loc: Sequence[str | int], data: Any) -> bool:
    """Whether a layer holds what stands at a place of the whole: its last step may be what is missing."""
    value, whole = layer, data
    for step in loc:
        if isinstance(step, int) and isinstance(whole, list):
            whole = whole[step] if step < len(whole) else None
            value = _same(value, whole)
        elif isinstance(whole, dict) and step in whole:
            whole = whole[step]
            value = value.get(step) if isinstance(value, dict) else None
        else:
            continue  # what is missing, or the name of a kind
        if value is None:
            return False
    return True


def _same(entries: Any, wanted: Any) -> Any:
    """The entry of a list that is the wanted one: by its id where it has one."""
    if not isinstance(entries, list):
        return None
    for entry in entries:
        if entry == wanted or (
            isinstance(entry, dict)
            and isinstance(wanted, dict)
            and entry.get("id") is not None
            and entry.get("id") == wanted.get("id")
        ):
            return entry
    return None


def _is_secret(loc: Sequence[str | int], shape: type[BaseModel]) -> bool:
    from governance.policy.fields import models

    names = [step for step in loc if isinstance(step, str)]
    if not names:
        return False
    fields = [model.model_fields.get(names[-1]) for model in models(loc[: loc.index(names[-1])], shape)]
    return any(field is not None and SecretStr.__name__ in str(field.annotation) for field in fields)
