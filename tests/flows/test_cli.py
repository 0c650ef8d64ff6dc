"""The command line as a whole: what holds for every command, whatever it does."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from rich.text import Text

from flows import cli
from flows.commands.passphrase import passphrase
from governance.errors import InputError
from infra.stack.secrets import ensure_secrets
from infra.web.keys import ApiKeys


def called(monkeypatch, capsys, *words: str | Path) -> tuple[int, str]:
    """Exit code and what was said on standard error."""
    monkeypatch.setattr(sys, "argv", ["bounds", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0), capsys.readouterr().err


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("BOUNDS_HOME", "BOUNDS_SETTINGS", "BOUNDS_DATABASE_URL", "BOUNDS_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "words",
    [
        ["log", "list"],
        ["log", "export", "out"],
        ["history"],
        ["trust", "show"],
        ["annotators", "invite", "ada@example.org"],
        ["gate", "publish"],
        ["keys", "list"],
        ["export", "prov"],
        ["quotas"],
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_data_folder_that_is_not_there_is_refused_and_not_made(words, named, tmp_path, monkeypatch, capsys):
    home = tmp_path / ("typo" if named else ".bounds")
    code, said = called(monkeypatch, capsys, *words, *(["--home", home] if named else []))
    assert code == 2
    assert said.startswith("--home: no data folder is there")
    assert str(home) in said
    assert not list(tmp_path.iterdir())


def test_a_data_folder_that_is_there_is_used(tmp_path, monkeypatch, capsys):
    code, _ = called(
        monkeypatch, capsys, "keys", "create", "app", "--scope", "resolve", "--home", tmp_path / "h"
    )
    assert code == 0
    assert called(monkeypatch, capsys, "keys", "list", "--home", tmp_path / "h") == (0, "")
    assert [entry.name for entry in ApiKeys(tmp_path / "h").entries()] == ["app"]


def test_settings_elsewhere_need_no_data_folder(tmp_path, monkeypatch, capsys):
    (tmp_path / "settings.toml").write_text("")
    monkeypatch.setenv("BOUNDS_SETTINGS", str(tmp_path / "settings.toml"))
    assert called(monkeypatch, capsys, "history", "--home", tmp_path / "h")[0] == 0


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_and_option_says_what_it_is_and_loses_nothing_in_brackets(name):
    command = typer.main.get_command(cli.build(name)).commands[name]
    for each in [command, *getattr(command, "commands", {}).values()]:
        for text in [each.help or "", *(getattr(option, "help", None) or "" for option in each.params)]:
            assert text.strip(), f"{each.name}: an option says nothing"
            assert Text.from_markup(text).plain == text


def test_each_command_stands_under_one_heading():
    listed = [name for names in cli.PANELS.values() for name in names.split()]
    assert sorted(listed) == sorted(cli.COMMANDS)


def test_the_version_is_said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bounds", "--version"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("bounds ")


def test_what_nobody_foresaw_is_no_verdict(monkeypatch, capsys):
    def broken(_called):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(cli, "build", broken)
    code, said = called(monkeypatch, capsys, "log", "list")
    assert code == 3
    assert "Traceback" in said
    assert "ZeroDivisionError: by nothing" in said


@pytest.mark.parametrize("words", [["annotators", "export"], ["trust", "draft"]])
def test_a_place_that_cannot_be_written_is_named_without_a_traceback(words, tmp_path, monkeypatch, capsys):
    ensure_secrets(tmp_path, ["main"])
    code, said = called(monkeypatch, capsys, *words, tmp_path / "no" / "folder", "--home", tmp_path)
    assert code == 3
    assert "folder" in said
    assert "cannot be read or written: No such file or directory" in said
    assert "Traceback" not in said


def test_a_passphrase_that_nobody_can_be_asked_for_is_an_error_at_once(tmp_path):
    asked = [sys.executable, "-m", "flows.cli", "trust", "key", str(tmp_path / "key.pem")]
    done = subprocess.run(
        asked,
        check=False,
        cwd=Path(cli.__file__).parents[1],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "BOUNDS_PASSPHRASE" in done.stderr
    assert not (tmp_path / "key.pem").exists()


def test_a_key_file_is_looked_for_before_anybody_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(typer, "prompt", lambda *_a, **_k: pytest.fail("asked"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.raises(InputError, match="no such file"):
        passphrase(tmp_path / "nope.pem")
    (tmp_path / "there.pem").write_text("x")
    with pytest.raises(InputError, match="already"):
        passphrase(tmp_path / "there.pem", is_new=True)


def test_a_draft_that_is_not_there_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "settings.toml").write_text("")
    for words in (["apply", "nope.json", "--home", tmp_path], ["sign", "nope.json", "--key", "k.pem"]):
        code, said = called(monkeypatch, capsys, "trust", *words)
        assert code == 2
        assert said.startswith("nope.json: cannot be read: No such file")
