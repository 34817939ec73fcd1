"""What openers yield: entries, their octets, faults."""

from __future__ import annotations

from dataclasses import dataclass

ENCRYPTED = "encrypted"
"""How the text of a fault begins when a password is what is missing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A member begins; the octets that follow are its."""

    name: str
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """Something could not be opened: a member by name, or ('' for a name) the container."""

    name: str
    text: str


Item = Entry | Fault | bytes
