"""What the documents say of the command line and of each other is so: commands, options, links; no command is left out."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from flows.cli import COMMANDS, build

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
CALL = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?bounds ([a-z].*)$")
WORD = re.compile(r"[a-z][a-z-]*")


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    """Every command by its name, groups and what is below them."""
    found: dict[str, Any] = {}

    def add(name: str, command: Any) -> None:
        found[name] = command
        if isinstance(command, TyperGroup):
            for below, inner in command.commands.items():
                add(f"{name} {below}", inner)

    for name in COMMANDS:
        root = typer.main.get_command(build(name))
        assert isinstance(root, TyperGroup)
        add(name, root.commands[name])
    return found


def calls(text: str) -> list[str]:
    """What stands behind ``bounds`` in code: whole lines of fenced blocks, and spans, also those in a comment there."""
    lines = [line for block in FENCED.findall(text) for line in block.replace("\\\n", " ").split("\n")]
    spans = SPAN.findall(text.replace("```", ""))
    return [found[1] for each in (*lines, *spans) if (found := CALL.match(each.strip()))]


def named(call: str, commands: dict[str, Any]) -> tuple[str, list[str]]:
    """The command that a call names, and the words behind it."""
    first, *rest = re.split(r"\s+", re.split(r"\s[|#;<>]|&&", call)[0].strip())
    while (
        rest
        and isinstance(commands.get(first), TyperGroup)
        and WORD.fullmatch(rest[0])
        and f"{first} {rest[0]}" in commands
    ):
        first = f"{first} {rest.pop(0)}"
    return first, rest


def faults(call: str, commands: dict[str, Any]) -> list[str]:
    """What a call names that is not there."""
    name, rest = named(call, commands)
    command = commands.get(name)
    if command is None:
        return [f"no command `{name}`"]
    if isinstance(command, TyperGroup) and not command.invoke_without_command:
        return [f"no command `{name} {rest[0]}`"] if rest and WORD.fullmatch(rest[0]) else []
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    given = (word.strip("[]…,.").split("=")[0] for word in rest if word.strip("[").startswith("--"))
    return [f"`{name}` has no {option}" for option in given if option not in known]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_and_options_that_a_document_names_are_there(path, commands):
    found = [
        f"bounds {call}: {fault}" for call in calls(path.read_text()) for fault in faults(call, commands)
    ]
    assert found == []


def test_every_command_stands_in_a_document(commands):
    said = {named(call, commands)[0] for path in DOCUMENTS for call in calls(path.read_text())}
    leaves = {name for name, each in commands.items() if not isinstance(each, TyperGroup)}
    assert len(leaves) > 60
    assert sorted(leaves - said) == []


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head).lower() for head in heads)
    return {re.sub(r"[^\w\- ]", "", head).strip().replace(" ", "-") for head in plain}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    lost = []
    for link in LINK.findall(FENCED.sub("", path.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            lost.append(link)
    assert lost == []


def test_a_wrong_call_is_found(commands):
    assert faults("policy chekc a.yaml", commands) == ["no command `policy chekc`"]
    assert faults("verify log --no-such", commands) == ["`verify log` has no --no-such"]
    assert faults("nothing", commands) == ["no command `nothing`"]
    assert faults("audit --model chat --json", commands) == []
