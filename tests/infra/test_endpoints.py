"""An endpoint as the subject: every fault a server can have, and a process killed in the middle, again and again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from governance.audit.probes import Expectation, Probe, Turn
from governance.audit.responses import UNASKED, Persona, Request
from governance.errors import InputError
from infra.chat_endpoint import Endpoint
from infra.endpoints import EndpointSubject
from infra.evidence import Evidence, EvidenceRow
from infra.pacing import retry_after
from tests.support.endpoint import stub_endpoint


def requests(*prompts, persona=None):
    return [
        Request(
            probe=Probe(
                id=f"p{index}",
                family=f"f{index}",
                turns=(Turn(role="user", text=prompt),),
                expectation=Expectation.REFUSE,
                rules=frozenset({"T1.harm"}),
            ),
            **({"persona": persona} if persona else {}),
        )
        for index, prompt in enumerate(prompts)
    ]


def subject(stub, tmp_path, **settings):
    fields = {"timeout": 2.0, "attempts": 3, "in_flight": 8} | settings
    endpoint = Endpoint(url=stub.url, model="scripted", **fields)
    return EndpointSubject(endpoint, evidence=tmp_path / "evidence.db")


def test_every_request_gets_its_answer_and_is_asked_once(tmp_path):
    prompts = [f"question {i}" for i in range(200)]
    with stub_endpoint() as stub:
        asked = subject(stub, tmp_path)
        answers = {r.probe: r.text for r in asked.respond(requests(*prompts))}
        assert answers == {f"p{i}": f"answer to question {i}" for i in range(200)}
        assert set(stub.asked.values()) == {1}
        assert (asked.accounts.asked, asked.accounts.completion_tokens) == (200, 1000)
        again = subject(stub, tmp_path)
        assert {r.probe: r.text for r in again.respond(requests(*prompts))} == answers
        assert (again.accounts.asked, again.accounts.resumed) == (0, 200)
        assert sum(stub.asked.values()) == 200


class Gate:
    """Needs nothing any more once so many answers were seen."""

    def __init__(self, enough):
        self.enough, self.seen = enough, set()

    def needs(self, request):
        return len(self.seen) < self.enough

    def see(self, request, response):
        assert response.text == f"answer to {request.probe.prompt}"
        self.seen.add(request.probe.id)


def test_what_is_not_needed_any_more_is_not_asked_also_when_resumed(tmp_path):
    prompts = [f"question {i}" for i in range(200)]
    with stub_endpoint() as stub:
        asked = subject(stub, tmp_path)
        asked.curtail(Gate(30))
        got = list(asked.respond(requests(*prompts)))
        begun = sum(stub.asked.values())
        assert len(got) == 200
        assert 30 <= begun < 30 + 8
        assert sum(each.error == UNASKED for each in got) == asked.accounts.not_needed == 200 - begun
        assert asked.accounts.unasked == 0
        again = subject(stub, tmp_path)
        gate = Gate(30)
        again.curtail(gate)
        assert sorted(r.key for r in again.respond(requests(*prompts)) if r.text) == sorted(
            r.key for r in got if r.text
        )
        assert (sum(stub.asked.values()), len(gate.seen)) == (begun, begun)


@pytest.mark.parametrize(
    ("fault", "text", "error"),
    [
        ("flapping", "answer to flapping", None),
        ("dead", None, "HTTP 500"),
        ("forbidden", None, "HTTP 403"),
        ("moved", None, "HTTP 302"),
        ("nonsense", None, "the answer is not a chat completion"),
        ("list", None, "the answer is not a chat completion"),
        ("huge", None, "the answer is larger than 1000000 bytes"),
        ("truncated", None, "the answer was cut off"),
        ("empty", "", None),
        ("null", "", None),
        ("surrogate", "a?b", None),
        ("stream", "answer in pieces", None),
        ("cutstream", None, "the stream was cut off"),
        ("foreign", "Lo siento, no puedo ayudar con eso. \u0627\u0644\u0633\u0644\u0627\u0645", None),
    ],
)
def test_faults_are_answers_with_a_reason(tmp_path, fault, text, error):
    with stub_endpoint() as stub:
        asked = subject(stub, tmp_path)
        good, bad = asked.respond(requests("fine", fault))
        assert good.text == "answer to fine"
        assert (bad.text, bad.error) == (text, error)
        assert dict(asked.accounts.errors) == ({error: 1} if error else {})


def test_a_slow_answer_times_out_and_nothing_else_waits_for_it(tmp_path):
    with stub_endpoint() as stub:
        asked = subject(stub, tmp_path, timeout=0.3, attempts=1)
        begin = time.perf_counter()
        answers = list(asked.respond(requests("slow", *[f"q{i}" for i in range(20)])))
        assert time.perf_counter() - begin < 3
        assert answers[0].error == "timed out"
        assert all(answer.text for answer in answers[1:])


def test_a_storm_of_429_halves_the_pace_and_loses_nothing(tmp_path):
    with stub_endpoint(delay=0.005) as stub:
        stub.storm_left = 60
        asked = subject(stub, tmp_path, in_flight=32, attempts=2)
        answers = list(asked.respond(requests(*[f"q{i}" for i in range(150)])))
        assert all(answer.text for answer in answers)
        assert asked.accounts.throttled == 60


def test_the_retry_budget_of_a_run_is_kept_and_named(tmp_path):
    with stub_endpoint() as stub:
        asked = subject(stub, tmp_path, attempts=4, in_flight=64)
        prompts = [f"dead {i}" for i in range(60)] + [f"fine {i}" for i in range(60)]
        answers = list(asked.respond(requests(*prompts)))
        assert [a.error for a in answers] == ["HTTP 500"] * 60 + [None] * 60
        assert asked.accounts.budget_spent
        assert asked.accounts.retried == 60  # half of 120
        assert sum(stub.asked.values()) == 180


def test_a_server_that_only_fails_is_given_up_and_the_rest_asked_next_time(tmp_path):
    with stub_endpoint() as stub:
        asked = subject(stub, tmp_path, attempts=1, give_up=20, in_flight=4)
        prompts = [f"dead {i}" for i in range(30)] + [f"fine {i}" for i in range(30)]
        answers = list(asked.respond(requests(*prompts)))
        assert asked.accounts.gave_up
        assert {a.error for a in answers} == {"HTTP 500"}
        assert len(answers) + asked.accounts.unasked == 60
        assert asked.accounts.unasked >= 36
        again = subject(stub, tmp_path, attempts=1, in_flight=4)
        assert len(list(again.respond(requests(*prompts)))) == 60
        assert not again.accounts.unasked


def test_a_conversation_holds_the_models_own_answers_and_resumes_in_the_middle(tmp_path):
    turns = tuple(Turn(role="user", text=text) for text in ("one", "two", "three"))
    talk = Request(probe=Probe(id="talk", family="talk", turns=turns, expectation=Expectation.REFUSE),
                   persona=Persona(id="warm", prompt="Be warm."))  # fmt: skip
    with stub_endpoint() as stub:
        (answer,) = subject(stub, tmp_path).respond([talk])
        assert (answer.text, answer.earlier) == ("answer to three", ("answer to one", "answer to two"))
        assert [m["content"] for m in stub.bodies[-1]["messages"]] == [
            "Be warm.", "one", "answer to one", "two", "answer to two", "three",
        ]  # fmt: skip
        with sqlite3.connect(tmp_path / "evidence.db") as db:
            db.execute("DELETE FROM replies WHERE text = 'answer to three'")
        (again,) = subject(stub, tmp_path).respond([talk])
        assert again == answer
        assert stub.asked == {"one": 1, "two": 1, "three": 2}


def test_tokens_cost_and_what_answered_are_counted_from_rows(tmp_path):
    with stub_endpoint() as stub:
        asked = subject(stub, tmp_path, price_in=2.0, price_out=10.0)
        list(asked.respond(requests("a", "b", "short")))
        again = subject(stub, tmp_path, price_in=2.0, price_out=10.0)
        list(again.respond(requests("a", "b", "short")))
        for one in (asked.accounts, again.accounts):
            assert (one.prompt_tokens, one.completion_tokens) == (9, 15)
            assert one.cost == pytest.approx((9 * 2 + 15 * 10) / 1e6)
            assert (one.cut_short, dict(one.served)) == (1, {"stub-1": 3})
        assert (asked.accounts.asked, again.accounts.asked) == (3, 0)


def test_nobody_there(tmp_path):
    endpoint = Endpoint(url="http://127.0.0.1:9/v1", model="none", attempts=1)
    (answer,) = EndpointSubject(endpoint, evidence=tmp_path / "e.db").respond(requests("hello"))
    assert answer.error == "no connection"


def test_errors_are_kept_and_asked_again_on_request(tmp_path):
    with stub_endpoint() as stub:
        first = subject(stub, tmp_path, attempts=1)
        assert [a.error for a in first.respond(requests("flapping"))] == ["HTTP 500"]
        assert [a.error for a in subject(stub, tmp_path, attempts=1).respond(requests("flapping"))] == [
            "HTTP 500"
        ]
        assert stub.asked["flapping"] == 1
        endpoint = Endpoint(url=stub.url, model="scripted")
        again = EndpointSubject(endpoint, evidence=tmp_path / "evidence.db", retry_errors=True)
        assert [a.text for a in again.respond(requests("flapping"))] == ["answer to flapping"]


def test_sampling_and_persona_are_sent_and_are_part_of_the_identity(tmp_path):
    with stub_endpoint() as stub:
        warm = Persona(id="warm", prompt="Use a warm tone.")
        asked = subject(stub, tmp_path, temperature=0.7, seed=5, max_tokens=9, key="secret")
        list(asked.respond(requests("hi", persona=warm)))
        (body,) = stub.bodies
        assert body["messages"][0] == {"role": "system", "content": "Use a warm tone."}
        assert (body["temperature"], body["seed"], body["max_tokens"], body["stream"]) == (0.7, 5, 9, False)
        assert asked.digest != subject(stub, tmp_path, temperature=0.8, seed=5, max_tokens=9).digest
        assert (
            asked.digest == subject(stub, tmp_path, temperature=0.7, seed=5, max_tokens=9, in_flight=2).digest
        )
        assert "secret" not in repr(asked.endpoint)
        assert b"secret" not in (tmp_path / "evidence.db").read_bytes()


def test_never_more_in_flight_than_allowed(tmp_path):
    with stub_endpoint(delay=0.01) as stub:
        list(subject(stub, tmp_path, in_flight=5).respond(requests(*[f"q{i}" for i in range(60)])))
        assert stub.most_in_flight <= 5


def test_a_rate_limit_is_kept(tmp_path):
    with stub_endpoint() as stub:
        begin = time.perf_counter()
        list(subject(stub, tmp_path, per_second=50).respond(requests(*[f"q{i}" for i in range(26)])))
        assert time.perf_counter() - begin >= 0.5


CHILD = """
import sys
from pathlib import Path
from infra.chat_endpoint import Endpoint
from infra.endpoints import EndpointSubject
from tests.infra.test_endpoints import requests
endpoint = Endpoint(url=sys.argv[1], model="scripted", in_flight=8)
list(EndpointSubject(endpoint, evidence=Path(sys.argv[2])).respond(requests(*[f"q{i}" for i in range(400)])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("times", [10])
def test_killed_again_and_again_it_loses_and_doubles_nothing(tmp_path, times):
    root = Path(__file__).parents[2]
    with stub_endpoint(delay=0.02) as stub:
        file = tmp_path / "killed.db"
        kills = 0
        for _ in range(times):
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, stub.url, str(file)],
                cwd=root,
                env=os.environ | {"PYTHONPATH": str(root)},
            )
            before = sum(stub.asked.values())
            while child.poll() is None and sum(stub.asked.values()) < before + 35:
                time.sleep(0.005)
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
                kills += 1
            child.wait()
        endpoint = Endpoint(url=stub.url, model="scripted", in_flight=8)
        prompts = [f"q{i}" for i in range(400)]
        last = EndpointSubject(endpoint, evidence=file)
        after = list(last.respond(requests(*prompts)))
        assert last.accounts.resumed > 0
        # What was kept is not asked again: only what was in flight, or came in the last moments, is.
        assert sum(stub.asked.values()) <= 400 + kills * 60
        undisturbed = list(
            EndpointSubject(endpoint, evidence=tmp_path / "whole.db").respond(requests(*prompts))
        )
        assert kills >= 2
        assert after == undisturbed
        assert len(after) == 400


