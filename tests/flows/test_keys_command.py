"""``bounds keys``: what a person at the terminal sees, and what the service then lets in."""

import json

from typer.testing import CliRunner

from flows.commands.keys import app
from infra.web.keys import ApiKeys


def run(*arguments):
    return CliRunner().invoke(app, arguments)


def test_a_key_is_shown_once_listed_without_itself_and_taken_back(tmp_path):
    home = ("--home", str(tmp_path))
    made = run("create", "chat-app", "--scope", "resolve", "--json", *home)
    key = json.loads(made.stdout)["key"]
    assert ApiKeys(tmp_path).find(key).name == "chat-app"
    listed = run("list", *home).stdout
    assert "chat-app  resolve" in listed
    assert key not in listed
    assert json.loads(run("list", "--json", *home).stdout)["keys"][0]["scopes"] == ["resolve"]
    assert run("revoke", "chat-app", *home).exit_code == 0
    assert ApiKeys(tmp_path).find(key) is None
    assert "nobody holds a key" in run("list", *home).stdout


def test_the_text_form_is_the_key_alone(tmp_path):
    made = run("create", "chat-app", "-s", "policies:read", "-s", "resolve", "--home", str(tmp_path))
    assert ApiKeys(tmp_path).find(made.stdout.strip()).scopes == ("policies:read", "resolve")
