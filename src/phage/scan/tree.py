"""Walking through all that is in a sample, from the outside: the limits are kept here.

The extractor is asked for one level of one container at a time, each time in a process of its own.
What comes is visited at once and let go, so that a bomb fills neither memory nor disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.scan.content import Content
from phage.scan.sandbox.wire import SandboxError, SandboxTimeoutError
from phage.scan.unpack.opening import opens

if TYPE_CHECKING:
    from pathlib import Path

    from phage.clock import Clock

Open = Callable[[Content, Sequence[str]], Iterator[dict[str, Any] | bytes]]
"""Opens one level of a container: the messages of the extractor."""

NAME = 300
"""Characters of a member's name that are kept."""

MOST_FAULTS = 100
"""Faults that are kept of one container; they say the same after that."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one sample may come to, all levels together: see `UnpackSettings`."""

    depth: int = 50
    members: int = 20_000
    size: int = 10**9
    largest: int = 512 * 2**20
    seconds: float = 120.0


@frozen
class Node:
    """A place in the tree: the sample (no path), or something in it."""

    content: Content
    path: tuple[str, ...]


class _Exhausted(Exception):  # noqa: N818  No error: a limit is reached.
    """A limit of the whole tree is reached."""


@dataclass
class Walk:
    """One walk through a sample.

    Attributes:
        open: Opens a container.
        visit: Called for the sample and everything in it; the content is closed afterwards.
        clock: Tells the time.
        folder: Where larger members lie while they are looked at.
        bounds: The limits.
        passwords: What is tried on what is encrypted.
        members: Files found so far.
        octets: Octets unpacked so far.
        faults: What could not be looked at, by path.
    """

    open: Open
    visit: Callable[[Node], None]
    clock: Clock
    folder: Path | None = None
    bounds: Bounds = Bounds()
    passwords: tuple[str, ...] = ()
    members: int = 0
    octets: int = 0
    faults: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    _deadline: float = 0.0
    _seen: set[str] = field(default_factory=set)

    def run(self, content: Content) -> None:
        """Visit a sample and all that is in it."""
        self._deadline = self.clock.monotonic() + self.bounds.seconds
        try:
            self._descend(Node(content, ()))
        except _Exhausted as limit:
            place, text = limit.args
            self._fault(place, text)

    def _descend(self, node: Node) -> None:
        self.visit(node)
        if not opens(node.content.kind):
            return
        digest = node.content.hashes.sha256
        if digest in self._seen:  # Also a file that contains itself.
            return
        self._seen.add(digest)
        if len(node.path) >= self.bounds.depth:
            self._fault(node.path, f"limit: more than {self.bounds.depth} levels")
            return
        faults = len(self.faults)
        try:
            for member in self._members(node):
                with member.content:
                    self._descend(member)
        except SandboxTimeoutError:
            self._fault(node.path, "opening it took too long")
        except (SandboxError, OSError) as error:
            self._fault(node.path, str(error))
        del self.faults[faults + MOST_FAULTS + 1 :]

    def _members(self, node: Node) -> Iterator[Node]:
        """Yield the members of a container, whole; what is too large is a fault."""
        messages = self.open(node.content, self.passwords)
        stream = _Stream(messages)
        try:
            while (message := stream.take()) is not None:
                if isinstance(message, bytes):
                    continue  # Octets of no member.
                if "fault" in message:
                    self._report(node, message)
                elif "member" in message:
                    yield from self._member(node, str(message["member"])[:NAME], stream)
        finally:
            close = getattr(messages, "close", None)
            if close is not None:
                close()

    def _member(self, node: Node, name: str, stream: _Stream) -> Iterator[Node]:
        path = (*node.path, name)
        self.members += 1
        if self.members > self.bounds.members:
            raise _Exhausted(node.path, f"limit: more than {self.bounds.members} files")
        cut = _Cut()
        chunks = self._chunks(path, stream, cut)
        content = Content.of_chunks(chunks, name.rpartition("/")[2], self.folder)
        if cut.happened:
            content.close()
            self._fault(path, f"limit: larger than {self.bounds.largest} octets")
            return
        fault = stream.fault_of(name)
        if fault:
            # What came of it is looked at all the same: damage leaves some.
            self._fault(path, fault)
        if content.size or not fault:
            yield Node(content, path)
        else:
            content.close()

    def _chunks(self, path: tuple[str, ...], stream: _Stream, cut: _Cut) -> Iterator[bytes]:
        """Yield the octets of a member while it is not too large; count all."""
        size = 0
        while (data := stream.data()) is not None:
            size += len(data)
            self.octets += len(data)
            if self.octets > self.bounds.size:
                raise _Exhausted(path, f"limit: more than {self.bounds.size} octets unpacked")
            if self.clock.monotonic() > self._deadline:
                raise _Exhausted(path, f"limit: took more than {self.bounds.seconds:g} s")
            cut.happened = cut.happened or size > self.bounds.largest
            if not cut.happened:
                yield data
        if self.clock.monotonic() > self._deadline:
            raise _Exhausted(path, f"limit: took more than {self.bounds.seconds:g} s")

    def _report(self, node: Node, message: dict[str, Any]) -> None:
        name = str(message.get("name", ""))[:NAME]
        self._fault((*node.path, name) if name else node.path, str(message["fault"])[:NAME])

    def _fault(self, path: tuple[str, ...], text: str) -> None:
        self.faults.append((path, text))


@dataclass
class _Cut:
    """Whether a member was cut, since it is too large."""

    happened: bool = False


class _Stream:
    """The messages of the extractor, with a look at the next."""

    def __init__(self, messages: Iterator[dict[str, Any] | bytes]) -> None:
        self._messages = messages
        self._next: dict[str, Any] | bytes | None = None

    def take(self) -> dict[str, Any] | bytes | None:
        """Return the next message; None at the end."""
        if self._next is not None:
            message, self._next = self._next, None
            return message
        return next(self._messages, None)

    def data(self) -> bytes | None:
        """Return the next octets; None where something else follows."""
        message = self.take()
        if isinstance(message, bytes):
            return message
        self._next = message
        return None

    def fault_of(self, name: str) -> str:
        """Return the fault that follows at once if it is a member's; else ''."""
        message = self.take()
        told = message if isinstance(message, dict) else {}
        if "fault" in told and str(told.get("name", ""))[:NAME] == name:
            return str(told["fault"])[:NAME]
        self._next = message
        return ""
