"""A bundle holds against every change of every file; what is wrong is said where; strangers verify it too."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from governance.digest import canonical, digest_bytes
from governance.errors import InputError, RefusedError
from governance.log.entry import Entry, Kind
from governance.log.merkle import leaf_hash, root_of
from governance.log.note import COSIGNATURE, Checkpoint, Note, Verifier
from infra import ledger, log
from infra.bundle import Bundle, verifier, verify_bundle
from infra.database import open_database
from infra.log_checkpoint import checkpoints, sign_checkpoint, witness
from infra.log_export import export_bundle, export_tiles
from infra.objects import open_store
from infra.signing import load_key
from infra.tables.log import LOG_ENTRIES, LOG_HEAD
from tests.support import record
from tests.support.decisions import NOW, decision, signing_key
from tests.support.record import decided, fill, moved, settings_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LATER = NOW + timedelta(hours=1)
settings, db = record.settings, record.db


@pytest.fixture
def bundle(settings, db, tmp_path):
    fill(settings, db, extra=300)
    export_bundle(settings, db, open_store(settings), tmp_path / "bundle", LATER)
    return Bundle(folder=tmp_path / "bundle")


def judged(bundle, **more):
    keys = bundle.keys()
    return verify_bundle(bundle, log=verifier(keys["log"]), pinned=keys["trust"], **more)[0]


def faults(found):
    return [fault for check in found.checks for fault in check.faults]


def strangers_say(bundle, keys, *more, script="verify_bundle.py"):
    """A stand-alone script, in a process where none of our packages can be imported."""
    code = (
        "import sys, runpy\n"
        "for name in ('governance', 'annotation', 'infra', 'flows'): sys.modules[name] = None\n"
        f"sys.path.insert(0, {str(EXAMPLES)!r})\n"
        f"runpy.run_path({str(EXAMPLES / script)!r}, run_name='__main__')"
    )
    words = [str(bundle.folder), "--key", keys["log"], *map(str, more)]
    if script == "verify_bundle.py":
        words += ["--trust", keys["trust"]]
    run = subprocess.run(
        [sys.executable, "-I", "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert run.stderr == ""
    return run.returncode, run.stdout


def test_a_whole_bundle_holds_for_us_and_for_strangers(bundle):
    found = judged(bundle)
    assert found, faults(found)
    assert len(found.checks) >= 7
    assert strangers_say(bundle, bundle.keys()) == (0, "all holds\n")
    assert strangers_say(bundle, bundle.keys(), script="verify_log.py") == (0, "all holds\n")


@pytest.mark.parametrize("script", ["verify_log.py", "verify_bundle.py"])
def test_the_scripts_of_strangers_are_short_enough_to_be_read(script):
    text = (EXAMPLES / script).read_text()
    assert len([line for line in text.splitlines() if line]) <= 100
    assert not any(f"{ours}." in text for ours in ("governance", "annotation", "infra", "flows"))


def files_of(bundle):
    return sorted(p for p in bundle.folder.rglob("*") if p.is_file() and p.name != "keys.json")


def test_every_kind_of_file_is_held_to_its_bytes(bundle, tmp_path):
    keys = bundle.keys()
    kinds = {}
    for path in files_of(bundle):
        name = path.relative_to(bundle.folder).as_posix()
        kinds.setdefault((name.split("/")[0], name.count("/"), ".p" in name, "entries" in name), []).append(
            path
        )
    assert len(kinds) >= 7
    for paths in kinds.values():
        for path in paths[:3]:
            data = path.read_bytes()
            for at in sorted({0, len(data) // 3, len(data) // 2, len(data) - 2}):
                path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
                found = judged(bundle)
                assert not found, (path, at)
                assert any(faults(found))
            for changed in (data[:-1], data + b"\n", b""):
                path.write_bytes(changed)
                assert not judged(bundle), (path, len(changed))
            path.unlink()
            assert not judged(bundle), path
            path.write_bytes(data)
    assert judged(bundle)
    assert bundle.keys() == keys


def test_strangers_refuse_what_we_refuse(bundle):
    keys = bundle.keys()
    for path in [
        p for p in files_of(bundle) if "tile/0/" not in p.as_posix() and "tile/1" not in p.as_posix()
    ]:
        data = path.read_bytes()
        path.write_bytes(
            data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
        )
        code, said = strangers_say(bundle, keys)
        assert code == 1, path
        assert "WRONG" in said
        if "tile" in path.parts or path.name == "checkpoint":
            assert strangers_say(bundle, keys, script="verify_log.py")[0] == 1, path
        path.write_bytes(data)


def test_the_fault_names_the_entry(bundle):
    path = bundle.folder / "tile/entries/000"
    path.write_bytes(path.read_bytes().replace(b'"number":100}', b'"number":900}'))
    found = judged(bundle)
    position = next(
        at for at, e in enumerate(found.entries) if e.kind is Kind.KEY and e.body == {"number": 900}
    )
    assert f"entry {position}: tile/entries/000 does not hold what tile/0/000 hashes" in faults(found)


def test_a_stray_file_is_named(bundle):
    (bundle.folder / "tile/0/999").write_bytes(b"x")
    assert any("tile/0/999: not part of a log" in fault for fault in faults(judged(bundle)))


def resigned(settings, bundle, entries):
    """Whoever holds the log's key writes another log in place of this one."""
    leaves = [leaf_hash(data) for data in entries]
    verifier_ = verifier(bundle.keys()["log"])
    note = Note(text=Checkpoint(origin=verifier_.name, size=len(entries), root=root_of(leaves)).text())
    key = load_key(settings.keys_folder, "log")
    return note.signed(verifier_.name, verifier_.hash + key.private.sign(note.text.encode())).to_bytes()


