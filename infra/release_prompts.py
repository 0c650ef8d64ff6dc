"""The prompts of a release or of any file of prompts, for the check that a model did not learn its own audit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from governance.errors import InputError, in_words
from governance.strict_json import json_lines
from infra.given_files import read_text

__all__ = ["prompts_in_items", "read_prompts"]


def prompts_in_items(data: bytes) -> list[str]:
    """Every user turn of the items of a release (``items.parquet``)."""
    import pyarrow.parquet as pq

    rows: list[Any] = pq.read_table(io.BytesIO(data), columns=["prompt"])["prompt"].to_pylist()
    return [turn["content"] for prompt in rows for turn in prompt if turn["role"] == "user"]


def read_prompts(path: Path) -> list[str]:
    """Prompts of a release folder, an ``items.parquet``, or JSON Lines with ``prompt``.

    Raises:
        InputError: Nothing there holds prompts.
    """
    file = path / "items.parquet" if path.is_dir() else path
    try:
        if file.suffix == ".parquet":
            return prompts_in_items(file.read_bytes())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"holds no items of a release: {in_words(error)}", file=str(file)) from error
    found = []
    for line, row in json_lines(read_text(file), source=file.name):
        prompt = row.get("prompt")
        if isinstance(prompt, str):
            found.append(prompt)
        elif isinstance(prompt, list):
            found += [str(turn.get("content", "")) for turn in prompt if isinstance(turn, dict)]
        else:
            raise InputError(
                "holds no prompt", file=file.name, line=line, field="prompt", expected="a text or turns"
            )
    return found
