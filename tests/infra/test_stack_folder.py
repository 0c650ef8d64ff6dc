"""What a data folder holds about its stack: lock, secrets, ports, record."""

import json
import os
import socket
import sqlite3
import stat

import pytest

from governance.errors import InputError, OutsideError, RefusedError
from infra.settings import load_settings
from infra.stack import Stack
from infra.stack.health import look
from infra.stack.ports import USUAL, Ports, is_free
from infra.stack.record import FolderLock, is_running, make_folder, read_record, write_record
from infra.stack.secrets import ensure_secrets
from infra.stack.template import find_label_studio


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_private_made_once_and_never_printed(tmp_path):
    first = ensure_secrets(tmp_path, ["uk"])
    before = first.path.read_text()
    second = ensure_secrets(tmp_path, ["uk"])
    assert (mode(first.path), first.path.read_text()) == (0o600, before)
    assert first == second
    assert first.label_studio_password not in repr(first)
    assert len(first.label_studio_token) == 40
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]


def test_a_new_site_gets_a_key_of_its_own_and_the_old_keeps_its(tmp_path):
    ensure_secrets(tmp_path, ["uk"])
    key = load_settings(tmp_path).site("uk").key
    ensure_secrets(tmp_path, ["uk", "ke"])
    settings = load_settings(tmp_path)
    assert settings.site("uk").key == key
    assert settings.site("ke").key.get_secret_value() not in {"", key.get_secret_value()}
    assert key.get_secret_value() not in repr(settings)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_broken_secrets_are_named_and_not_replaced(tmp_path, text):
    path = tmp_path / "secrets.json"
    path.write_text(text)
    with pytest.raises(InputError, match="secrets"):
        ensure_secrets(tmp_path, ["main"])
    assert path.read_text() == text


def test_a_folder_is_locked_once(tmp_path):
    lock = FolderLock(tmp_path)
    write_record(
        tmp_path, {"pid": os.getpid(), "started": "today", "parts": {"mlflow": {"url": "http://127.0.0.1:5"}}}
    )
    with pytest.raises(RefusedError) as refused:
        FolderLock(tmp_path)
    assert str(os.getpid()) in refused.value.reasons[0]
    assert refused.value.reasons[1] == "mlflow: http://127.0.0.1:5"
    assert is_running(tmp_path)
    lock.close()
    assert not is_running(tmp_path)
    FolderLock(tmp_path).close()


def test_a_lock_whose_supervisor_is_gone_says_that_it_is_being_stopped(tmp_path):
    lock = FolderLock(tmp_path)
    with pytest.raises(RefusedError, match="still being stopped"):
        FolderLock(tmp_path)
    lock.close()


def test_a_record_that_is_no_json_is_named(tmp_path):
    (tmp_path / "stack.json").write_text("no")
    with pytest.raises(InputError, match=r"stack\.json"):
        read_record(tmp_path)


def test_a_port_that_was_asked_for_is_had_or_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"--port: the port is taken.*web={port}.*web=0"):
            Ports(["mlflow", "web"], {"mlflow": 0, "web": port})
    ports = Ports(["web"], {"web": port})
    assert ports.chosen == {"web": port}
    ports.close()


def test_the_last_port_is_had_again_before_the_usual_one():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ports = Ports(["web"], last={"web": port})
    assert ports.chosen == {"web": port}
    ports.close()


@pytest.mark.parametrize("place", ["a file", "a file/below"])
def test_a_data_folder_that_cannot_be_made_is_bad_input(tmp_path, place):
    (tmp_path / "a file").write_text("")
    with pytest.raises(InputError, match="--home: no data folder can be made there"):
        make_folder(tmp_path / place)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("mlflow",), 'mlflow_url = "http://mlflow.example.org"'),
        (("prefect",), 'prefect_api_url = "http://prefect.example.org/api"'),
        (("label_studio",), '[[sites]]\nid = "uk"\nlabel_studio_url = "http://labels.example.org"'),
        (("s3",), 'store = "s3"\n[s3]\nendpoint = "http://s3.example.org"'),
    ],
)
def test_no_server_is_started_beside_one_that_the_settings_name(tmp_path, parts, text):
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(InputError, match=r"the embedded stack starts a server of its own .*example\.org"):
        Stack(tmp_path, parts=parts, ports=dict.fromkeys(("mlflow", "prefect", "label_studio"), 0)).begin()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["settings.toml", "stack.lock"]


def test_the_address_that_people_use_stays_as_it_was_given(tmp_path):
    (tmp_path / "settings.toml").write_text('web_url = "https://portal.example.org"')
    with Stack(tmp_path, parts=("web",), ports={"web": 0}) as stack:
        settings = stack.settings
        assert settings.web_url == "https://portal.example.org"
        assert settings.review_url == "https://portal.example.org/models"
        assert settings.near_pages_url.startswith("http://127.0.0.1:")
        assert settings.gate_webhooks["bounds-audit"]["url"].startswith(settings.near_pages_url)
        [part] = look(tmp_path).parts
        assert (part.name, part.is_healthy, part.url) == ("web", True, settings.near_pages_url)


