"""A BGP speaker: keeps ExaBGP running, knows its sessions, sends commands and takes the answers.

ExaBGP answers each command with one line, in the order of the commands. What has not been answered
in time leaves nobody knowing what is announced, so ExaBGP is then ended and started anew, empty.
"""

from __future__ import annotations

import collections
import contextlib
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phage.clock import SystemClock
from phage.errors import ConfigError
from phage.respond.bgp.exabgp import ExaBgp, find, missing
from phage.respond.bgp.peering import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phage.clock import Clock
    from phage.respond.bgp.peering import Peering

IN_FLIGHT = 32
"""Commands sent ahead of their answers: as many as surely fit into a pipe (64 kB)."""

EACH_S = 0.02
"""Time for one of many commands at most; ExaBGP takes a fifth of a millisecond."""

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Pauses before ExaBGP is started again after it ended; each doubles the one before."""

WELL_AFTER_S = 60.0
"""ExaBGP that ran for so long ends no series of failures."""

_MOST_SHOWN = 160


@dataclass(slots=True)
class Session:
    """The session with one neighbour.

    Attributes:
        is_up: Whether routes reach it.
        families: What both ends speak.
        reason: Why it is not up, for people.
    """

    is_up: bool = False
    families: frozenset[str] = frozenset()
    reason: str = "connecting"


@dataclass
class Speaker:
    """One ExaBGP with its sessions; may be asked from several threads.

    Attributes:
        peering: The two ends.
        clock: For pauses and time limits.
        make: Makes the process that speaks.
        sessions: The session with each neighbour, by address.
        generation: Grows when ExaBGP starts: what was announced before is gone.
        changes: Grows when a session comes up or is lost.
        ignored: Lines of ExaBGP that were not understood.
    """

    peering: Peering
    clock: Clock = field(default_factory=SystemClock)
    make: Callable[[Peering], ExaBgp] = lambda peering: ExaBgp(find(), peering)
    sessions: dict[str, Session] = field(init=False)
    generation: int = field(default=0, init=False)
    changes: int = field(default=0, init=False)
    ignored: int = field(default=0, init=False)
    _process: ExaBgp | None = field(default=None, init=False)
    _answers: collections.deque[bool] = field(default_factory=collections.deque, init=False)
    _started: float = field(default=0.0, init=False)
    _not_before: float = field(default=0.0, init=False)
    _pause: float = field(default=FIRST_PAUSE_S, init=False)
    _trouble: str = field(default="", init=False)
    lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def __post_init__(self) -> None:
        """Begin without a session."""
        self.sessions = {neighbour: Session() for neighbour in self.peering.neighbours}

    @property
    def is_ready(self) -> bool:
        """Tell whether commands can be sent."""
        return self._process is not None and self._process.is_ready

    @property
    def wants_start(self) -> bool:
        """Tell whether `ensure` would start ExaBGP now."""
        return self._process is None and self.clock.monotonic() >= self._not_before

    def ensure(self) -> None:
        """Start ExaBGP unless it runs, or ended a moment ago; does not wait for it."""
        with self.lock:
            self.attend()
            if not self.wants_start:
                return
            if reason := missing():
                self._put_off(reason)
                return
            process = self.make(self.peering)
            try:
                process.start()
            except ConfigError as error:
                self._put_off(str(error))
                return
            self._process = process
            self._started = self.clock.monotonic()
            self._trouble = "ExaBGP is starting"
            self.generation += 1

    def attend(self) -> None:
        """Take what ExaBGP has said, without waiting; notice that it ended."""
        with self.lock:
            process = self._process
            if process is None:
                return
            try:
                process.meet()
                for line in process.lines():
                    self._take(line)
            except OSError:
                self._lose("ExaBGP ended")
                return
            if not process.is_running:
                self._lose("ExaBGP ended")

    def send(self, commands: Sequence[str]) -> list[str]:
        """Send commands; return for each '' or why it was not done.

        Waits at most `answer_s` for each answer, and not much longer for all.
        """
        with self.lock:
            self.attend()
            if not self.is_ready:
                return [self.trouble()] * len(commands)
            self._answers.clear()
            results: list[str] = []
            try:
                self._converse(commands, results)
            except (OSError, TimeoutError) as error:
                self._lose(str(error))
            return results + [self.trouble()] * (len(commands) - len(results))

    def reach(self, family: str) -> str:
        """Return '' when a neighbour takes routes of a family, else why none does."""
        if not self.is_ready:
            return self.trouble()
        if self.reached(family):
            return ""
        reasons = [
            f"{neighbour} does not take {family}"
            if session.is_up
            else f"{neighbour}: no session, {session.reason}"
            for neighbour, session in self.sessions.items()
        ]
        return "; ".join(reasons)

    def reached(self, family: str) -> list[str]:
        """Return the neighbours that take routes of a family now."""
        return [
            neighbour
            for neighbour, session in self.sessions.items()
            if session.is_up and family in session.families
        ]

    def trouble(self) -> str:
        """Return why commands cannot be sent."""
        return self._trouble or "ExaBGP does not run"

    def stop(self) -> None:
        """End ExaBGP; what becomes of its routes the peering says."""
        with self.lock:
            if self._process is not None:
                self._process.stop()
            self._process = None
            self._trouble = "ExaBGP was stopped"
            self._forget("stopped")

    def _converse(self, commands: Sequence[str], results: list[str]) -> None:
        """Send commands ahead of answers, as many as are allowed to wait."""
        process = self._process
        assert process is not None  # noqa: S101  For the type checker.
        sent, unsent = 0, b""
        deadline = self.clock.monotonic() + self.peering.answer_s
        end = deadline + EACH_S * len(commands)
        while len(results) < len(commands):
            while sent < len(commands) and sent - len(results) < IN_FLIGHT:
                unsent += commands[sent].encode("ascii") + b"\n"
                sent += 1
            unsent = unsent[process.write(unsent) :] if unsent else b""
            if not self._answers:
                left = deadline - self.clock.monotonic()
                if left <= 0:
                    message = "ExaBGP does not answer"
                    raise TimeoutError(message)
                process.wait(min(left, 0.01) if unsent else left)
                for line in process.lines():
                    self._take(line)
            while self._answers and len(results) < sent:
                done = self._answers.popleft()
                results.append("" if done else "ExaBGP refuses the route")
                deadline = min(self.clock.monotonic() + self.peering.answer_s, end)

    def _take(self, line: bytes) -> None:
        """Take one line of ExaBGP: an answer, or what happens on a session."""
        text = line.strip()
        if text in {b"done", b"error"}:
            if len(self._answers) < IN_FLIGHT:
                self._answers.append(text == b"done")
            return
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            message = None
        if not (isinstance(message, dict) and self._take_message(message)):
            self.ignored += bool(text)

    def _take_message(self, message: dict[str, Any]) -> bool:
        """Take a message about a session; return whether it was understood."""
        neighbour = message.get("neighbor")
        if not isinstance(neighbour, dict) or not isinstance(neighbour.get("address"), dict):
            return message.get("notification") == "shutdown"
        session = self.sessions.get(str(neighbour["address"].get("peer")))
        if session is None:
            return False
        kind, negotiated = message.get("type"), neighbour.get("negotiated")
        if kind == "negotiated" and isinstance(negotiated, dict):
            told = negotiated.get("families")
            families = told if isinstance(told, list) else []
            session.families = frozenset(family for family in FAMILIES if family in families)
            return True
        if kind == "state":
            return self._take_state(session, str(neighbour.get("state")), neighbour.get("reason"))
        return kind == "notification"

    def _take_state(self, session: Session, state: str, reason: object) -> bool:
        if state not in {"connected", "up", "down"}:
            return False
        was_up, session.is_up = session.is_up, state == "up"
        session.reason = _shown(reason) if state == "down" else "connecting"
        self.changes += was_up != session.is_up
        return True

    def _lose(self, reason: str) -> None:
        """End what is left of ExaBGP, and set when to start it again."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()
            words = process.last_words
            reason = f"{reason}: {words}" if words else reason
        if self.clock.monotonic() - self._started >= WELL_AFTER_S:
            self._pause = FIRST_PAUSE_S
        self._put_off(reason)
        self._forget("ExaBGP ended")

    def _put_off(self, reason: str) -> None:
        self._trouble = reason
        self._not_before = self.clock.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)

    def _forget(self, reason: str) -> None:
        self._answers.clear()
        for session in self.sessions.values():
            self.changes += session.is_up
            session.is_up, session.families, session.reason = False, frozenset(), reason


