"""An ExaBGP for tests: takes commands and answers them, and keeps what it was told to announce."""

from __future__ import annotations

import collections
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.respond.bgp.peering import FAMILIES

if TYPE_CHECKING:
    from phage.respond.bgp.peering import Peering


@dataclass
class FakeExaBgp:
    """Stands in for `phage.respond.bgp.exabgp.ExaBgp`.

    Attributes:
        peering: The session; each neighbour comes up at once.
        families: What the neighbours speak.
        refuses: Commands with one of these in them are answered with "error".
        is_mute: Answers nothing.
        announced: What it announces: commands without their first word.
        commands: All that it was told.
    """

    peering: Peering
    families: tuple[str, ...] = FAMILIES
    refuses: tuple[str, ...] = ()
    is_mute: bool = False
    comes_up: bool = True
    is_running: bool = False
    is_ready: bool = False
    last_words: str = ""
    announced: dict[str, None] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    _unread: bytes = b""
    _lines: collections.deque[bytes] = field(default_factory=collections.deque)

    def start(self) -> None:
        """Start; the pipes are there at the next meeting."""
        self.is_running = True

    def meet(self) -> None:
        """Hand over the pipes, and bring up the sessions."""
        if self.is_running and not self.is_ready:
            self.is_ready = True
            if self.comes_up:
                for neighbour in self.peering.neighbours:
                    self.bring_up(neighbour)

    def bring_up(self, neighbour: str) -> None:
        """Say that the session with a neighbour is established."""
        self.say("negotiated", neighbour, negotiated={"families": list(self.families)})
        self.say("state", neighbour, state="up")

    def bring_down(self, neighbour: str, reason: str) -> None:
        """Say that the session with a neighbour was lost."""
        self.say("state", neighbour, state="down", reason=reason)

    def say(self, kind: str, neighbour: str, **content: object) -> None:
        """Say something about a neighbour."""
        message = {"type": kind, "neighbor": {"address": {"peer": neighbour}, **content}}
        self.say_line(json.dumps(message).encode())

    def say_line(self, line: bytes) -> None:
        """Say anything."""
        self._lines.append(line)

    def lines(self) -> list[bytes]:
        """Return what was said. Raises OSError when it ended."""
        if not self.is_running:
            message = "ended"
            raise OSError(message)
        said = list(self._lines)
        self._lines.clear()
        return said

    def wait(self, seconds: float) -> None:
        """Wait for nothing."""

    def write(self, octets: bytes) -> int:
        """Take commands."""
        self._unread += octets
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            self._obey(line.decode("ascii"))
        return len(octets)

    def _obey(self, command: str) -> None:
        self.commands.append(command)
        if self.is_mute:
            return
        if any(part in command for part in self.refuses):
            self._lines.append(b"error")
            return
        verb, _, route = command.partition(" ")
        if verb == "announce":
            self.announced[route] = None
        else:
            self.announced.pop(route, None)
        self._lines.append(b"done")

    def stop(self) -> None:
        """End."""
        self.is_running = self.is_ready = False
        self.announced.clear()