def repeat(db, data):
    """Append these bytes once more, past what appends an act once."""
    with db.write() as connection:
        size = log.Tree.at(connection).size
        row = {
            "position": size,
            "kind": Entry.parse(data).kind.value,
            "identity": f"again-{size}",
            "entry": data.decode(),
        }
        connection.execute(insert(LOG_ENTRIES), [row])
        connection.execute(update(LOG_HEAD).values(size=size + 1))


def rewritten(settings, db, bundle, change):
    """The bundle of a log whose database was rewritten by its owner, log key included."""
    with db.write() as connection:
        rows = [
            row.encode()
            for row in connection.execute(
                select(LOG_ENTRIES.c.entry).order_by(LOG_ENTRIES.c.position)
            ).scalars()
        ]
    shutil.rmtree(bundle.folder / "tile")
    (bundle.folder / "checkpoint").unlink()
    other = settings.model_copy(
        update={
            "database_url": f"sqlite:///{settings.home / f'forged-{len(list(settings.home.iterdir()))}.db'}"
        }
    )
    with open_database(other, now=NOW) as forged:
        for data in change(rows):
            entry = Entry.parse(data)
            log.append(forged, entry.kind, entry.body, entry.at)
        from infra.log_export import write_tiles

        with forged.read() as connection:
            tree = log.Tree.at(connection)
            write_tiles(bundle.folder, tree, tree.size)
        (bundle.folder / "checkpoint").write_bytes(sign_checkpoint(other, forged, LATER))


def test_a_fork_and_a_rewind_are_seen_by_whoever_kept_a_checkpoint(settings, db, bundle, tmp_path):
    kept = tmp_path / "kept"
    kept.write_bytes((bundle.folder / "checkpoint").read_bytes())
    keys = bundle.keys()
    assert judged(bundle, earlier=[kept.read_bytes()])
    rewritten(settings, db, bundle, lambda rows: [*rows[:-1], rows[-1].replace(b"299", b"777")])
    assert judged(bundle)  # nobody without a memory can tell: this is what checkpoints and witnesses are for
    assert any("forked" in fault for fault in faults(judged(bundle, earlier=[kept.read_bytes()])))
    assert strangers_say(bundle, keys, "--since", kept)[0] == 1
    assert strangers_say(bundle, keys, "--since", kept, script="verify_log.py")[0] == 1
    rewritten(settings, db, bundle, lambda rows: rows[:-5])
    assert any("set back" in fault for fault in faults(judged(bundle, earlier=[kept.read_bytes()])))
    assert strangers_say(bundle, keys, "--since", kept)[0] == 1


def test_an_act_that_stands_twice_is_found(settings, db, bundle):
    """The owner of the database appends an entry again, past the platform, and signs the log so."""
    keys = bundle.keys()
    with db.read() as connection:
        acts = [data for _, data in log.raw_entries(connection)]
    decided_at = next(at for at, data in enumerate(acts) if Entry.parse(data).kind is Kind.DECISION)
    repeat(db, acts[decided_at])
    export_bundle(settings, db, open_store(settings), bundle.folder, LATER)
    assert f"entry {len(acts)}: repeats entry {decided_at}" in faults(judged(bundle))
    for script in ("verify_log.py", "verify_bundle.py"):
        code, said = strangers_say(bundle, keys, script=script)
        assert (code, f"entry {len(acts)}: repeats entry {decided_at}" in said) == (1, True)


def test_another_key_or_trust_is_refused(bundle):
    keys = bundle.keys()
    other = Verifier(name=verifier(keys["log"]).name, public_key=signing_key("eve").public_key)
    assert not verify_bundle(bundle, log=other, pinned=keys["trust"])[0]
    assert not verify_bundle(bundle, log=verifier(keys["log"]), pinned="sha256:" + "0" * 64)[0]
    assert strangers_say(bundle, keys | {"log": str(other)})[0] == 1
    assert strangers_say(bundle, keys | {"trust": "sha256:" + "0" * 64})[0] == 1


