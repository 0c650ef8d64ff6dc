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
    assert code == 2
    assert said == f"{tmp_path / 'no' / 'folder'}: cannot be written: No such file or directory\n"
    (tmp_path / "place").mkdir()
    code, said = called(monkeypatch, capsys, *words, tmp_path / "place", "--home", tmp_path)
    assert (code, said) == (2, f"{tmp_path / 'place'}: cannot be written: Is a directory\n")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".place", "place."))]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["history", ""], "MODEL"),
        (["history", "--home", " "], "--home"),
        (["verify", "release", "", "--bundle", "b"], "REF"),
        (["trust", "draft", "d", "--add", "a", "--add", ""], "--add"),
        (["annotators", "invite", "ada@example.org", ""], "CONTACT"),
    ],
)
def test_an_empty_argument_is_no_guess_at_one(words, field, monkeypatch, capsys):
    code, said = called(monkeypatch, capsys, *words)
    assert (code, said.partition(":")[0]) == (2, field), said
    assert "is empty" in said


@pytest.mark.parametrize("words", [["history", "--home"], ["log", "export", "--home", "."]])
def test_a_name_that_is_too_long_for_a_file_is_bad_input(words, tmp_path, monkeypatch, capsys):
    ensure_secrets(tmp_path, ["main"])
    code, said = called(monkeypatch, capsys, *words, "n" * 300)
    assert (code, "Traceback" in said) == (2, False), said


@pytest.mark.parametrize(
    "address", ["junk", "sqlite://", "nosuch://a:secret@b/c", "postgresql://a:secret@b:port/c"]
)
def test_what_is_no_address_of_a_database_is_bad_input_and_not_repeated(address, monkeypatch, capsys):
    code, said = called(monkeypatch, capsys, "gate", "floor", address)
    assert (code, said.startswith("OWNER_URL: not a ")) == (2, True), said
    assert "secret" not in said


def test_bytes_that_are_no_text_are_refused_before_they_are_stored(monkeypatch, capsys):
    code, said = called(monkeypatch, capsys, "history", "ch\udcffat")
    assert (code, said.startswith("MODEL: is no text in UTF-8")) == (2, True), said


def test_an_interrupted_command_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(*_words):
        raise KeyboardInterrupt

    monkeypatch.setattr("infra.settings.load_settings", interrupted)
    monkeypatch.setenv("BOUNDS_SETTINGS", "elsewhere")
    code, said = called(monkeypatch, capsys, "log", "list")
    assert (code, said.startswith("interrupted: what was finished is kept")) == (130, True), said


def test_settings_that_cannot_be_used_end_a_start_in_the_background_like_any_other(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "settings.toml").write_text('store = "floppy"\n')
    code, said = called(monkeypatch, capsys, "up", "--detach", "--home", tmp_path)
    assert code == 2, said
    assert "settings.toml: store: " in said.splitlines()[-1]
    assert "the stack did not start" not in said


def test_a_server_that_is_not_there_is_the_worlds_fault(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / "settings.toml").write_text("")
    code, said = called(monkeypatch, capsys, "collect", "--home", tmp_path)
    assert (code, said.partition(" for ")[0]) == (3, "no Prefect server"), said
    (tmp_path / "settings.toml").write_text('prefect_api_url = "http://127.0.0.1:9/api"\n')
    code, said = called(monkeypatch, capsys, "collect", "--home", tmp_path)
    assert code == 3
    assert "does not answer at http://127.0.0.1:9/api" in said


def test_a_reader_that_has_seen_enough_is_no_verdict():
    asked = [sys.executable, "-m", "flows.cli", "policy", "schema"]
    with subprocess.Popen(
        asked, cwd=Path(cli.__file__).parents[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        running.stdout.close()
        said = running.stderr.read()
    assert (running.returncode, said) == (0, b"")


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
