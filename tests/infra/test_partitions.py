"""A plan in parts gives the answers of the whole, on threads and on processes."""

from __future__ import annotations

import functools
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from governance.errors import InputError
from infra.chat_endpoint import Endpoint
from infra.endpoints import EndpointSubject
from infra.partitions import PartitionedSubject, part_of
from tests.infra.test_endpoints import requests
from tests.support.endpoint import stub_endpoint

ASKED = requests(*[f"q{i}" for i in range(120)])


def make(url, folder, number):
    return EndpointSubject(Endpoint(url=url, model="scripted"), evidence=folder / f"part-{number}.db")


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_parts_give_the_whole_and_resume(tmp_path, executor):
    with stub_endpoint() as stub, executor(2) as pool:
        subject = PartitionedSubject(functools.partial(make, stub.url, tmp_path), parts=4, runner=pool)
        found = {answer.key: answer.text for answer in subject.respond(ASKED)}
        whole = EndpointSubject(Endpoint(url=stub.url, model="scripted"), evidence=tmp_path / "whole.db")
        assert found == {answer.key: answer.text for answer in whole.respond(ASKED)}
        assert (subject.digest, subject.is_scripted) == (whole.digest, True)
        before = sum(stub.asked.values())
        assert len(list(subject.respond(ASKED))) == 120
        assert sum(stub.asked.values()) == before


def test_every_part_gets_some_and_a_request_always_goes_to_the_same():
    parts = [part_of(request, 4) for request in ASKED]
    assert {parts.count(part) > 15 for part in range(4)} == {True}
    assert [part_of(request, 4) for request in reversed(ASKED)] == parts[::-1]


def test_parts_that_are_different_models_are_refused(tmp_path):
    def other(number):
        return EndpointSubject(Endpoint(url="http://127.0.0.1:9/v1", model=f"m{number}", attempts=1), evidence=tmp_path / "e.db")  # fmt: skip

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(InputError, match="not the same model"):
            list(PartitionedSubject(other, parts=3, runner=pool).respond(ASKED[:9]))
        with pytest.raises(InputError):
            PartitionedSubject(other, parts=0, runner=pool)
