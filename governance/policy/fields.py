"""Which fields a part of a policy document may have, for the message about one that it may not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

__all__ = ["map_of", "models", "names"]


def models(loc: Sequence[str | int], shape: type[BaseModel]) -> list[type[BaseModel]]:
    """The shapes that stand at ``loc``: one, or all of a union where the text does not say which."""
    found = [shape]
    for step in loc:
        if isinstance(step, int):
            continue  # a member of a list has the shape that the list's field names
        fields = [field for model in found for field in [_field(model, step)] if field is not None]
        if fields:
            found = [model for field in fields for model in _within(field.annotation)]
        else:  # the tag of a union, or a key of a map
            found = [model for model in found if step in _tags(model)] or found
    return found


def _field(model: type[BaseModel], name: str) -> FieldInfo | None:
    return next((f for key, f in model.model_fields.items() if name == (f.alias or key)), None)


def _within(annotation: Any) -> list[type[BaseModel]]:
    """Every shape in an annotation, through unions, lists and maps."""
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inner in get_args(annotation) for model in _within(inner)]


def _tags(model: type[BaseModel]) -> set[Any]:
    return {tag for field in model.model_fields.values() for tag in get_args(field.annotation)}


def names(shapes: Sequence[type[BaseModel]]) -> list[str]:
    """The names of their fields, as documents write them."""
    return list(dict.fromkeys(f.alias or name for model in shapes for name, f in model.model_fields.items()))


def map_of(shapes: Sequence[type[BaseModel]]) -> str:
    """What must be written where one of these shapes is wanted."""
    if any(model.__name__ == "Extends" for model in shapes):
        return "it pinned as {id, digest}; `bounds policy show FILE` prints the digest"
    needed = [
        f.alias or name for model in shapes for name, f in model.model_fields.items() if f.is_required()
    ]
    return f"a map with {', '.join(dict.fromkeys(needed))}" if needed else "a map of names and values"
