"""A release: definitions of an engine on their way to the workers."""

from __future__ import annotations

import enum

from phage.frozen import frozen


class ReleaseState(enum.StrEnum):
    """How far definitions have come."""

    CANARY = "canary"
    """One worker has them, or is to take them."""
    OUT = "out"
    """All workers have them, or are to take them."""
    FAILED = "failed"
    """The canary refused them; nobody else gets them."""
    WITHDRAWN = "withdrawn"
    """A person took them back."""


@frozen
class DefinitionRelease:
    """Definitions of one engine. Times are nanoseconds since the Unix epoch.

    Attributes:
        id: Its name, which sorts by time.
        engine: Whose definitions they are.
        sha256: The file.
        name: What the file is called; its ending may tell an engine what is in it.
        size: Its octets.
        state: How far it has come.
        canary: The worker that tries it first.
        author: Who rolls it out.
        made: When that began.
        tried: When the canary had it in force; 0 for not yet.
        changed: When the state changed.
        fault: Why it failed; ''.
    """

    id: str
    engine: str
    sha256: str
    name: str = ""
    size: int = 0
    state: ReleaseState = ReleaseState.CANARY
    canary: str = ""
    author: str = ""
    made: int = 0
    tried: int = 0
    changed: int = 0
    fault: str = ""
