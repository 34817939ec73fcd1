"""The contract of the desk: where every way in hands a file over and gets its verdict.

Web, REST, clamd's protocol and ICAP ask it in one way, whatever queue is behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from phage.errors import PhageError
from phage.frozen import frozen
from phage.records.scanjob import NOTHING_YET, JobState, Priority, Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records.sample import Verdict
    from phage.scan.content import Content, Intake


class DeskError(PhageError):
    """A file is not taken."""


class TooLargeError(DeskError):
    """The file is larger than any that is scanned."""


class NoRoomError(DeskError):
    """The disk has no room for it."""


class TooManyError(DeskError):
    """More is asked than can be done now, or than who asks may; `after` are seconds to wait."""

    def __init__(self, text: str, after: float) -> None:
        super().__init__(text)
        self.after = after


class UnknownEngineError(DeskError):
    """There is no such engine."""


class JobFailedError(DeskError):
    """A file was taken, and nobody could scan it."""


@frozen
class Analysis:
    """The scanning of one file, from its arrival to its verdict.

    Attributes:
        id: The job's id; of a file that was known, that of its verdict.
        sha256: The file.
        name: What it was called.
        state: How far it is.
        submitted: When it came, nanoseconds since the Unix epoch.
        progress: How far the work is.
        verdict: The verdict, once it is done.
        error: Why it was given up, or the last attempt failed; ''.
    """

    id: str
    sha256: str
    name: str = ""
    state: JobState = JobState.QUEUED
    submitted: int = 0
    progress: Progress = NOTHING_YET
    verdict: Verdict | None = None
    error: str = ""

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will come."""
        return self.state in {JobState.DONE, JobState.DEAD, JobState.CANCELLED}


@frozen
class EngineState:
    """An engine as it stands here.

    Attributes:
        state: "ready", "idle" (available and not used) or "unavailable".
        place: Where it runs: "sandbox" or "service".
        accepts: Kinds of file that it takes; none for all.
        built: When its definitions were made, nanoseconds since the Unix epoch; 0 where unknown.
        reason: Why it is not ready; ''.
        tested: When it was last tested here; 0 for never.
        fault: What was wrong then; '' when it passed.
    """

    name: str
    summary: str
    kind: str
    place: str
    state: str
    accepts: tuple[str, ...] = ()
    version: str = ""
    definitions: str = ""
    built: int = 0
    reason: str = ""
    tested: int = 0
    fault: str = ""


class Judge(Protocol):
    """What gives verdicts while who asks waits."""

    @property
    def largest(self) -> int:
        """Octets of the largest file that is taken."""

    @property
    def fingerprint(self) -> str:
        """What verdicts of now rest on: engines, their versions and settings."""

    def intake(self, size: int = 0) -> Intake:
        """Return what a file is written to as it comes; `size` octets, where that is known.

        Raises TooLargeError, NoRoomError.
        """

    def judge(self, content: Content, name: str, seconds: float) -> Verdict:
        """Return the verdict on a file. Raises DeskError, TimeoutError after so many seconds."""


class ScanDesk(Judge, Protocol):
    """Takes files, tells how far they are, and keeps what is known of them."""

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
        """Take a file; it is answered at once where these engines know it.

        Args:
            content: The file; the caller closes it.
            name: What it is called.
            by: Who brings it; quotas are his.
            force: Ask engines that have changed also where a verdict is known.
            passwords: Tried on what is encrypted.
            priority: How urgent it is.

        Raises:
            DeskError: It is not taken.
        """

    def rescan(self, sha256: str, by: str = "", *, forgive: bool = False) -> Analysis:
        """Have a sample that is kept scanned again. Raises DeskError, PhageError.

        With `forgive` also by engines that it has ended twice.
        """

    def analysis(self, id: str) -> Analysis | None:  # noqa: A002  The field's name.
        """Return how far a file is; None for an id that was never given, or long ago."""

    def cancel(self, id: str) -> bool:  # noqa: A002  The field's name.
        """Cancel the scanning of a file that is not done."""

    def has(self, sha256: str) -> bool:
        """Tell whether the sample itself is kept."""

    def open(self, sha256: str, name: str = "") -> Content:
        """Return a sample that is kept. Raises PhageError."""

    def remove(self, sha256: str) -> bool:
        """Forget a sample, its verdicts and its octets; False when nothing was known."""

    def engines(self) -> Sequence[EngineState]:
        """Return all engines as they stand."""

    def test(self, name: str) -> EngineState:
        """Test an engine in the sandbox; takes seconds. Raises PhageError."""
