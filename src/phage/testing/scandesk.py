"""A desk that knows one virus, the EICAR test file, and answers when it is told to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phage.records.sample import (
    Category,
    EngineKind,
    EngineResult,
    EngineVersion,
    Outcome,
    Part,
    Reason,
    Sample,
    Verdict,
)
from phage.records.scanjob import JobState, Priority, Progress
from phage.scan.content import Content, Intake
from phage.scan.desk import (
    Analysis,
    EngineState,
    JobFailedError,
    TooLargeError,
    UnknownEngineError,
)
from phage.scan.trials import EICAR
from phage.scan.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.errors import PhageError
    from phage.store.store import Store

ENGINES = (
    EngineState(
        "yara", "Looks for patterns.", "evilness", "sandbox", "ready", version="1.0", built=10**18
    ),
    EngineState("clamav", "Asks clamd.", "evilness", "service", "unavailable", reason="no clamd"),
)


class FakeScanDesk:
    """Takes files, and keeps verdicts in a store.

    Args:
        store: Where verdicts go.
        folder: Where samples go.
        clock: Tells the time.
        largest: Octets of the largest file.
        slow: Files wait until `finish` is called.
    """

    def __init__(
        self, store: Store, folder: Path, clock: Clock, *, largest: int = 2**20, slow: bool = False
    ) -> None:
        self.largest = largest
        self.slow = slow
        self.asked: list[tuple[str, str, str]] = []
        self.summary = ""
        self.refusal: PhageError | None = None
        self._store = store
        self._vault = Vault(folder)
        self._clock = clock
        self._analyses: dict[str, Analysis] = {}
        self._engines = {each.name: each for each in ENGINES}

    @property
    def fingerprint(self) -> str:
        """What verdicts rest on."""
        return "f"

    def intake(self, size: int = 0) -> Intake:
        """Return what a file is written to."""
        if size > self.largest + 2**19:
            message = f"a file has at most {self.largest} octets"
            raise TooLargeError(message)
        self._vault.folder.mkdir(parents=True, exist_ok=True)
        return _Intake(self.largest, self._vault.folder)

    def judge(self, content: Content, name: str, seconds: float) -> Verdict:
        """Return the verdict at once."""
        del seconds
        found = self.submit(content, name)
        if found.verdict is None:
            message = f"{name}: no verdict"
            raise TimeoutError(message)
        return found.verdict

    def submit(
        self,
        content: Content,
        name: str = "",
        by: str = "",
        *,
        force: bool = False,
        passwords: Sequence[str] = (),
        priority: Priority = Priority.API,
    ) -> Analysis:
        """Take a file."""
        del force, passwords, priority
        if self.refusal is not None:
            raise self.refusal
        self._vault.put(content)
        number = f"{len(self._analyses):032x}"
        self.asked.append(("submit", name, by))
        analysis = Analysis(
            number, content.hashes.sha256, name, submitted=self._clock.now(),
            verdict=self._verdict(number, content, name),
        )  # fmt: skip
        self._analyses[number] = analysis
        return self._waits(analysis) if self.slow else self.finish(number)

    def finish(self, id: str) -> Analysis:  # noqa: A002  The field's name.
        """Have a file done."""
        done = replace(self._analyses[id], state=JobState.DONE)
        self._analyses[id] = done
        assert done.verdict is not None  # noqa: S101  Made when it came.
        self._store.samples.save(done.verdict)
        return done

    def rescan(self, sha256: str, by: str = "", *, forgive: bool = False) -> Analysis:
        """Take a sample that is kept again."""
        del forgive
        if not self.has(sha256):
            message = f"the sample {sha256} is not kept any more"
            raise JobFailedError(message)
        with self.open(sha256) as content:
            return self.submit(content, content.name, by)

    def analysis(self, id: str) -> Analysis | None:  # noqa: A002  The field's name.
        """Return how far a file is."""
        found = self._analyses.get(id)
        return self._waits(found) if found is not None and not found.is_over else found

    def cancel(self, id: str) -> bool:  # noqa: A002  The field's name.
        """Cancel a file that is not done."""
        found = self._analyses.get(id)
        if found is None or found.is_over:
            return False
        self._analyses[id] = replace(found, state=JobState.CANCELLED, verdict=None)
        return True

    def has(self, sha256: str) -> bool:
        """Tell whether a sample is kept."""
        return self._vault.has(sha256)

    def open(self, sha256: str, name: str = "") -> Content:
        """Return a sample that is kept."""
        return self._vault.get(sha256, name)

    def remove(self, sha256: str) -> bool:
        """Forget a sample."""
        self._vault.remove(sha256)
        return self._store.samples.remove(sha256)

    def engines(self) -> Sequence[EngineState]:
        """Return two engines."""
        return [
            replace(each, summary=self.summary or each.summary) for each in self._engines.values()
        ]

    def test(self, name: str) -> EngineState:
        """Find nothing wrong."""
        if name not in self._engines:
            message = f"there is no engine {name!r}"
            raise UnknownEngineError(message)
        self._engines[name] = replace(self._engines[name], tested=self._clock.now())
        return self._engines[name]

    def _waits(self, analysis: Analysis) -> Analysis:
        return replace(
            analysis,
            state=JobState.LEASED,
            progress=Progress(1, {"yara": "undetected"}),
            verdict=None,
        )

    def _verdict(self, number: str, content: Content, name: str) -> Verdict:
        infected = EICAR in bytes(content.data)
        category = Category.MALICIOUS if infected else Category.UNDETECTED
        row = EngineResult(
            "yara", EngineKind.EVILNESS, category, "Eicar" if infected else "",
            EngineVersion("1.0", "rules", 10**18), {"entropy": 4.5},
        )  # fmt: skip
        now, hashes = self._clock.now(), content.hashes
        sample = Sample(
            hashes.sha256, hashes.sha1, hashes.md5, content.size, content.kind or "text",
            (name,) if name else (), now, now,
        )  # fmt: skip
        reason = Reason(Outcome.INFECTED, f"yara: Eicar in {name}", "yara")
        return Verdict(
            id=f"v{number}",
            sample=sample,
            outcome=Outcome.INFECTED if infected else Outcome.CLEAN,
            complete=True,
            time=now,
            reasons=(reason,) if infected else (),
            results=(row,),
            parts=(Part((), hashes.sha256, content.size, sample.kind, (row,)),),
            fingerprint="f",
            isolation="full",
        )


class _Intake(Intake):
    def __init__(self, largest: int, folder: Path) -> None:
        super().__init__(folder)
        self._most = largest

    def write(self, data: bytes) -> None:
        """Take octets. Raises TooLargeError."""
        if self.size + len(data) > self._most:
            message = f"a file has at most {self._most} octets"
            raise TooLargeError(message)
        super().write(data)
