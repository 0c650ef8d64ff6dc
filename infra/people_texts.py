"""The shipped codebook, consent text and country names, and those that an organisation puts in their place."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from annotation import data
from annotation.codebook import Codebook, ConsentText, read_codebook, read_consent_text
from governance.errors import InputError, in_words
from infra.settings import Settings

__all__ = ["load_codebook", "load_consent_text", "load_countries"]


def load_codebook(settings: Settings) -> Codebook:
    """``codebook.yaml`` of the data folder, else the shipped one.

    Raises:
        InputError: The file cannot be used; the error names the place.
    """
    source, content = _yaml(settings, "codebook.yaml")
    return read_codebook(content, source=source)


def load_consent_text(settings: Settings) -> ConsentText:
    """``consent.yaml`` of the data folder, else the shipped one.

    Raises:
        InputError: The file cannot be used; the error names the place.
    """
    source, content = _yaml(settings, "consent.yaml")
    return read_consent_text(content, source=source)


def load_countries() -> dict[str, dict[str, str]]:
    """ISO 3166-1 alpha-3 code → name in each language."""
    text = (resources.files(data) / "countries.json").read_text(encoding="utf-8")
    countries: dict[str, dict[str, str]] = json.loads(text)["countries"]
    return countries


def _yaml(settings: Settings, name: str) -> tuple[str, Any]:
    own: Path = settings.home / name
    try:
        text = (
            own.read_text(encoding="utf-8")
            if own.is_file()
            else (resources.files(data) / name).read_text(encoding="utf-8")
        )
        return str(own if own.is_file() else name), yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot be read: {in_words(error)}", file=str(own), expected="YAML") from error
