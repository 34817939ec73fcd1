"""The control socket: one bounded request, one answer, to whom it may concern."""

from __future__ import annotations

import json
import os
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phage.daemon import control
from phage.daemon.control import Caller, ControlError, ControlServer, ask
from phage.daemon.requests import (
    AddDecision,
    ApplyRules,
    ListDecisions,
    RequestError,
    RevokeDecisions,
    Status,
    checked,
    parse_request,
)
from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from phage.daemon.requests import Request


class Office:
    """Notes what it is asked; refuses or fails when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Request, str]] = []
        self.raises: Exception | None = None
        self.answer: dict[str, object] = {"done": 1}

    def __call__(self, request: Request, caller: Caller) -> Mapping[str, object]:
        self.asked.append((request, caller.name))
        if self.raises is not None:
            raise self.raises
        return self.answer


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def server(tmp_path: Path, office: Office) -> Iterator[ControlServer]:
    made = ControlServer(tmp_path / "control.sock", os.getuid(), office)
    made.start()
    yield made
    made.stop()


def send(path: Path, data: bytes) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(60)
        link.connect(str(path))
        try:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            return {"error": "hung up"}
        received = b""
        while part := link.recv(65536):
            received += part
    answer = json.loads(received)
    assert isinstance(answer, dict)
    return answer


def test_a_request_is_carried_out_for_who_asks(server: ControlServer, office: Office) -> None:
    assert ask(server.path, Status()) == {"ok": True, "done": 1}
    request = AddDecision(target="203.0.113.9", seconds=60)
    ask(server.path, request)
    assert [each for each, _ in office.asked] == [Status(), request]
    assert office.asked[0][1] == Caller.of_account(os.getuid()).name


def test_only_the_owner_may_open_the_socket(server: ControlServer) -> None:
    assert server.path.stat().st_mode & 0o777 == 0o600


def test_who_is_neither_root_nor_the_owner_is_sent_away(
    server: ControlServer, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Credentials:
        size = control._CREDENTIALS.size

        @staticmethod
        def unpack(raw: bytes) -> tuple[int, int, int]:
            return 1, 12345, 12345

    monkeypatch.setattr(control, "_CREDENTIALS", Credentials)
    with pytest.raises(ControlError, match="only root"):
        ask(server.path, Status())
    assert office.asked == []
    assert server.refused == 1


def test_a_refusal_is_told_and_a_fault_is_not_spread(server: ControlServer, office: Office) -> None:
    office.raises = PhageError("not today")
    with pytest.raises(ControlError, match="not today"):
        ask(server.path, Status())
    office.raises = RuntimeError("a secret")
    with pytest.raises(ControlError, match="see its log"):
        ask(server.path, Status())
    assert server.faults == 1
    office.raises = None
    assert ask(server.path, Status())["ok"]


def test_without_a_daemon_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="start `phage run`"):
        ask(tmp_path / "control.sock", Status())
    with pytest.raises(ControlError, match="start `phage run`"):
        ask(tmp_path / "no" / "control.sock", Status())


def test_a_socket_that_a_killed_daemon_left_is_replaced(tmp_path: Path, office: Office) -> None:
    path = tmp_path / "control.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with pytest.raises(ControlError, match="start `phage run`"):
        ask(path, Status())
    server = ControlServer(path, os.getuid(), office)
    server.start()
    assert ask(path, Status())["ok"]
    server.stop()
    assert not path.exists()


def test_a_long_path_is_no_hindrance(tmp_path: Path, office: Office) -> None:
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)
    server = ControlServer(folder / "control.sock", os.getuid(), office)
    server.start()
    assert ask(server.path, Status())["ok"]
    server.stop()


def test_a_peer_that_dawdles_holds_nobody_up(
    server: ControlServer, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patience in (60.0, 0.2):
        monkeypatch.setattr(control, "SECONDS", patience)
        with socket.socket(socket.AF_UNIX) as slow:
            slow.settimeout(60)
            slow.connect(str(server.path))
            slow.sendall(b'{"verb":')
            if patience > 1:
                assert ask(server.path, Status())["ok"]
            else:
                assert b"no whole request" in slow.recv(65536)


def test_no_more_than_so_many_at_a_time(
    server: ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "SECONDS", 60.0)
    links = [socket.socket(socket.AF_UNIX) for _ in range(control.MAX_CONNECTIONS)]
    for link in links:
        link.connect(str(server.path))
    with pytest.raises(ControlError):
        ask(server.path, Status())
    for link in links:
        link.close()


def test_where_no_thread_may_be_had_the_next_is_answered_again(
    server: ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def thread(**_: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    with monkeypatch.context() as patched:
        patched.setattr(control, "threading", SimpleNamespace(Thread=thread))
        for _ in range(control.MAX_CONNECTIONS + 1):
            with pytest.raises(ControlError):
                ask(server.path, Status())
    assert ask(server.path, Status())["ok"]
    assert server.refused == control.MAX_CONNECTIONS + 1


def test_what_is_too_long_is_refused_both_ways(server: ControlServer, office: Office) -> None:
    assert "error" in send(server.path, b"x" * (control.MAX_REQUEST + 2))
    office.answer = {"text": "x" * control.MAX_ANSWER}
    with pytest.raises(ControlError, match="too long"):
        ask(server.path, Status())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(("verb", "target", "names", "x")), inner, max_size=4)
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_nonsense_is_refused_and_does_nothing(data: bytes) -> None:
    with pytest.raises(RequestError, match=r".+"):
        parse_request(data)


@pytest.mark.parametrize(
    "request_",
    [
        Status(),
        ListDecisions(limit=7),
        AddDecision(target="203.0.113.9", action="limit", rate=5, responders=("a", "b")),
        RevokeDecisions(names=("01ABC", "203.0.113.9")),
        ApplyRules(confirm=60),
    ],
)
def test_requests_go_through_unchanged(request_: Request) -> None:
    assert parse_request(request_.model_dump_json().encode()) == request_


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"verb":"reboot"}', "reboot"),
        (b'{"verb":"status","more":1}', "more"),
        (b'{"verb":"decisions.add"}', "target"),
        (b'{"verb":"decisions.add","target":5}', "target"),
        (b'{"verb":"decisions.add","target":"x","seconds":"60"}', "seconds"),
        (b'{"verb":"decisions.add","target":"x","seconds":NaN}', "seconds"),
        (b'{"verb":"decisions.add","target":"x","action":"notify"}', "action"),
        (b'{"verb":"decisions.add","target":"' + b"x" * 2000 + b'"}', "target"),
        (b'{"verb":"decisions.revoke","names":[]}', "names"),
        (b'{"verb":"rules.apply","confirm":-1}', "confirm"),
        (b"[" * 10_000, "request"),
    ],
)
def test_what_is_wrong_is_named(line: bytes, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        parse_request(line)


def test_values_of_the_command_line_are_checked_too() -> None:
    with pytest.raises(RequestError, match="seconds"):
        checked(AddDecision, target="203.0.113.9", seconds=-1.0)
