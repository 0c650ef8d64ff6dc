"""Reads the shipped mappings of published codebooks out of the installed package."""

from __future__ import annotations

from importlib import resources

from annotation.importers.mapping import ProfileMapping, parse_mapping

__all__ = ["shipped_mapping"]


def shipped_mapping(name: str) -> ProfileMapping:
    """The mapping ``name`` (prism, dices, label-studio)."""
    file = resources.files("annotation.importers.mappings").joinpath(f"{name}.yaml")
    return parse_mapping(file.read_text("utf-8"), name=f"{name}.yaml")