@pytest.mark.parametrize("site", ["ÄÖ", "Main", "", "a" * 32, "a b", "main\n"])
def test_what_is_no_id_of_a_site_is_refused_before_anything_is_written(tmp_path, site):
    stack = Stack(tmp_path, parts=("web",), ports={"web": 0}, sites=(site,))
    with pytest.raises(InputError, match="--site: not the id of a site"):
        stack.begin()
    assert {path.name for path in tmp_path.iterdir()} <= {"stack.lock"}
    FolderLock(tmp_path).close()  # it is free again


def test_a_taken_port_leads_to_another(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("infra.stack.ports.USUAL", {"web": port, "mlflow": port})
        ports = Ports(["web", "mlflow"], {"mlflow": 0}, last={"web": port})
        assert ports.chosen["web"] != port
        assert all(is_free(chosen) for chosen in ports.chosen.values())
        assert len(set(ports.chosen.values())) == 2
        ports.close()


def test_two_stacks_never_choose_the_same_port():
    wanted = Ports(["web"], {"web": 0})
    free = wanted.chosen["web"]
    second = Ports(["web"], last={"web": free})
    assert second.chosen["web"] != free
    with pytest.raises(InputError, match="taken"):
        Ports(["web"], {"web": free})
    wanted.close()
    second.close()
    third = Ports(["web"], {"web": free})
    assert third.chosen["web"] == free
    third.close()


def test_the_usual_ports_differ():
    assert len(set(USUAL.values())) == len(USUAL)


@pytest.mark.parametrize(
    ("parts", "said"), [(("mlfow",), "no such part"), (("workers",), "workers need their server")]
)
def test_parts_are_checked(tmp_path, parts, said):
    with pytest.raises(InputError, match=said):
        Stack(tmp_path, parts=parts)


def test_a_folder_keeps_its_kind_of_store(tmp_path):
    write_record(tmp_path, {"settings": {"store": "s3", "s3": {"endpoint": "http://127.0.0.1:1"}}})
    with pytest.raises(InputError, match="keeps its objects elsewhere"):
        Stack(tmp_path, store="directory", parts=("web",)).begin()
    assert not is_running(tmp_path)


def test_a_missing_label_studio_says_make_setup(tmp_path, monkeypatch):
    monkeypatch.setenv("BOUNDS_LABEL_STUDIO", str(tmp_path / "label-studio"))
    with pytest.raises(InputError, match="make setup"):
        find_label_studio()
    with pytest.raises(InputError, match="make setup"):
        Stack(tmp_path / "home", parts=("label_studio",)).start()
    assert not is_running(tmp_path / "home")


def test_a_program_elsewhere_is_not_a_label_studio(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "label-studio"
    program.parent.mkdir()
    program.touch()
    monkeypatch.setenv("BOUNDS_LABEL_STUDIO", str(program))
    with pytest.raises(InputError, match="not an environment with Label Studio"):
        find_label_studio()


@pytest.mark.servers
def test_the_template_holds_migrations_and_nobody(tmp_path):
    template = find_label_studio().make_template()
    with sqlite3.connect(f"file:{template}?mode=ro", uri=True) as database:
        count = {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("django_migrations", "htx_user", "organization", "authtoken_token", "project")
        }
    database.close()
    assert count.pop("django_migrations") > 300
    assert set(count.values()) == {0}


def test_failing_migrations_are_an_outside_fault(tmp_path, monkeypatch):
    root = tmp_path / "env"
    package = root / "lib" / "python3.11" / "site-packages" / "label_studio"
    package.mkdir(parents=True)
    (package.parent / "label_studio-0.0.dist-info").mkdir()
    (package / "manage.py").touch()
    for name, text in (("label-studio", ""), ("python", "#!/bin/sh\necho no room; exit 3\n")):
        program = root / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    monkeypatch.setenv("BOUNDS_LABEL_STUDIO", str(root / "bin" / "label-studio"))
    with pytest.raises(OutsideError, match=r"(?s)failed \(3\).*no room"):
        find_label_studio().make_template()
    assert [path.name for path in (root / "share" / "bounds").iterdir()] == [".lock"]


def test_the_record_holds_no_secret(tmp_path):
    secrets = ensure_secrets(tmp_path, ["main"])
    with Stack(tmp_path, parts=("web",), ports={"web": 0}) as stack:
        text = (tmp_path / "stack.json").read_text()
        assert stack.settings.web_url in text
        assert mode(tmp_path) == 0o700
    for secret in (secrets.label_studio_password, secrets.label_studio_token, secrets.s3_secret_key):
        assert secret not in text
    assert json.loads((tmp_path / "stack.json").read_text())["state"] == "stopped"
