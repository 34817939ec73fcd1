"""Live events: to many who listen, within bounds, and over a real connection."""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import TYPE_CHECKING

import pytest

from phage.api import events
from phage.api.events import EventHub, TooManyListenersError
from phage.api.server import ApiServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.testing.apilab import ApiLab


@pytest.fixture
def server(lab: ApiLab) -> Iterator[ApiServer]:
    made = ApiServer(lab.app, "127.0.0.1", 0)
    made.start()
    yield made
    made.stop()


def test_a_finding_comes_as_it_is_made(lab: ApiLab, server: ApiServer) -> None:
    hub = lab.services.events
    assert hub is not None
    hub.publish("finding", {"id": "before"})
    token = lab.client("viewer").headers["Authorization"]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {"Authorization": token, "Last-Event-ID": "0"}
    connection.request("GET", "/api/v1/events?kinds=finding", headers=headers)
    answer = connection.getresponse()
    assert answer.getheader("Content-Type", "").startswith("text/event-stream")
    assert answer.readline() == b"retry: 2000\n"
    hub.publish("decision", {"id": "of another kind"})
    hub.publish("finding", {"id": "live"})
    seen: list[str] = []
    while len(seen) < 2:
        line = answer.readline()
        if line.startswith(b"data: "):
            seen.append(json.loads(line[6:])["id"])
    assert seen == ["before", "live"]
    connection.close()


def test_who_does_not_read_loses_the_oldest_and_that_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "MAX_WAITING", 3)
    monkeypatch.setattr(events, "MAX_LISTENERS", 1)

    async def listen() -> list[str]:
        hub = EventHub()
        listener = hub.listen(frozenset({"finding"}))
        with pytest.raises(TooManyListenersError):
            hub.listen(frozenset({"finding"}))
        for number in range(5):
            hub.publish("finding", {"number": number})
        hub.publish("stats", {})
        assert (hub.dropped, hub.refused, len(hub)) == (2, 1, 1)
        found = []
        async for event in listener.events(0.01):
            if event is None:
                break
            found.append(event.data)
        hub.leave(listener)
        assert len(hub) == 0
        return found

    assert asyncio.run(listen()) == ['{"number": 2}', '{"number": 3}', '{"number": 4}']


def test_an_event_is_one_line_whatever_is_in_it() -> None:
    hub = EventHub()
    hub.publish("finding", {"summary": "two\nlines\r\ndata: forged\n\n"})

    async def first() -> bytes:
        listener = hub.listen(frozenset({"finding"}), after=0)
        async for event in listener.events(1.0):
            assert event is not None
            return event.encode()
        return b""

    assert asyncio.run(first()).count(b"\n") == 4
