"""The enforcer's socket: frames in, answers out, for one user and root.

One request at a time, whoever asks; a peer that breaks the framing is hung up on, one that asks
what cannot be is told so. Nothing that a peer sends ends the process, and none is waited for. Who
is gone before its turn wants nothing any more: its requests are left out.
"""

from __future__ import annotations

import contextlib
import logging
import select
import selectors
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.errors import PhageError
from phage.respond.wire.codec import MessageError
from phage.respond.wire.messages import LENGTH, LONGEST_FRAME, frame, read_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from phage.clock import Clock
    from phage.enforcer.service import Service

_log = logging.getLogger(__name__)

MOST_PEERS = 8
"""The controller, `phage panic`, somebody who looks; more is a fault or an attack."""
ROOT_PEERS = 2
"""Of these, seats that only root takes: who fills all others cannot keep its panic out."""
TICK_SECONDS = 0.5
"""What somebody else flushed is back within so long."""
READ_OCTETS = 1 << 20
ANSWER_SECONDS = 10.0
"""A peer that does not take its answer in so long is hung up on."""
STALLED_SECONDS = 30.0
"""A peer that stops in the middle of a frame is hung up on after so long."""
_CREDENTIALS = struct.Struct("=iII")


@dataclass(slots=True)
class _Peer:
    connection: socket.socket
    user: int
    received: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    since: float = 0.0

    def has_hung_up(self) -> bool:
        """Tell whether it closed its end: nobody is there for an answer."""
        poll = select.poll()
        poll.register(self.connection, 0)
        return bool(poll.poll(0))

    def next_frame(self) -> bytes | None:
        """Take a whole frame out of what was received. Raises MessageError if it is too long."""
        if len(self.received) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self.received)
        if length > LONGEST_FRAME:
            message = f"a message has at most {LONGEST_FRAME:,} octets, not {length:,}"
            raise MessageError(message)
        end = LENGTH.size + length
        if len(self.received) < end:
            return None
        body = bytes(memoryview(self.received)[LENGTH.size : end])
        del self.received[:end]
        return body


class Server:
    """Serves requests until `stop` says so.

    Attributes:
        counts: Requests, refusals and hang-ups by kind.
    """

    def __init__(
        self, listener: socket.socket, service: Service, clock: Clock, users: frozenset[int]
    ) -> None:
        """Serve on a listening socket, to these users only."""
        self.counts: Counter[str] = Counter()
        self._listener = listener
        self._service = service
        self._clock = clock
        self._users = users
        self._peers: dict[int, _Peer] = {}
        self._selector = selectors.DefaultSelector()

    def serve(self, stop: Callable[[], bool], wakes: Iterable[int] = ()) -> None:
        """Serve until `stop()`; it is also asked when one of the descriptors `wakes` is ready."""
        self._listener.settimeout(0)
        self._selector.register(self._listener, selectors.EVENT_READ)
        for wake in wakes:
            self._selector.register(wake, selectors.EVENT_READ)
        due = self._clock.monotonic()
        while not stop():
            for key, _ in self._selector.select(max(0.0, due - self._clock.monotonic())):
                self._ready(key)
            if self._clock.monotonic() >= due:
                due = self._clock.monotonic() + TICK_SECONDS
                self._service.tick()
                self._hang_up_on_stalled()

    def close(self) -> None:
        """Hang up on everybody."""
        for peer in list(self._peers.values()):
            self._hang_up(peer, "closing")
        self._selector.close()

    def _ready(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif peer := self._peers.get(key.fd):
            if peer.unsent:
                self._write(peer)
            else:
                self._read(peer)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            self.counts["accept_failed"] += 1
            return
        user = _user_of(connection)
        if user not in self._users or not self._has_seat(user):
            self.counts["peers_refused"] += 1
            connection.close()
            return
        connection.settimeout(0)
        self._peers[connection.fileno()] = _Peer(connection, user)
        self._selector.register(connection, selectors.EVENT_READ)

    def _has_seat(self, user: int) -> bool:
        if len(self._peers) >= MOST_PEERS:
            return False
        others = sum(each.user != 0 for each in self._peers.values())
        return user == 0 or others < MOST_PEERS - ROOT_PEERS

    def _read(self, peer: _Peer) -> None:
        try:
            more = peer.connection.recv(READ_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self._hang_up(peer, "gone")
            return
        peer.received += more
        peer.since = self._clock.monotonic()
        self._work(peer)

    def _work(self, peer: _Peer) -> None:
        """Do what a peer asks, until it does not take an answer."""
        try:
            while not peer.unsent and (body := peer.next_frame()) is not None:
                if peer.has_hung_up():
                    self._hang_up(peer, "gone_before")
                    return
                peer.unsent += self._answer(body)
                self._send(peer)
        except MessageError as error:
            self.counts["malformed"] += 1
            with contextlib.suppress(OSError):
                peer.connection.send(frame({"error": str(error)}))
            self._hang_up(peer, "framing")
            return
        except OSError:
            self._hang_up(peer, "answer_not_taken")
            return
        if peer.unsent:
            self._selector.modify(peer.connection, selectors.EVENT_WRITE)

    def _write(self, peer: _Peer) -> None:
        """Go on with an answer; when it is out, with what the peer asked meanwhile."""
        try:
            self._send(peer)
        except OSError:
            self._hang_up(peer, "answer_not_taken")
            return
        if not peer.unsent:
            self._selector.modify(peer.connection, selectors.EVENT_READ)
            self._work(peer)

    def _send(self, peer: _Peer) -> None:
        """Send as much as the peer takes at once. Raises OSError when it is gone."""
        with contextlib.suppress(BlockingIOError):
            while peer.unsent:
                del peer.unsent[: peer.connection.send(peer.unsent)]
                peer.since = self._clock.monotonic()

    def _answer(self, body: bytes) -> bytes:
        try:
            request = read_request(body)
        except MessageError as error:
            self.counts["malformed"] += 1
            return frame({"error": str(error)})
        self.counts[request.ask] += 1
        try:
            return frame({"answer": self._service.do(request)})
        except PhageError as error:
            self.counts["failed"] += 1
            return frame({"error": str(error)})
        except Exception as error:  # noqa: BLE001  One request's fault must not end the others'.
            self.counts["faults"] += 1
            _log.exception("%s fails", request.ask)
            return frame({"error": f"{request.ask} fails: {type(error).__name__}: {error}"})

    def _hang_up_on_stalled(self) -> None:
        now = self._clock.monotonic()
        for peer in list(self._peers.values()):
            if peer.unsent and now - peer.since > ANSWER_SECONDS:
                self._hang_up(peer, "answer_not_taken")
            elif peer.received and now - peer.since > STALLED_SECONDS:
                self._hang_up(peer, "stalled")

    def _hang_up(self, peer: _Peer, why: str) -> None:
        self.counts[f"hung_up.{why}"] += 1
        self._selector.unregister(peer.connection)
        del self._peers[peer.connection.fileno()]
        peer.connection.close()


def _user_of(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    return int(user)
