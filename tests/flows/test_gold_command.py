"""``bounds gold`` and what follows from it: routing by the plan, validation by the policy, and staff in Label Studio."""

import csv
import json
import logging
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from annotation.events import EventKind, EventPage, RawEvent
from flows import collect as collecting
from flows import validate as validating
from flows.cli import build
from flows.wiring import open_platform
from governance.errors import RecordError
from infra.assignment_files import make_assigner
from infra.events import write_events
from infra.expectations import run_on_files as expect_by_gx
from infra.policy_files import POLICIES
from infra.portal_judgements import show, submit
from infra.stack.secrets import ensure_secrets
from tests.annotation.test_assignment import TEXT
from tests.support import portal
from tests.support.platform import NOW

PEOPLE = ("a-0001", "a-0002", "a-0003")
CARELESS = PEOPLE[2]
RULE = "  - {id: D.known-answers, check: gold, at_least: 0.7, answers: 2}\n"


def bounds(home, *words, code=0):
    outcome = CliRunner().invoke(build("gold"), ["gold", *map(str, words), "--home", str(home)])
    raised = outcome.exception
    found = getattr(raised, "exit_code", None) or outcome.exit_code
    assert found == code, (outcome.output, raised)
    return outcome.output if code == 0 else raised.diagnostics()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A site with six pairs, a plan that asks gold items at the 1st, 3rd … place, and a policy with a gold rule."""
    ensure_secrets(tmp_path, ["main"])
    plan = TEXT.replace("outside: 0.1", "outside: 1.0").replace("first: 2, every: 5", "first: 1, every: 2")
    (tmp_path / "plan.yaml").write_text(plan)
    policy = tmp_path / "policy"
    policy.mkdir()
    for name in ("law.yaml", "provider.yaml"):
        (policy / name).write_text((POLICIES / "demo" / name).read_text())
    provider = policy / "provider.yaml"
    text = provider.read_text()
    at = text.index("  - {id: D.duration,")
    provider.write_text(text[:at] + RULE + text[at:])
    (tmp_path / "settings.toml").write_text(
        'policy = "policy"\n[[sites]]\nid = "main"\nassignment = "plan.yaml"\n'.replace(
            '"policy"', f'"{policy}"', 1
        )
    )
    monkeypatch.setattr(validating, "check", validating.check.fn)
    # Great Expectations counts the first batch as always; what MLflow would keep of it is left out.
    counted = []

    def expect(_, validated, *__):
        if not counted:
            counted.append(expect_by_gx(validated))
        return "run"

    monkeypatch.setattr(validating, "expect", expect)
    monkeypatch.setattr(validating, "_links", lambda *_: [])
    monkeypatch.setattr(validating, "create_markdown_artifact", lambda **_: None)
    monkeypatch.setattr(validating, "get_run_logger", lambda: logging.getLogger("test"))
    with open_platform(tmp_path) as platform:
        portal.items(platform.db, 6)
    return tmp_path


def declare(home, answers, *, kind="gold", extra=()):
    """Known answers by the number of the item, in order of the ids; the ids."""
    from infra import catalogue

    with open_platform(home) as platform:
        names = sorted(row["item"] for row in catalogue.items(platform.db))
    file = home / "known.csv"
    lines = [f"{names[number]},{answer},{kind}" for number, answer in answers.items()]
    file.write_text("\n".join(["item,answer,kind", *lines]) + "\n")
    bounds(home, "add", file, "--by", "Ada of the staff", *extra)
    return names


def judge_everything(home, gold):
    """Everybody prefers the item's first answer; the careless one prefers the second of every gold item."""
    order = {}
    with open_platform(home) as platform:
        give = make_assigner(
            platform.settings, platform.db, "main", codebook="core@1.0.0", policy=lambda _: None
        )
        keys = platform.keys("main")
        for person in PEOPLE:
            who = portal.person(platform.db, person)
            now = NOW
            while (presentation := give.reserve(person, now)) is not None:
                show(platform.db, who, presentation, now=now)
                [row] = [
                    r
                    for r in collecting.catalogue.presentations(platform.db)
                    if r.presentation == presentation
                ]
                [item] = collecting.catalogue.items(platform.db, [row.item])
                wanted = item["candidates"][int(person == CARELESS and row.item in gold)]["candidate"]
                choice = "first_better" if row.shown[0] == wanted else "second_better"
                now += timedelta(seconds=30)
                answer = {"choice": choice, "rationale": None}
                submit(platform.db, keys, who, presentation, answer, seconds=20.0, now=now)
                give.complete(presentation, now)
                order.setdefault(person, []).append(row.item)
        for source in platform.sources("main"):
            collecting.pull.fn(platform, source)
    return order


def validated(home):
    with open_platform(home) as platform:
        return validating.validate_site(platform, "main")


