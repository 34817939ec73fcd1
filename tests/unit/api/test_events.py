"""Live events: to many who listen, within bounds, and over a real connection."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from typing import TYPE_CHECKING

import pytest
from starlette.requests import ClientDisconnect

from phage.api import events
from phage.api.events import EventHub, TooManyListenersError
from phage.api.listener import Listener
from phage.api.server import ApiServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

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
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
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


def test_what_came_since_a_page_was_made_is_told_first(lab: ApiLab, server: ApiServer) -> None:
    browser, hub = lab.browser("viewer"), hub_of(lab)
    hub.publish("finding", {"id": "before"})
    seen = hub.last
    hub.publish("finding", {"id": "meanwhile"})
    with listening(server, cookie_of(browser), f"finding&after={seen}") as answer:
        hub.publish("finding", {"id": "live"})
        told = [line for line in (answer.readline() for _ in range(9)) if line.startswith(b"data")]
    assert told == [b'data: {"id": "meanwhile"}\n', b'data: {"id": "live"}\n']


def test_who_does_not_read_loses_the_oldest_and_that_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "MAX_WAITING", 3)
    monkeypatch.setattr(events, "MAX_LISTENERS", 1)

    async def listen() -> list[str]:
        hub = EventHub()
        listener = Listener(frozenset({"finding"}))
        hub.join(listener)
        with pytest.raises(TooManyListenersError):
            hub.join(Listener(frozenset({"finding"})))
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


@pytest.mark.parametrize("version", ["2.3", "2.4"])
def test_who_left_before_the_first_octet_listens_no_more(lab: ApiLab, version: str) -> None:
    token = lab.client("viewer").headers["Authorization"]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": version},
        "method": "GET",
        "path": "/api/v1/events",
        "query_string": b"",
        "headers": [(b"host", b"localhost:8080"), (b"authorization", token.encode())],
    }

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        raise BrokenPipeError

    async def ask() -> None:
        with pytest.raises((BrokenPipeError, ClientDisconnect)):
            await lab.app(scope, receive, send)
        assert len(hub_of(lab)) == 0

    asyncio.run(ask())


def test_after_a_restart_all_that_is_kept_is_new(lab: ApiLab, server: ApiServer) -> None:
    hub_of(lab).publish("finding", {"id": "since the start"})
    headers = {**cookie_of(lab.browser("viewer")), "Last-Event-ID": "4711"}
    with listening(server, headers, "finding") as answer:
        hub_of(lab).publish("finding", {"id": "live"})
        told = [line for line in (answer.readline() for _ in range(9)) if line.startswith(b"data")]
    assert told == [b'data: {"id": "since the start"}\n', b'data: {"id": "live"}\n']


def test_an_event_is_one_line_whatever_is_in_it() -> None:
    hub = EventHub()
    hub.publish("finding", {"summary": "two\nlines\r\ndata: forged\n\n"})

    async def first() -> bytes:
        listener = Listener(frozenset({"finding"}))
        hub.join(listener, after=0)
        async for event in listener.events(1.0):
            assert event is not None
            return event.encode()
        return b""

    assert asyncio.run(first()).count(b"\n") == 4


@contextlib.contextmanager
def listening(
    server: ApiServer, headers: dict[str, str], kinds: str = ""
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", f"/api/v1/events{kinds and '?kinds='}{kinds}", headers=headers)
    with contextlib.closing(connection), connection.getresponse() as answer:
        if answer.status == 200:
            assert answer.readline() == b"retry: 2000\n"
        yield answer


def cookie_of(browser: TestClient) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}


def hub_of(lab: ApiLab) -> EventHub:
    assert lab.services.events is not None
    return lab.services.events


@pytest.mark.parametrize("how", ["revoked", "removed", "logged out"])
def test_a_stream_ends_with_the_login_that_it_was_asked_by(
    lab: ApiLab, server: ApiServer, how: str
) -> None:
    token, secret = lab.access.tokens.create("viewer", "test", ("events:read", "findings:read"))
    headers = {"Authorization": f"Bearer {secret}"}
    if how == "logged out":
        headers = cookie_of(lab.browser("viewer"))
    with listening(server, headers) as answer:
        if how == "revoked":
            lab.access.tokens.revoke(token.id)
        elif how == "removed":
            lab.access.users.remove("viewer")
        else:
            lab.access.sessions.end_all("viewer")
        lab.clock.nanoseconds += 6 * 10**9
        hub_of(lab).publish("finding", {"id": "secret"})
        assert b"secret" not in answer.read()


def test_a_stream_that_is_only_listened_to_puts_off_no_logout(
    lab: ApiLab, server: ApiServer
) -> None:
    browser = lab.browser("viewer")
    (before,) = lab.access.sessions.of("viewer")
    with listening(server, cookie_of(browser)) as answer:
        lab.clock.nanoseconds += 3600 * 10**9
        hub_of(lab).publish("finding", {"id": "seen"})
        while b"seen" not in answer.readline():
            pass
    (after,) = lab.access.sessions.of("viewer")
    assert after.last_used == before.last_used


def test_only_what_one_may_see_is_told(lab: ApiLab, server: ApiServer) -> None:
    _, secret = lab.access.tokens.create("viewer", "test", ("events:read", "decisions:read"))
    headers = {"Authorization": f"Bearer {secret}"}
    with listening(server, headers, "finding") as refused:
        assert refused.status == 403
    with listening(server, headers) as answer:
        hub_of(lab).publish("finding", {"id": "hidden"})
        hub_of(lab).publish("decision", {"id": "shown"})
        line = b""
        while b"shown" not in line:
            line = answer.readline()
            assert b"hidden" not in line
