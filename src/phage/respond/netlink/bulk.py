"""Many elements at once: requests built by NumPy, a few thousand elements to a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from phage.respond.netlink.messages import MAX_ATTRIBUTE
from phage.respond.netlink.tables import element

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from phage.respond.netlink.messages import Request
    from phage.respond.netlink.tables import Table


def octets(version: int, keys: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return a row of octets in network order for each key, a number of 32 bits or octets."""
    if version == 4:
        return keys.astype(">u4").view(np.uint8).reshape(-1, 4)
    return np.ascontiguousarray(keys).view(np.uint8).reshape(-1, 16)


def elements(keys: npt.NDArray[np.uint8]) -> Iterator[bytes]:
    """Encode keys without timeouts, in runs that fit in one message each.

    `keys` has a row for each key, in network order.
    """
    count, octets = keys.shape
    template = np.frombuffer(element(bytes(octets)), dtype=np.uint8)
    at = len(template) - (octets + 3 & ~3)
    run = (MAX_ATTRIBUTE - 4) // len(template)
    for start in range(0, count, run):
        part = keys[start : start + run]
        rows = np.empty((len(part), len(template)), dtype=np.uint8)
        rows[:] = template
        rows[:, at : at + octets] = part
        yield rows.tobytes()


def additions(table: Table, name: str, keys: npt.NDArray[np.uint8]) -> list[Request]:
    """Return requests that add keys to a set."""
    return [table.add_elements(name, run) for run in elements(keys)]


def deletions(table: Table, name: str, keys: npt.NDArray[np.uint8]) -> list[Request]:
    """Return requests that remove keys from a set, all of which must be there."""
    return [table.delete_elements(name, run) for run in elements(keys)]
