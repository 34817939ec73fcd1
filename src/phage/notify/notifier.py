"""The contract of a notifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from phage.errors import PhageError

if TYPE_CHECKING:
    from phage.notify.notice import Notice


class NotifyError(PhageError):
    """A notice could not be told. The text names whom and why, and holds no secret.

    Attributes:
        retry: Whether it may work later: a time-out does, a wrong password does not.
        after: Seconds that the other side asks to be left alone; 0 when it does not say.
    """

    def __init__(self, message: str, *, retry: bool = True, after: float = 0.0) -> None:
        super().__init__(message)
        self.retry = retry
        self.after = after


@runtime_checkable
class Notifier(Protocol):
    """Tells notices to people or programs. It is told what happened, never reconciled.

    `tell` is called by one thread, takes at most some ten seconds, and may be called again with
    the same notice after it failed. Rates, digests and repetition are not its business. It can be
    made from its settings alone, which are fields with defaults; making it does no input or output.
    Secrets can be given by the name of a file, which is read when they are needed.
    """

    name: ClassVar[str]
    """The notifier's name, as settings carry it."""

    summary: ClassVar[str]
    """Whom it tells, in one line."""

    def check(self) -> str:
        """Return '' when its settings are complete, else what is missing, for people."""

    def tell(self, notice: Notice) -> None:
        """Tell one notice. Raises NotifyError."""

    def close(self) -> None:
        """Let go of what is open."""
