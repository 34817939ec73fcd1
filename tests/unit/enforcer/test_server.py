"""The enforcer's socket, with a kernel that only remembers what it was asked."""

from __future__ import annotations

import os
import random
import select
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from phage.clock import SystemClock
from phage.enforcer import server as server_module
from phage.enforcer.process import listen
from phage.enforcer.server import MOST_PEERS, ROOT_PEERS, Server
from phage.errors import PhageError
from phage.records.decision import Action, Decision, ReceiptState, Target, TargetKind
from phage.respond.remote import EnforcerClient, EnforcerError, RemoteResponder
from phage.respond.wire import messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DECISION = Decision(Target(TargetKind.IP, "192.0.2.1"), Action.BAN, "why", 1, 2, "01K")


class FakeService:
    """Remembers requests; fails as it is told."""

    def __init__(self) -> None:
        self.asked: list[messages.Request] = []
        self.fault: Exception | None = None
        self.ticks = 0
        self.busy = threading.Lock()
        self.answer: object = True

    def do(self, request: messages.Request) -> object:
        with self.busy:
            return self._done(request)

    def _done(self, request: messages.Request) -> object:
        if self.fault is not None:
            raise self.fault
        self.asked.append(request)
        if isinstance(request, messages.Apply | messages.Revoke | messages.Replace):
            count = len(request.decisions) + sum(map(len, request.bans))
            return [[count, "applied", "set ban4"]]
        return self.answer

    def tick(self) -> None:
        self.ticks += 1


class Running:
    def __init__(self, path: Path, service: FakeService, server: Server) -> None:
        self.path = path
        self.service = service
        self.server = server

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(60)
        connection.connect(str(self.path))
        return connection

    def send(self, octets: bytes) -> bytes:
        """Send octets and no more; return all that comes until the other side hangs up."""
        received = b""
        with self.connect() as connection:
            try:
                connection.sendall(octets)
                connection.shutdown(socket.SHUT_WR)
                while more := connection.recv(1 << 16):
                    received += more
            except (BrokenPipeError, ConnectionResetError):
                pass
        return received


@contextmanager
def running(folder: Path, users: frozenset[int]) -> Iterator[Running]:
    path = folder / "s"
    service = FakeService()
    with listen(path, os.getuid()) as listener:
        server = Server(listener, service, SystemClock(), users)  # type: ignore[arg-type]
        ended = threading.Event()
        wake, told = os.pipe()
        thread = threading.Thread(target=server.serve, args=(ended.is_set, [wake]))
        thread.start()
        try:
            yield Running(path, service, server)
        finally:
            ended.set()
            os.write(told, b"x")
            thread.join()
            server.close()
            os.close(wake)
            os.close(told)


@pytest.fixture
def enforcer(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, frozenset({os.getuid()})) as made:
        yield made


def test_a_request_is_done_and_answered(enforcer: Running) -> None:
    responder = RemoteResponder(enforcer.path)
    (receipt,) = responder.apply([DECISION], 5)
    assert (receipt.decision, receipt.state, receipt.at) == ("01K", ReceiptState.APPLIED, 5)
    assert responder.is_disturbed()
    assert enforcer.service.asked == [
        messages.Apply((messages.bare(DECISION),)),
        messages.IsDisturbed(),
    ]
    responder.close()


def test_only_the_user_may_ask(tmp_path: Path) -> None:
    with running(tmp_path, frozenset({os.getuid() + 1})) as enforcer:
        client = EnforcerClient(enforcer.path)
        with pytest.raises(EnforcerError):
            client.ask(messages.Panic())
        assert not enforcer.service.asked
        assert enforcer.server.counts["peers_refused"]


def test_the_socket_is_the_users_alone(enforcer: Running) -> None:
    assert enforcer.path.stat().st_mode & 0o777 == 0o600


def test_what_fails_is_told_and_does_not_end_it(enforcer: Running) -> None:
    client = EnforcerClient(enforcer.path)
    for fault in (PhageError("the kernel refuses"), RuntimeError("a fault of ours")):
        enforcer.service.fault = fault
        with pytest.raises(EnforcerError, match=str(fault)):
            client.ask(messages.Counters())
    enforcer.service.fault = None
    assert client.ask(messages.Counters()) is True
    client.close()


def test_a_message_too_long_is_refused_before_it_comes(enforcer: Running) -> None:
    answered = enforcer.send((messages.LONGEST_FRAME + 1).to_bytes(4, "big") + b"x" * 100)
    assert b"at most" in answered


def test_more_peers_than_there_is_room_for_are_refused(enforcer: Running) -> None:
    peers = [enforcer.connect() for _ in range(MOST_PEERS)]
    for each in peers:
        each.sendall(messages.request_frame(messages.Trial()))
        assert each.recv(100)
    with enforcer.connect() as another:
        assert another.recv(100) == b""
    for each in peers:
        each.close()


