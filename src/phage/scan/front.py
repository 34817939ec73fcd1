"""The contract of a front: a way in by another program's protocol, for clients that speak it.

A front is off unless the settings name it (`scan.fronts`), listens on this machine unless told
otherwise, and takes bounded numbers of connections, octets and seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from phage.errors import PhageError
from phage.plugin import Family

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.scan.desk import Judge


class FrontError(PhageError):
    """A front cannot listen; names the address and why."""


@runtime_checkable
class Front(Protocol):
    """Takes files by a protocol, and answers with verdicts."""

    name: ClassVar[str]
    """The front's name, as settings carry it."""

    summary: ClassVar[str]
    """What it is for, in one line."""

    def open(self, judge: Judge) -> None:
        """Listen, and answer from now on. Raises FrontError."""

    def counters(self) -> Mapping[str, int]:
        """Return what it has done and refused since it was opened."""

    def close(self) -> None:
        """Stop listening, and end every connection."""


FRONTS = Family("fronts", Front, "phage.scan.fronts")