_speakers: dict[Peering, tuple[Speaker, set[object]]] = {}
_guard = threading.Lock()


def lease(peering: Peering, user: object) -> Speaker:
    """Return the speaker of a peering: one for all responders that have the same.

    Raises ConfigError when a neighbour already has a session with other settings: a router takes
    one from an address.
    """
    with _guard:
        if peering not in _speakers:
            for other in _speakers:
                if shared := sorted(set(other.neighbours) & set(peering.neighbours)):
                    message = (
                        f"{shared[0]} is a neighbour of another responder with other settings:"
                        " those of the session must be the same"
                    )
                    raise ConfigError(message)
            _speakers[peering] = (Speaker(peering), set())
        speaker, users = _speakers[peering]
        users.add(id(user))
        return speaker


def release(peering: Peering, user: object) -> None:
    """Give a speaker back; it ends with its last user."""
    with _guard:
        speaker, users = _speakers.get(peering, (None, set()))
        users.discard(id(user))
        if speaker is None or users:
            return
        del _speakers[peering]
    speaker.stop()


def _shown(text: object) -> str:
    """Return what a router said as one short printable line."""
    with contextlib.suppress(UnicodeError):
        shown = "".join(c if c.isprintable() else " " for c in str(text)[:_MOST_SHOWN])
        return " ".join(shown.split()) or "down"
    return "down"
