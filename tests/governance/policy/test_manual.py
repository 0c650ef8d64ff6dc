"""The manual for policy owners does what it says: its files are written, its commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.commands.policy import app
from governance.errors import BoundsError

MANUAL = Path(__file__).parents[3] / "docs" / "policy-owners.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", MANUAL.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def words(text: str) -> str:
    return " ".join(text.split())


def run(arguments: list[str]) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, BoundsError):
        return result.exception.exit_code, result.exception.diagnostics()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_the_manual_is_true(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    commands = 0
    for language, body in BLOCKS:
        if language == "yaml":
            name = re.match(r"# file: (.+)", body)
            assert name, body
            file = tmp_path / name.group(1)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(body, "utf-8")
            continue
        assert language == "console"
        command, *expected = body.splitlines()
        assert command.startswith("$ bounds policy ")
        code, output = run(shlex.split(command)[3:])
        commands += 1
        wanted = next((int(line.split()[1]) for line in expected if line.startswith("exit ")), 0)
        assert code == wanted, output
        for line in expected:
            if not line.startswith("exit "):
                assert words(line) in words(output), f"{command}\n{line}\n{output}"
    assert commands >= 8


@pytest.mark.parametrize("command", ["check", "diff", "resolve", "explain", "test", "coverage", "pin"])
def test_the_manual_shows_every_command(command):
    assert any(f"bounds policy {command} " in body for language, body in BLOCKS if language == "console")