@pytest.mark.parametrize(
    "case", ["no approvals", "one approval", "FAIL", "expired", "other version", "unknown"]
)
def test_a_promotion_that_was_not_allowed_is_found(settings, db, tmp_path, case):
    from governance.audit.statistics import Verdict

    fill(settings, db, approved={"no approvals": (), "one approval": ("ann",)}.get(case, ("ann", "bo")))
    if case == "FAIL":
        moved(db, decided(db, decision(version="5", verdict=Verdict.FAIL)), at=LATER)
    if case == "expired":
        moved(db, decided(db, decision(version="5")), at=NOW + timedelta(days=60))
    if case == "other version":
        row = decided(db, decision(version="5"))
        ledger.record_promotion(
            db,
            ledger.Promotion(
                model="chat", alias="champion", version="6", outcome="promoted", at=LATER, decision=row.digest
            ),
        )
    if case == "unknown":
        ledger.record_promotion(
            db,
            ledger.Promotion(
                model="chat",
                alias="champion",
                version="6",
                outcome="promoted",
                at=LATER,
                decision="sha256:" + "1" * 64,
            ),
        )
    folder = tmp_path / "bundle"
    at = NOW + timedelta(days=90) if case == "expired" else LATER
    export_bundle(settings, db, open_store(settings), folder, at)
    found = judged(Bundle(folder=folder))
    [check] = [check for check in found.checks if not check]
    assert check.what.startswith("replayed")
    assert all("(promotion)" in fault for fault in check.faults)
    assert strangers_say(Bundle(folder=folder), Bundle(folder=folder).keys())[0] == 1


def test_an_export_goes_on_where_it_was_and_refuses_another_log(settings, db, bundle, tmp_path):
    store = open_store(settings)
    log.append_all(db, [(Kind.KEY, {"number": number}) for number in range(300, 600)], LATER)
    export_bundle(settings, db, store, bundle.folder, LATER)
    assert judged(bundle)
    log.append(db, Kind.KEY, {"number": 1_000}, LATER)
    done = export_bundle(settings, db, store, bundle.folder, LATER)
    assert judged(bundle)
    assert done.files <= 5
    assert len(checkpoints(db)) == 3
    other = settings_of(tmp_path / "other")
    with open_database(other, now=NOW) as fresh:
        fill(other, fresh)
        with pytest.raises(RefusedError, match="of the log"):
            export_bundle(other, fresh, open_store(other), bundle.folder, LATER)
        (tmp_path / "papers").mkdir()
        (tmp_path / "papers/thesis").write_text("mine")
        with pytest.raises(InputError, match="something else"):
            export_bundle(other, fresh, open_store(other), tmp_path / "papers", LATER)


def test_a_log_that_was_rewritten_is_not_signed(settings, db, bundle):
    with db.write() as connection:
        connection.execute(
            update(LOG_ENTRIES)
            .where(LOG_ENTRIES.c.position == 305)
            .values(entry=Entry(kind=Kind.KEY, at=NOW, body={"number": -1}).to_bytes().decode())
        )
    log.append(db, Kind.KEY, {"number": 5_000}, LATER)
    with pytest.raises(RefusedError, match="not those that were signed"):
        sign_checkpoint(settings, db, LATER)


def test_tiles_in_the_object_store_are_those_of_the_folder(settings, db, bundle):
    store = open_store(settings)
    for _ in range(2):
        tree = export_tiles(settings, db, store, LATER)
    index = json.loads(store.get_file("log", tree, "tiles.json"))
    assert sorted(index) == sorted(bundle.tiles())
    for name, digest in index.items():
        assert store.get("log", digest) == bundle.read(name)
    assert store.get_file("log", tree, "checkpoint") == bundle.read("checkpoint")


def proof_of(db, old):
    with db.read() as connection:
        return log.Tree.at(connection).consistency(old)


def test_a_witness_cosigns_growth_and_nothing_else(settings, db, bundle, tmp_path):
    log_key, eye = verifier(bundle.keys()["log"]), signing_key("witness")
    seen = Verifier(name="eye", public_key=eye.public_key, algorithm=COSIGNATURE)
    memory = tmp_path / "memory.json"

    def watch(checkpoint, proof):
        return witness(checkpoint, proof, log=log_key, memory=memory, key=eye, name="eye", now=LATER)

    first = watch(bundle.read("checkpoint"), [])
    size = Checkpoint.parse(Note.parse(first).text).size
    (bundle.folder / "checkpoint").write_bytes(first)
    assert judged(bundle, witnesses=[seen], quorum=1)
    log.append(db, Kind.KEY, {"number": 9_000}, LATER)
    second = sign_checkpoint(settings, db, LATER)
    with pytest.raises(RefusedError, match="nothing proves"):
        watch(second, [])
    assert seen.signed_at(Note.parse(watch(second, proof_of(db, size)))) == int(LATER.timestamp())
    with pytest.raises(RefusedError, match="nothing proves"):
        watch(first, [])
    with pytest.raises(InputError, match="not signed"):
        watch(second.replace(b"\n3", b"\n4", 1), [])


def test_objects_are_named_by_their_digests(bundle):
    for path in (bundle.folder / "objects").iterdir():
        assert digest_bytes(path.read_bytes()) == f"sha256:{path.name}"
        json.loads(path.read_bytes())
    assert canonical({}) == b"{}"
