"""What volumes are counted of besides hosts and prefixes: services of hosts, groups of networks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST = 128
"""Length of a host among the addresses of 128 bits."""

FIRST_SERVICE = 129
"""Length that rows of the first service have; see `crates/phage-flow/src/volume/watch.rs`."""

MOST_SERVICES = 63
GROUP = 255
"""Length that rows of groups have; their address is `group_key` of the name."""


@frozen
class HostGroup:
    """Networks that belong together, in CIDR notation."""

    name: str
    networks: tuple[str, ...]


@frozen
class Watched:
    """Services ("tcp/80", "udp/1000-2000") with the numbers of their rows, and groups."""

    services: tuple[tuple[str, int], ...] = ()
    groups: tuple[HostGroup, ...] = ()

    def as_core(self) -> dict[str, object]:
        """Return it as the core reads it."""
        return {
            "services": [list(each) for each in self.services],
            "groups": [[group_key(each.name).hex(), list(each.networks)] for each in self.groups],
        }


def group_key(name: str) -> bytes:
    """Return what rows of a group have for an address: the same on all machines."""
    return hashlib.blake2s(name.encode(), digest_size=16).digest()


def numbered(services: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Number services: by their names, so that a new one as a rule does not renumber the others.

    What is learned of a service is kept by its number. Of two whose names come to the same number
    the first by name has it: where that is the new one, what is usual of the other is learned anew
    within minutes. Raises ValueError for more than there are numbers.
    """
    taken: dict[int, str] = {}
    for text in sorted(set(services)):
        if len(taken) >= MOST_SERVICES:
            message = f"there are more than {MOST_SERVICES} services"
            raise ValueError(message)
        number = hashlib.blake2s(text.encode(), digest_size=4).digest()[0] % MOST_SERVICES
        while number in taken:
            number = (number + 1) % MOST_SERVICES
        taken[number] = text
    return tuple(sorted((text, number) for number, text in taken.items()))


def is_service(length: int) -> bool:
    """Tell whether rows of this length are of a service of a host."""
    return FIRST_SERVICE <= length < FIRST_SERVICE + MOST_SERVICES