def test_evidence_keeps_the_first_answer(tmp_path):
    with Evidence(tmp_path / "e.db") as evidence:
        evidence.add([EvidenceRow(request="r", text="first", error=None, attempts=1)])
        evidence.add([EvidenceRow(request="r", text="second", error=None, attempts=1)])
        assert evidence.find(["r", "absent"])["r"].text == "first"


def test_another_file_is_no_evidence(tmp_path):
    (tmp_path / "e.db").write_text("hello " * 1000)
    with pytest.raises(InputError, match="not an evidence file"):
        Evidence(tmp_path / "e.db")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2.0), ("0", 0.0), ("-5", 0.0), ("1e9", 120.0), ("nan", None), ("soon", None), ("", None), (None, None),
     ("Tue, 02 Jun 2026 12:00:30 GMT", 30.0)],
)  # fmt: skip
def test_retry_after(header, seconds):
    assert retry_after(header, now=datetime(2026, 6, 2, 12, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://x"}, {"in_flight": 0}, {"temperature": float("inf")}, {"temperature": float("nan")},
        {"timeout": float("inf")}, {"timeout": -1.0}, {"per_second": 0.0}, {"per_second": float("nan")},
        {"per_second": float("inf")}, {"price_in": float("nan")}, {"seed": 2**53}, {"seed": -(2**53)}, {"max_tokens": 10**20},
    ],
)  # fmt: skip
def test_settings_that_cannot_work(fields):
    with pytest.raises(InputError):
        Endpoint(**({"url": "http://x", "model": "m"} | fields))
