"""What the kernel says when it refuses."""

from __future__ import annotations

import errno
import os

from phage.errors import PhageError


class KernelError(PhageError):
    """The kernel refused a request.

    Attributes:
        number: The errno.
        what: What was asked for.
    """

    def __init__(self, number: int, what: str, detail: str = "") -> None:
        self.number = number
        self.what = what
        text = f"the kernel refuses to {what}: {os.strerror(number)}"
        if detail:
            text += f" ({detail})"
        if number in (errno.EPERM, errno.EACCES):
            text += "; it takes the capability CAP_NET_ADMIN"
        super().__init__(text)


class GenerationError(KernelError):
    """Somebody else changed a rule set since the generation that a transaction was made for."""


class AbsentError(KernelError):
    """What was asked for does not exist."""
