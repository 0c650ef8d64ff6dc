"""``bounds import`` as it is called: what it prints, how it exits, and what a kill leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from annotation.importers import read_pandalm
from flows.cli import main
from infra import catalogue, collected
from infra.database import Database
from infra.events import events_digest, read_events
from infra.importing import store_import
from infra.objects_directory import DirectoryStore
from tests.support.keys import keys_in, keys_of
from tests.support.platform import NOW

Run = Callable[..., tuple[int, str, str]]


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "idx": n,
            "motivation_app": "Test",
            "cmp_key": "m-1_m-2",
            "instruction": f"Question {n}?",
            "input": "",
            "response1": "yes",
            "response2": "no",
            "annotator1": n % 3,
            "annotator2": 1,
            "annotator3": 2,
        }
        for n in range(count)
    ]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("BOUNDS_HOME", str(tmp_path / "home"))

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bounds", "import", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(rows(4)))
    return path


def test_pandalm_is_imported_once(run: Run, file: Path, tmp_path: Path) -> None:
    code, out, err = run("pandalm", str(file), "--json")
    first = json.loads(out)
    assert (code, err) == (0, "")
    assert {name: first[name] for name in ("read", "imported", "refused", "new_items", "new_judgements")} == {
        "read": 4,
        "imported": 4,
        "refused": 0,
        "new_items": 4,
        "new_judgements": 12,
    }
    again = json.loads(run("pandalm", str(file), "--json")[1])
    assert again == {**first, "new_items": 0, "new_judgements": 0}
    store = DirectoryStore(tmp_path / "home" / "objects")
    folder = store.fetch_tree("imports", first["object"], tmp_path / "tree")
    with Database(f"sqlite:///{tmp_path / 'home' / 'platform.db'}", now=NOW) as db:
        stored = catalogue.items(db)
        assert sorted(pq.read_table(folder / "items.parquet").to_pylist(), key=lambda r: r["item"]) == stored
        assert len(list(read_events(store, db, "main", keys=keys_of(tmp_path / "home")))) == 12
        assert len(catalogue.imports(db)) == 1


def test_a_longer_file_adds_what_is_new(run: Run, file: Path, tmp_path: Path) -> None:
    run("pandalm", str(file), "--json")
    changed = rows(6)
    changed[0]["annotator2"] = 2
    file.write_text(json.dumps(changed))
    added = json.loads(run("pandalm", str(file), "--json")[1])
    assert (added["new_items"], added["new_judgements"]) == (2, 7)
    with Database(f"sqlite:///{tmp_path / 'home' / 'platform.db'}", now=NOW) as db:
        assert len(collected.known(db, "main", "file").versions()) == 18


def test_what_is_printed_for_people(run: Run, file: Path) -> None:
    bad = [*rows(3), *({**row, "response1": True} for row in rows(12)[3:])]
    file.write_text(json.dumps(bad))
    code, out, err = run("pandalm", str(file))
    assert (code, err) == (0, "")
    assert "refused row 4: response1 is a boolean, not text" in out
    assert "… and 4 more" in out
    assert "imports/sha256:" in out


def test_items_only(run: Run, file: Path, tmp_path: Path) -> None:
    assert json.loads(run("pandalm", str(file), "--json", "--items-only")[1])["new_judgements"] == 0
    with Database(f"sqlite:///{tmp_path / 'home' / 'platform.db'}", now=NOW) as db:
        assert catalogue.count_items(db) == 4
        assert collected.chunks(db) == []


def test_trl_with_what_is_known_of_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "set-b.jsonl"
    path.write_text('{"prompt": "q", "chosen": "yes", "rejected": "no"}\n{"prompt": "q"\n')
    words = ("trl", str(path), "--licence", "MIT", "--language", "en-GB", "--site", "main", "--json")
    found = json.loads(run(*words)[1])
    assert (found["origin"], found["imported"], found["new_judgements"]) == ("set-b", 1, 1)
    assert [refusal["place"] for refusal in found["refusals"]] == ["line 2"]
    with Database(f"sqlite:///{tmp_path / 'home' / 'platform.db'}", now=NOW) as db:
        [item] = catalogue.items(db)
    assert (item["licence"], item["language"]) == ("MIT", "en-GB")


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (None, (), "cannot be read: No such file"),
        (b"", (), "the file is empty"),
        (b"\xff", (), "not UTF-8"),
        (b"{}", (), "not a JSON array"),
        (b'[{"idx": 1}]', (), "wrong columns"),
        (
            json.dumps([{**rows(1)[0], "response1": 1}]).encode(),
            (),
            "nothing was imported: 1 of 1 row refused",
        ),
        (json.dumps([*rows(1), 3]).encode(), ("--strict",), "nothing was imported: 1 of 2 rows refused"),
        (json.dumps(rows(1)).encode(), ("--site", "absent"), "no such site"),
    ],
)
def test_bad_input_is_told_in_a_sentence(
    run: Run, tmp_path: Path, content: bytes | None, words: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "input.json"
    if content is not None:
        path.write_bytes(content)
    code, out, err = run("pandalm", str(path), *words)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "home" / "objects").exists()


_KILLED = """
import os, signal, sys
from contextlib import contextmanager
from infra import database, objects_directory
left = int(sys.argv.pop(1))
def step():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
write, rename = database.Database.write, objects_directory._sync_folder
@contextmanager
def killing_write(self):
    step()
    with write(self) as connection:
        yield connection
        step()  # everything is written, nothing is committed
