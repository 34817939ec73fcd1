"""What openers yield: entries, their octets, faults."""

from __future__ import annotations

from phage.frozen import frozen

ENCRYPTED = "encrypted"
"""How the text of a fault begins when a password is what is missing."""


@frozen
class Entry:
    """A member begins; the octets that follow are its."""

    name: str
    encrypted: bool = False


@frozen
class Fault:
    """Something could not be opened: a member by name, or ('' for a name) the container."""

    name: str
    text: str


Item = Entry | Fault | bytes
