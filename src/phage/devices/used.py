"""What a device did in a window, by one service with one peer: a row of the core, made readable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phage.records.profile import Way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.devices.profilebook import Book
    from phage.records.profile import ProfileKey


@dataclass(slots=True)
class Used:
    """Flows of one device, by one service with one peer.

    Attributes:
        book: The device's profile.
        mac: Its MAC address.
        ip: Its address.
        way: Who began.
        protocol: IP protocol number.
        port: The service's port, NO_PORT or EPHEMERAL.
        peer: Address of the other end.
        role: What the other end is at home; '' where it is far.
        first: When the first flow began, in nanoseconds since the Unix epoch.
        last: When the last began.
        begun: How many began.
        end: Time of the last packet of those that ended.
        ended: How many ended.
        failed: Of these, how many nobody answered.
        octets: What the device sent and received by those that ended.
        largest: The same of the one that moved most.
        sizes: Sum of the logarithms (base 2) of the octets of each.
        squares: Sum of their squares.
        key: What it is in the profile; None until the peer's name is known or given up.
        version: The profile's version at which it is that.
    """

    book: Book
    mac: str
    ip: str
    way: Way
    protocol: int
    port: int
    peer: str
    role: str
    first: int
    last: int
    begun: int = 1
    end: int = 0
    ended: int = 0
    failed: int = 0
    octets: Sequence[int] = (0, 0)
    largest: Sequence[int] = (0, 0)
    sizes: float = 0.0
    squares: float = 0.0
    key: ProfileKey | None = None
    version: int = 0

    def again(  # noqa: PLR0913  As many as a row has.
        self, first: int, last: int, begun: int, end: int, ended: int, failed: int,
        octets: Sequence[int], largest: Sequence[int], sizes: float, squares: float,
    ) -> None:  # fmt: skip
        """Become a later use of the same service and peer."""
        self.first, self.last, self.begun = first, last, begun
        self.end, self.ended, self.failed = end, ended, failed
        self.octets, self.largest = octets, largest
        self.sizes, self.squares = sizes, squares

    def add(self, more: Used) -> None:
        """Take in a later use of the same service and peer."""
        self.again(
            min(self.first, more.first) if more.begun else self.first,
            max(self.last, more.last),
            self.begun + more.begun,
            max(self.end, more.end),
            self.ended + more.ended,
            self.failed + more.failed,
            (self.octets[0] + more.octets[0], self.octets[1] + more.octets[1]),
            max(self.largest, more.largest, key=sum),
            self.sizes + more.sizes,
            self.squares + more.squares,
        )


WAYS = (Way.OUT, Way.IN)
"""By the number that a row has."""
