"""The socket to the kernel's packet filter: requests, dumps, transactions.

The kernel works on a message while it is being sent, so that its answers wait when `send` returns.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING

from phage.errors import PluginUnavailableError
from phage.respond.netlink.errors import AbsentError, GenerationError, KernelError
from phage.respond.netlink.messages import (
    HEADER,
    NFNL_BATCH_BEGIN,
    NFNL_BATCH_END,
    NFNL_BATCH_GENID,
    NLM_F_ACK,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    SUBSYS_NFTABLES,
    Answer,
    Request,
    answers,
    attributes,
    be32,
    generic,
    string,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_NLMSGERR_ATTR_MSG = 1
_ERESTART = 85

RECEIVE_OCTETS = 8 << 20
"""An answer takes about a kilobyte of it: room for one to each message of the largest batch."""
SEND_OCTETS = 1 << 20
"""Enough for any batch but a bulk load, which asks for more."""
MOST_PARTS = 1024
"""Pieces of memory that one system call takes (UIO_MAXIOV)."""
DUMP_TRIES = 20
"""A dump that others disturb is begun again."""


class Link:
    """A netlink socket of netfilter's.

    Made inert; `open` needs CAP_NET_ADMIN for all but reading. Not for several threads.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._sequence = 0
        self._send_octets = 0

    def open(self) -> None:
        """Open the socket, if it is not. Raises PluginUnavailableError."""
        if self._socket is not None:
            return
        try:
            opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
            opened.bind((0, 0))
        except OSError as error:
            message = f"the kernel has no netfilter netlink: {error.strerror}"
            raise PluginUnavailableError(message) from error
        opened.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        opened.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._socket = opened
        self._force(_SO_RCVBUFFORCE, RECEIVE_OCTETS)
        self._room(SEND_OCTETS)

    def close(self) -> None:
        """Close the socket, if it is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._send_octets = 0

    def ask(self, request: Request) -> bytes:
        """Send one request that is answered by one message; return its body after nfgenmsg.

        b'' when it is only acknowledged. Raises KernelError, AbsentError where there is none.
        """
        sequence = self._next()
        self._send(request.encode(sequence, NLM_F_ACK))
        body = b""
        for answer in self._received():
            if answer.sequence != sequence:
                continue
            if answer.kind == NLMSG_ERROR:
                _raise_for(answer, request.what)
            else:
                body = answer.body[4:]
        return body

    def dump(self, request: Request) -> list[bytes]:
        """Send a request for a list; return the bodies after nfgenmsg. Raises KernelError."""
        for _ in range(DUMP_TRIES):
            sequence = self._next()
            self._send(request.encode(sequence, NLM_F_DUMP))
            found, disturbed = self._dumped(sequence, request.what)
            if not disturbed:
                return found
        raise KernelError(errno.EINTR, request.what, "others change it all the time")

    def transact(self, requests: Sequence[Request], generation: int = 0) -> None:
        """Have a sequence of requests done all or not at all.

        `generation` is that of the rule sets for which they were made; 0 for any. Raises
        GenerationError when it is another one, else KernelError for the first that is refused.
        """
        refused = self.attempt(requests, generation)
        if refused:
            raise next(iter(refused.values()))

    def attempt(self, requests: Sequence[Request], generation: int = 0) -> dict[int, KernelError]:
        """Do the same, but return what was refused, by place; {} when all is done.

        Raises GenerationError, and KernelError when the batch as a whole is refused.
        """
        first = self._next()
        self._sequence += len(requests) + 1
        limit = be32(NFNL_BATCH_GENID, generation) if generation else b""
        begin = Request(NFNL_BATCH_BEGIN, 0, generic(0, SUBSYS_NFTABLES) + limit, "begin")
        end = Request(NFNL_BATCH_END, 0, generic(0, SUBSYS_NFTABLES), "commit")
        last = len(requests) - 1
        parts = [*begin.encode(first)]
        for place, request in enumerate(requests):
            parts += request.encode(first + 1 + place, NLM_F_ACK if place == last else 0)
        parts += end.encode(self._sequence)
        self._send(parts)
        return self._verdicts(requests, first)

    def _verdicts(self, requests: Sequence[Request], first: int) -> dict[int, KernelError]:
        refused: dict[int, KernelError] = {}
        for answer in self._received():
            place = answer.sequence - first - 1
            if answer.kind != NLMSG_ERROR or not -1 <= place <= len(requests):
                continue
            inside = 0 <= place < len(requests)
            error = _error_of(answer, requests[place].what if inside else "commit the changes")
            if error is None:
                continue
            if error.number == _ERESTART:
                raise GenerationError(error.number, "change rule sets that changed meanwhile")
            if not inside:
                raise error
            refused.setdefault(place, error)
        return refused

    def _dumped(self, sequence: int, what: str) -> tuple[list[bytes], bool]:
        found: list[bytes] = []
        disturbed = False
        while True:
            for answer in self._received(wait=True):
                if answer.sequence != sequence:
                    continue
                disturbed = disturbed or bool(answer.flags & NLM_F_DUMP_INTR)
                if answer.kind == NLMSG_DONE:
                    return found, disturbed
                if answer.kind == NLMSG_ERROR:
                    _raise_for(answer, what)
                    return found, disturbed
                found.append(answer.body[4:])

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) & 0x7FFFFFFF
        return self._sequence

    def _opened(self) -> socket.socket:
        self.open()
        assert self._socket is not None  # noqa: S101  It was just opened.
        return self._socket

    def _send(self, parts: Sequence[bytes]) -> None:
        """Send one datagram that is made of these parts."""
        opened = self._opened()
        self._room(sum(map(len, parts)) + 4096)
        try:
            opened.sendmsg(parts if len(parts) <= MOST_PARTS else [b"".join(parts)])
        except OSError as error:
            raise KernelError(error.errno or errno.EIO, "take a message") from error

    def _room(self, octets: int) -> None:
        """A batch goes in one message: the kernel's limit for messages must be as high."""
        if octets > self._send_octets:
            self._force(_SO_SNDBUFFORCE, octets)
            self._send_octets = octets

    def _force(self, option: int, octets: int) -> None:
        opened = self._opened()
        try:
            opened.setsockopt(socket.SOL_SOCKET, option, octets)
        except PermissionError:
            plain = socket.SO_SNDBUF if option == _SO_SNDBUFFORCE else socket.SO_RCVBUF
            opened.setsockopt(socket.SOL_SOCKET, plain, octets)

    def _received(self, *, wait: bool = False) -> list[Answer]:
        """Return all that waits; answers to what was asked before have other sequence numbers."""
        opened = self._opened()
        found: list[Answer] = []
        flags = 0 if wait else socket.MSG_DONTWAIT
        while True:
            try:
                datagram = opened.recv(1 << 17, flags)
            except BlockingIOError:
                return found
            except OSError as error:
                raise KernelError(error.errno or errno.EIO, "answer in full") from error
            found += answers(datagram)
            flags = socket.MSG_DONTWAIT


def _error_of(answer: Answer, what: str) -> KernelError | None:
    """Return the error in an NLMSG_ERROR message; None for an acknowledgement."""
    (negative,) = struct.unpack_from("=i", answer.body)
    if not negative:
        return None
    detail = ""
    if answer.flags & NLM_F_ACK_TLVS and answer.flags & NLM_F_CAPPED:
        extended = attributes(answer.body[4 + HEADER.size :])
        detail = string(extended.get(_NLMSGERR_ATTR_MSG, b""))
    kind = AbsentError if -negative == errno.ENOENT else KernelError
    return kind(-negative, what, detail)


def _raise_for(answer: Answer, what: str) -> None:
    if error := _error_of(answer, what):
        raise error
