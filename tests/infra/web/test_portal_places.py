"""How many requests the portal works on at a time, and who has to wait for whom."""

import asyncio
import threading
import time

import httpx
import pytest

from annotation.web.portal import AT_ONCE
from tests.support.portal import Site


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.db.close()


def asked(site, *requests):
    """Send requests to the portal at the same time; the answers' status and when each came, in seconds."""

    async def ask():
        transport = httpx.ASGITransport(site.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:

            async def one(request):
                begun = time.monotonic()
                answer = await client.send(client.build_request(**request))
                return answer.status_code, time.monotonic() - begun

            return await asyncio.gather(*(one(request) for request in requests))

    return asyncio.run(ask())


def test_so_many_at_a_time_and_everybody_in_the_end(site, monkeypatch):
    inside, most, lock = [0], [0], threading.Lock()

    def session(_secret, _now):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        with lock:
            inside[0] -= 1

    monkeypatch.setattr(site.portal.store, "session", session)
    request = {"method": "GET", "url": "/portal/work", "headers": {"cookie": "bounds-portal=s"}}
    answers = asked(site, *[request] * (5 * AT_ONCE))
    assert [status for status, _ in answers] == [401] * (5 * AT_ONCE)
    assert most == [AT_ONCE]


def test_whoever_sends_slowly_keeps_nobody_waiting(site):
    async def slowly():
        for _ in range(5):
            yield b"csrf=x&"
            await asyncio.sleep(0.2)

    form = {"content-type": "application/x-www-form-urlencoded"}
    slow = {"method": "POST", "url": "/portal/consent", "headers": form}
    quick = {"method": "GET", "url": "/portal/work"}
    senders = [{**slow, "content": slowly()} for _ in range(3 * AT_ONCE)]
    *sent, (status, seconds) = asked(site, *senders, quick)
    assert status == 401
    assert seconds < 0.8
    assert min(took for _, took in sent) >= 0.8