def killing_sync(folder):
    step()
    rename(folder)
database.Database.write, objects_directory._sync_folder = killing_write, killing_sync
from flows.cli import main
main()
"""


def undisturbed(file: Path, folder: Path) -> str:
    """The digest of the events of an import that nothing disturbed."""
    imported = read_pandalm(file.read_bytes(), name=file.name)
    with Database(f"sqlite:///{folder / 'platform.db'}", now=NOW) as db:
        store_import(
            DirectoryStore(folder / "objects"), db, imported, site="main", now=NOW, keys=keys_in(folder)
        )
        return events_digest(db)


@pytest.mark.parametrize("step", [2, 8, 11, 13, 15, 17])
def test_a_killed_import_is_completed_by_the_next(run: Run, file: Path, tmp_path: Path, step: int) -> None:
    words = ["import", "pandalm", str(file), "--json"]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(step), *words],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    # The last steps may lie behind the end: then the import was whole, and the next adds nothing.
    assert killed.returncode in {-9, 0}, killed.stderr.decode()
    assert run(*words[1:])[0] == 0
    store = DirectoryStore(tmp_path / "home" / "objects")
    with Database(f"sqlite:///{tmp_path / 'home' / 'platform.db'}", now=NOW) as db:
        events = list(read_events(store, db, keys=keys_of(tmp_path / "home")))
        assert len({event.ref for event in events}) == len(events) == 12
        assert {event.revision for event in events} == {1}
        assert catalogue.count_items(db) == 4
        assert len(catalogue.imports(db)) == 1
        # The same as an import that nothing disturbed, digest for digest.
        assert events_digest(db) == undisturbed(file, tmp_path / "clean")
    assert len(list(store.list("imports"))) == 1
    assert len(list(store.list("raw/main"))) == 1


def test_people_are_imported_with_their_answers(run: Run, tmp_path: Path) -> None:
    from infra import people
    from tests.annotation.test_importers_people import conversation, lines, person, utterances

    folder = tmp_path / "prism"
    folder.mkdir()
    talk = conversation(1, 1)
    (folder / "survey.jsonl").write_bytes(lines(person(1), person(2, consent="No")))
    (folder / "conversations.jsonl").write_bytes(lines(talk))
    (folder / "utterances.jsonl").write_bytes(lines(*utterances(talk)))
    code, out, _ = run("prism", str(folder), "--json")
    first = json.loads(out)
    assert code == 0
    assert {name: first[name] for name in ("read", "imported", "refused", "items", "annotators")} == {
        "read": 8,
        "imported": 7,
        "refused": 1,
        "items": 2,
        "annotators": 1,
    }
    assert first["refusals"] == [
        {"place": "survey.jsonl line 2", "reason": "no consent: consent is 'No'"},
    ]
    with Database(f"sqlite:///{tmp_path / 'home' / 'platform.db'}", now=NOW) as db:
        known = people.profiles(db, "main")
    assert {row["annotator"] for row in known} == {"prism-user1"}
    assert {row["field"]: row["value"] for row in known}["gender"] == "non_binary"
    again = json.loads(run("prism", str(folder), "--json")[1])
    assert (again["new_items"], again["new_judgements"]) == (0, 0)
    assert run("prism", str(tmp_path), "--json")[0] == 2
