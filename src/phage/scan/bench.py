"""One sandbox at work: a child for each sample, engines watched one by one.

A child that is killed or dies costs the engine at work its answer, never the others theirs.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phage.scan.sandbox import wire
from phage.scan.sandbox.kernel import Limits
from phage.scan.sandbox.sandbox import Child, Plan, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from phage.clock import Clock
    from phage.scan.content import Content
    from phage.scan.engineset import Ready
    from phage.scan.sandbox.isolation import Isolation

ENTRY_SECONDS = 30.0
"""How long the extractor may be silent."""

MOST_MESSAGES = 16
"""Messages that may come before an engine's result; one is right."""


@dataclass(frozen=True, slots=True)
class Said:
    """What became of asking one engine: its message, or how it failed.

    `crashed` tells that the process died of the file.
    """

    engine: str
    message: dict[str, Any] = field(default_factory=dict)
    timed_out: bool = False
    crashed: str = ""


class Bench:
    """A sandbox with engines, used by one thread."""

    def __init__(
        self, engines: Sequence[Ready], clock: Clock, *, unpack: bool, bubblewrap: bool = True
    ) -> None:
        self._engines = {each.name: each for each in engines if each.in_sandbox}
        # A fork costs what the zygote has loaded: engines that stay have a zygote of their own.
        once = [each for each in self._engines.values() if each.engine.reuse == 1]
        stay = [each for each in self._engines.values() if each.engine.reuse > 1]
        self.sandbox = Sandbox(_plan(once, unpack=unpack, bubblewrap=bubblewrap), clock)
        self._second = Sandbox(_plan(stay, unpack=False, bubblewrap=bubblewrap), clock)
        self._child: Child | None = None
        self.told: Callable[[Said], None] = _nobody
        self._standing: dict[str, Child] = {}

    def start(self) -> Isolation:
        """Start the sandbox unless it runs; return what it proved. Raises SandboxError."""
        return min(
            (each.isolation or each.start() for each in self._sandboxes),
            key=lambda isolation: isolation.level.rank,
        )

    def lacking(self, name: str) -> str:
        """Return why an engine could not be loaded; '' when it could."""
        return self.sandbox.lacking.get(name, "") or self._second.lacking.get(name, "")

    def scan(self, content: Content, names: Sequence[str]) -> list[Said]:
        """Ask engines about a file, in order."""
        said = []
        waiting = [name for name in names if self._engines[name].engine.reuse == 1]
        while waiting:
            answers = self._ask(content, waiting)
            said += answers
            waiting = waiting[len(answers) :]
        for name in names:
            if self._engines[name].engine.reuse > 1:
                said += self._ask(content, [name], standing=name)
        return said

    def unpack(
        self, content: Content, passwords: Sequence[str]
    ) -> Iterator[dict[str, Any] | bytes]:
        """Yield the messages of the extractor: members, octets, faults. Raises SandboxError.

        Closing the iterator before its end kills the extractor.
        """
        child = self.sandbox.child()
        request = {**_about(content), "request": "unpack", "passwords": list(passwords)}
        done = False
        try:
            child.ask(request, (content.descriptor,), ENTRY_SECONDS)
            while True:
                child.allow(ENTRY_SECONDS)
                message = child.reader.message()
                if isinstance(message, dict) and "end" in message:
                    done = True
                    return
                yield message
        except wire.SandboxGoneError as error:
            done = True
            message_ = f"the extractor {_how(child.kill())}"
            raise wire.SandboxGoneError(message_) from error
        finally:
            if done:
                child.end()
            else:
                child.kill()

    def end_sample(self) -> None:
        """Let the child of the sample end: the next sample gets a new one."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def close(self) -> None:
        """End the sandbox."""
        self.end_sample()
        for child in self._standing.values():
            child.end()
        self._standing.clear()
        for each in self._sandboxes:
            each.close()

    @property
    def _sandboxes(self) -> list[Sandbox]:
        return [self.sandbox, *([self._second] if self._second.plan.engines else [])]

    def _ask(self, content: Content, names: list[str], standing: str = "") -> list[Said]:
        """Ask one child about engines in turn; stop after the first that ends it."""
        child = self._take(standing)
        said: list[Said] = []
        try:
            request = {**_about(content), "request": "scan", "engines": names}
            child.ask(request, (content.descriptor,), self._patience(names[0]))
            for name in names:
                child.allow(self._patience(name))
                said.append(Said(name, _result(child, name)))
                self.told(said[-1])
            child.allow(END_SECONDS)
            child.reader.message()
        except wire.SandboxTimeoutError:
            self._drop(standing)
            child.kill()
            if len(said) < len(names):
                said.append(Said(names[len(said)], timed_out=True))
        except wire.SandboxError:
            self._drop(standing)
            how = _how(child.kill())
            if len(said) < len(names):
                said.append(Said(names[len(said)], crashed=how))
        return said

    def _patience(self, name: str) -> float:
        return self._engines[name].engine.timeout

    def _take(self, standing: str) -> Child:
        if not standing:
            self._child = self._child or self.sandbox.child()
            return self._child
        child = self._standing.get(standing)
        if child is not None and child.samples >= self._engines[standing].engine.reuse:
            child.end()
            child = None
        if child is None:
            child = self._standing[standing] = self._second.child()
        child.samples += 1
        return child

    def _drop(self, standing: str) -> None:
        if standing:
            self._standing.pop(standing, None)
        else:
            self._child = None


def _nobody(_: Said) -> None:
    """Tell nobody what an engine has said before all have."""


END_SECONDS = 5.0
"""How long a child may take to say that it is done."""


def _plan(engines: Sequence[Ready], *, unpack: bool, bubblewrap: bool) -> Plan:
    memory = max((each.engine.memory for each in engines), default=512 * 2**20)
    return Plan(
        tuple(each.load for each in engines),
        unpack,
        tuple(each.engine.definitions for each in engines if each.engine.definitions),
        Limits(memory=memory),
        bubblewrap=bubblewrap,
    )


def _about(content: Content) -> dict[str, Any]:
    return {"size": content.size, "name": content.name[:500], "kind": content.kind}


def _result(child: Child, name: str) -> dict[str, Any]:
    for _ in range(MOST_MESSAGES):
        message = child.reader.message()
        if isinstance(message, dict) and message.get("result") == name:
            return message
        if not isinstance(message, dict) or message.get("begin") != name:
            break
    text = "the answer makes no sense"
    raise wire.SandboxError(text)


def _how(status: int) -> str:
    """Return how a process ended, for people."""
    if status == 71:
        return "ran out of memory"
    if status < 0:
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"
    return f"ended with {status}"
