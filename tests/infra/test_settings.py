"""Settings in layers: whose word counts, and what is said of a value that cannot be used."""

import json

import pytest

from governance.errors import InputError
from infra.settings import load_settings

STACK = {
    "store": "directory",
    "mlflow_url": "http://127.0.0.1:5000",
    "web_url": "http://127.0.0.1:8800",
    "sites": [{"id": "main", "project": "bounds", "label_studio_url": "http://127.0.0.1:8080"}],
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("BOUNDS_SETTINGS", "BOUNDS_MLFLOW_URL", "BOUNDS_STORE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "stack.json").write_text(json.dumps({"settings": STACK}))
    return tmp_path


def test_what_the_operator_says_counts_more_than_what_a_stack_had_and_the_environment_most(home, monkeypatch):
    (home / "settings.toml").write_text(
        'web_url = "https://portal.example.org"\nmlflow_url = "http://mlflow.example.org"\n'
        '[[sites]]\nid = "uk"\n[[sites]]\nid = "main"\nlabel_studio_url = "http://labels.example.org"\n'
    )
    settings = load_settings(home)
    assert settings.web_url == "https://portal.example.org"
    assert settings.mlflow_url == "http://mlflow.example.org"
    assert [site.id for site in settings.sites] == ["uk", "main"]
    assert settings.site("main").label_studio_url == "http://labels.example.org"
    assert settings.site("main").project == "bounds"
    monkeypatch.setenv("BOUNDS_MLFLOW_URL", "http://other.example.org")
    assert load_settings(home).mlflow_url == "http://other.example.org"


def test_a_folder_keeps_its_objects_where_they_lie(home):
    (home / "settings.toml").write_text('store = "s3"\n[s3]\nbucket = "b"\n')
    with pytest.raises(InputError, match=r"settings\.toml: store: .*elsewhere .*expected directory"):
        load_settings(home)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("settings.toml", 'polcy = "demo"', "polcy: unknown field (got 'demo'; expected `policy`)"),
        ("settings.toml", '[[sites]]\nproject = "x"', "sites[0].id: a field is missing (expected `id`)"),
        ("settings.toml", '[[sites]]\nid = "main"\noverlap = 0', "sites[0].overlap: too small (got 0; expected at least 1)"),
        ("settings.toml", "[gate]\nterms_days = 'x'", "gate.terms_days: not a whole number (got 'x'; expected a whole number)"),
        ("settings.toml", "sites = 'main'", "sites: not a list (got 'main'; expected a list: [one, another])"),
        ("secrets.json", '{"settings": {"release_secret": 77}}',
         "release_secret: not a text (expected a text; a number, true and false in quotes)"),
        ("secrets.json", '{"settings": [1]}', "settings: is not a table (expected an object)"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_used_is_named_with_the_one_file_that_says_it(home, name, text, says):
    (home / name).write_text(text)
    with pytest.raises(InputError) as caught:
        load_settings(home)
    assert caught.value.diagnostics() == f"{home / name}: {says}"


def test_a_variable_that_cannot_be_used_is_named(home, monkeypatch):
    monkeypatch.setenv("BOUNDS_STORE", "floppy")
    with pytest.raises(InputError, match="BOUNDS_STORE: store: not one of the known words"):
        load_settings(home)
