"""One sandbox at work: a child for each sample, engines watched one by one.

A child that is killed or dies costs the engine at work its answer, never the others theirs.
"""

from __future__ import annotations

import signal
from dataclasses import field
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
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


@frozen
class Said:
    """What became of asking one engine: its message, or how it failed.

    `crashed` tells that the process died of the file.
    """

    engine: str
    message: dict[str, Any] = field(default_factory=dict)
    timed_out: bool = False
    crashed: str = ""


class Bench:
    """Sandboxes with engines, used by one thread.

    A fork costs what its zygote has loaded. So engines that take every kind of file share one with
    the extractor; those that take the same few kinds, and those that stay, have one of their own,
    which starts with the first file for it.
    """

    def __init__(
        self, engines: Sequence[Ready], clock: Clock, *, unpack: bool, bubblewrap: bool = True
    ) -> None:
        self._engines = {each.name: each for each in engines if each.in_sandbox}
        self._homes: dict[str, Sandbox] = {}
        self._sandboxes: list[Sandbox] = []
        for number, group in enumerate(_groups(list(self._engines.values()))):
            plan = _plan(group, unpack=unpack and not number, bubblewrap=bubblewrap)
            sandbox = Sandbox(plan, clock)
            self._sandboxes.append(sandbox)
            self._homes.update({each.name: sandbox for each in group})
        self._isolation: Isolation | None = None
        self.told: Callable[[Said], None] = _nobody
        self._children: dict[Sandbox, Child] = {}
        self._standing: dict[str, Child] = {}

    def start(self) -> Isolation:
        """Start the first sandbox unless it runs; return what it proved. Raises SandboxError."""
        if self._isolation is None:
            first = self._sandboxes[0]
            self._isolation = first.isolation or first.start()
        return self._isolation

    def lacking(self, name: str) -> str:
        """Return why an engine could not be loaded; '' when it could. Raises SandboxError."""
        home = self._homes.get(name)
        return self._started(home).lacking.get(name, "") if home is not None else ""

    def scan(self, content: Content, names: Sequence[str]) -> list[Said]:
        """Ask engines about a file, in order."""
        said = []
        for together in self._by_child(names):
            done = 0
            while done < len(together):
                answers = self._ask(content, together[done:])
                said += answers
                done += len(answers)
        return said

    def unpack(
        self, content: Content, passwords: Sequence[str]
    ) -> Iterator[dict[str, Any] | bytes]:
        """Yield the messages of the extractor: members, octets, faults. Raises SandboxError.

        Closing the iterator before its end kills the extractor.
        """
        child = self._sandboxes[0].child()
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
        for child in self._children.values():
            child.end()
        self._children.clear()

    def close(self) -> None:
        """End the sandbox."""
        self.end_sample()
        for child in self._standing.values():
            child.end()
        self._standing.clear()
        for each in self._sandboxes:
            each.close()

    def _by_child(self, names: Sequence[str]) -> list[list[str]]:
        """Return names, those together that one child is asked about."""
        found: dict[object, list[str]] = {}
        for name in names:
            stays = self._engines[name].engine.reuse > 1
            found.setdefault(name if stays else self._homes[name], []).append(name)
        return list(found.values())

    def _started(self, sandbox: Sandbox) -> Sandbox:
        """Start a sandbox unless it runs; one that proves weaker than the first is none."""
        if sandbox.isolation is None:
            isolation, known = sandbox.start(), self.start()
            if isolation.level.rank < known.level.rank:
                sandbox.close()
                sandbox.isolation = None
                message = f"isolation has become {isolation.level}: {isolation.reason}"
                raise wire.SandboxError(message)
        return sandbox

    def _ask(self, content: Content, names: list[str]) -> list[Said]:
        """Ask one child about engines in turn; stop after the first that ends it."""
        child = self._take(names[0])
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
            self._drop(names[0])
            child.kill()
            if len(said) < len(names):
                said.append(Said(names[len(said)], timed_out=True))
        except wire.SandboxError:
            self._drop(names[0])
            how = _how(child.kill())
            if len(said) < len(names):
                said.append(Said(names[len(said)], crashed=how))
        return said

    def _patience(self, name: str) -> float:
        return self._engines[name].engine.timeout

    def _take(self, name: str) -> Child:
        """Return the child for an engine: the sample's own, or one that stays for some."""
        sandbox, reuse = self._started(self._homes[name]), self._engines[name].engine.reuse
        if reuse == 1:
            if sandbox not in self._children:
                self._children[sandbox] = sandbox.child()
            return self._children[sandbox]
        child = self._standing.get(name)
        if child is not None and child.samples >= reuse:
            child.end()
            child = None
        if child is None:
            child = self._standing[name] = sandbox.child()
        child.samples += 1
        return child

    def _drop(self, name: str) -> None:
        if self._standing.pop(name, None) is None:
            self._children.pop(self._homes[name], None)


def _groups(engines: Sequence[Ready]) -> list[list[Ready]]:
    """Return engines that share a zygote: first those for every kind of file, then the others."""
    once = [each for each in engines if each.engine.reuse == 1]
    stay = [each for each in engines if each.engine.reuse > 1]
    some: list[tuple[set[str], list[Ready]]] = []
    for each in once:
        if each.engine.accepts:
            kinds, group = set(each.engine.accepts), [each]
            for other in [other for other in some if other[0] & kinds]:
                some.remove(other)
                kinds, group = kinds | other[0], other[1] + group
            some.append((kinds, group))
    general = [each for each in once if not each.engine.accepts]
    return [general, *(group for group in (stay, *(group for _, group in some)) if group)]


def _nobody(_said: Said) -> None:
    """Tell nobody what an engine has said before all have."""


END_SECONDS = 5.0
"""How long a child may take to say that it is done."""


def _plan(engines: Sequence[Ready], *, unpack: bool, bubblewrap: bool) -> Plan:
    memory = max((each.engine.memory for each in engines), default=512 * 2**20)
    return Plan(
        tuple(each.load for each in engines),
        unpack,
        tuple(dict.fromkeys(path for each in engines for path in each.engine.reads())),
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