def test_who_fills_all_seats_leaves_those_of_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [5] * (MOST_PEERS + 1) + [0] * (ROOT_PEERS + 1)
    monkeypatch.setattr(server_module, "_user_of", lambda _: users.pop(0))
    request = messages.request_frame(messages.Panic())
    with running(tmp_path, frozenset({0, 5})) as enforcer:
        peers, served = [], []
        for _ in range(MOST_PEERS + ROOT_PEERS + 2):
            peers.append(enforcer.connect())
            served.append(asks(peers[-1], request))
        others = MOST_PEERS - ROOT_PEERS
        assert served == [True] * others + [False] * 3 + [True] * ROOT_PEERS + [False]
        for each in peers:
            each.close()


def asks(connection: socket.socket, request: bytes) -> bool:
    """Ask; tell whether there is an answer."""
    try:
        connection.sendall(request)
        return bool(connection.recv(100))
    except (BrokenPipeError, ConnectionResetError):
        return False


def test_who_does_not_read_its_answer_holds_nobody_up(enforcer: Running) -> None:
    enforcer.service.answer = "x" * (8 << 20)
    request = messages.request_frame(messages.Counters())
    with enforcer.connect() as idle:
        idle.sendall(request * 2)
        client = EnforcerClient(enforcer.path, patience=60)
        for _ in range(3):
            assert client.ask(messages.Trial()) == enforcer.service.answer
        client.close()
        assert enforcer.service.asked.count(messages.Counters()) == 1, "the second waits"
        received = 0
        while received < 2 * (8 << 20):
            received += len(idle.recv(1 << 20))
    assert enforcer.service.asked.count(messages.Counters()) == 2


def test_who_never_reads_its_answer_is_hung_up_on(
    enforcer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "ANSWER_SECONDS", 0.0)
    enforcer.service.answer = "x" * (8 << 20)
    with enforcer.connect() as idle:
        idle.sendall(messages.request_frame(messages.Counters()))
        poll = select.poll()
        poll.register(idle, 0)
        assert poll.poll(10_000), "hung up on"
    assert enforcer.server.counts["hung_up.answer_not_taken"] == 1


def test_what_somebody_asked_who_is_gone_is_not_done(enforcer: Running) -> None:
    """A panic that met a stopped enforcer must not come true after its release."""
    with enforcer.connect() as first:
        with enforcer.service.busy:
            first.sendall(messages.request_frame(messages.Trial()))
            with enforcer.connect() as impatient:
                impatient.sendall(messages.request_frame(messages.Panic()))
        assert first.recv(100)
        for _ in range(3):  # It is accepted, read, and left out by then.
            assert asks(first, messages.request_frame(messages.Counters()))
    assert messages.Panic() not in enforcer.service.asked
    assert enforcer.server.counts["hung_up.gone_before"] == 1


def test_pieces_make_a_message(enforcer: Running) -> None:
    whole = messages.request_frame(messages.Trial()) * 2
    with enforcer.connect() as connection:
        for at in range(len(whole)):
            connection.sendall(whole[at : at + 1])
        answered = b""
        while answered.count(b"answer") < 2:
            answered += connection.recv(100)
    assert len(enforcer.service.asked) == 2


def hostile(chance: random.Random) -> bytes:
    """Return octets as somebody sends them who means no good."""
    request = messages.request_frame(messages.Apply((DECISION,)))
    kind = chance.randrange(6)
    if kind == 0:
        return chance.randbytes(chance.randrange(200))
    if kind == 1:
        return request[: chance.randrange(1, len(request))]
    if kind == 2:
        # The end is left out, so that a change of the length cannot make another request whole.
        changed = bytearray(request)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(4, len(changed))] = chance.choice(b'{}[]",:\x00\xff\\')
        return bytes(changed)
    if kind == 3:
        inside = chance.randbytes(chance.randrange(300))
        return len(inside).to_bytes(4, "big") + inside
    if kind == 4:
        deep = b'{"ask":' + chance.choice(b"[{").to_bytes(1, "big") * chance.randrange(5000)
        return len(deep).to_bytes(4, "big") + deep
    return chance.randrange(1 << 26, 1 << 32).to_bytes(4, "big") + chance.randbytes(50)


def test_a_thousand_hostile_inputs_neither_end_it_nor_are_done(enforcer: Running) -> None:
    chance = random.Random(11)
    for _ in range(1000):
        enforcer.send(hostile(chance))
    # Text that was changed within a decision's strings may still be a decision; nothing else is.
    allowed = (messages.Apply,)
    assert all(isinstance(each, allowed) for each in enforcer.service.asked)
    assert len(enforcer.service.asked) < 100
    client = EnforcerClient(enforcer.path)
    assert client.ask(messages.Trial()) is True
    client.close()


def test_a_responder_without_an_enforcer_says_so(tmp_path: Path) -> None:
    responder = RemoteResponder(tmp_path / "none")
    (receipt,) = responder.apply([DECISION], 5)
    assert receipt.state is ReceiptState.FAILED
    assert "does not answer" in receipt.detail
    assert responder.is_disturbed()