def test_a_policy_with_a_gold_rule_works_from_the_file_of_answers_to_quarantine(home):
    names = declare(home, {0: 1, 1: 1, 2: 1})
    gold = set(names[:3])
    order = judge_everything(home, gold)
    for asked in order.values():
        # The plan says where: the 1st, 3rd and 5th item of everybody, and ordinary ones between.
        assert [item in gold for item in asked[:6]] == [True, False, True, False, True, False]
    first = validated(home)
    assert (first["read"], first["failed_rules"]["D.known-answers"]) == (18, 6)
    assert first["quarantined"] >= 6
    assert validated(home)["batch"] == first["batch"]

    # Other known answers are another input: everything is judged anew, and now nobody but the careless is right.
    bounds(home, "remove", names[0])
    declare(home, {1: 2, 2: 2}, extra=["--replace"])
    second = validated(home)
    assert second["batch"] != first["batch"]
    assert second["failed_rules"]["D.known-answers"] == 12

    bounds(home, "remove", names[1], names[2])
    with pytest.raises(RecordError, match="known answer"):
        validated(home)


def test_known_answers_are_listed_with_who_declared_them(home):
    names = declare(home, {0: 1, 3: "tie"})
    listed = json.loads(bounds(home, "list", "--json"))["items"]
    assert [(each["item"], each["answer"], each["kind"], each["portal"]) for each in listed] == [
        (names[0], "1", "gold", "pairwise"),
        (names[3], "tie", "gold", "pairwise"),
    ]
    assert {each["by"] for each in listed} == {"Ada of the staff"}
    assert names[3] in bounds(home, "list")
    assert "1 known answer taken back" in bounds(home, "remove", names[0])
    assert "no known answer is declared" in bounds(home, "remove", names[0], code=2)


def test_what_cannot_be_declared_is_refused_and_nothing_is_half_written(home, tmp_path):
    names = declare(home, {0: 1})
    file = tmp_path / "wrong.csv"
    for text, words in (
        (f"item,answer\n{names[1]},1\n{names[0]},2\n", "another known answer"),
        (f"item,answer\n{names[1]},1\ni-none,1\n", "no such item"),
    ):
        file.write_text(text)
        assert words in bounds(home, "add", file, "--by", "Ada", code=2)
    file.write_bytes(b"item,answer\n\xff\xfe,1\n")
    assert "wrong.csv:2: not UTF-8 (expected CSV in UTF-8)" in bounds(
        home, "add", file, "--by", "Ada", code=2
    )
    assert "cannot be read" in bounds(home, "add", tmp_path / "none.csv", "--by", "Ada", code=2)
    assert len(json.loads(bounds(home, "list", "--json"))["items"]) == 1


def test_a_sheet_is_written_filled_in_and_taken(home, tmp_path):
    file = tmp_path / "sheet.csv"
    assert "6 items" in bounds(home, "sheet", file)
    assert "there already" in bounds(home, "sheet", file, code=2)
    with file.open() as stream:
        rows = list(csv.DictReader(stream))
    rows[2]["answer"] = "2"
    with file.open("w") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerow(rows[2])
    bounds(home, "add", file, "--by", "Ada")
    [listed] = json.loads(bounds(home, "list", "--json"))["items"]
    assert (listed["item"], listed["answer"]) == (rows[2]["item"], "2")


def test_staff_mark_ground_truth_in_label_studio_and_it_becomes_known(home):
    assert "nothing collected" in bounds(home, "from-label-studio", "--by", "Ada", code=2)
    with open_platform(home) as platform:
        [item, other, *_] = sorted(collecting.catalogue.items(platform.db), key=lambda row: row["item"])
        second = item["candidates"][1]["candidate"]

        def event(number, row, outcome, preferred, *, marked):
            return RawEvent(
                site="main",
                source="label_studio",
                ref=f"1/{number}",
                kind=EventKind.STATED,
                revision=1,
                raw={"ground_truth": marked},
                judgement={
                    "item": row["item"],
                    "annotator": "a-staff",
                    "outcome": outcome,
                    "preferred": preferred,
                },
                annotator="a-staff",
            )

        page = EventPage(
            events=(
                event(1, item, "prefers", second, marked=True),
                event(2, item, "tie", None, marked=False),
                event(3, other, "cannot_judge", None, marked=True),
            ),
            cursor="1",
        )
        write_events(
            platform.store, platform.db, page, site="main", source="label_studio", now=NOW, keys=platform.keys
        )
    assert "1 known answer declared" in bounds(home, "from-label-studio", "--by", "Ada")
    [listed] = json.loads(bounds(home, "list", "--json"))["items"]
    assert (listed["item"], listed["answer"], listed["kind"]) == (item["item"], "2", "gold")
