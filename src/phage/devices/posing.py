"""Who poses as somebody far: a frame with a far address that no router sent.

What comes from the internet comes by a router. A neighbour that sends packets with the address of
a device's cloud is believed by the device, and by whoever looks at addresses only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.frozen import frozen
from phage.records.address import parse_mac
from phage.records.columns import Event, HostMark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.devices.inventory import Inventory
    from phage.records.window import Columns, Window

MOST = 16
"""Flows of a window that are looked at: whoever poses is told once."""

MAX_MARKED = 256
"""MAC addresses that carry many addresses: they may be routers that are not believed yet."""

_GROUP = 1 << 40


@frozen
class Posed:
    """Packets to a device from a neighbour with an address of somebody far, as rows have them."""

    mac: int
    address: bytes
    poser: int
    peer: bytes
    protocol: int
    start: int


class Posers:
    """Finds packets that a neighbour sent with a far address.

    Fails where no router is known, and against who sends from the router's own MAC address.

    Args:
        inventory: Knows the routers.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._marked: dict[int, None] = {}

    def take(self, window: Window) -> Iterator[Posed]:
        """Yield who sent with whose address, to which device at home."""
        self._mark(window.hosts)
        flows = window.flows
        if not self._inventory.routers or not len(flows):
            return
        known = [*map(parse_mac, self._inventory.routers), *self._marked]
        routers = np.array(known, dtype=np.uint64)
        began = ((flows["event"] & Event.STARTED) != 0) & (flows["protocol"] != 0)
        for place, (mine, far) in enumerate((("src", "dst"), ("dst", "src"))):
            mac = flows[f"{far}_mac"]
            posed = (
                began
                & (flows["home"] == 1 << place)  # That end, and not the other.
                & (flows["packets"][:, 1 - place] > 0)
                & (mac != 0)
                & ((mac & _GROUP) == 0)
            )
            if posed.any():
                posed &= ~np.isin(mac, routers)
                names = (f"{mine}_mac", mine, f"{far}_mac", far, "protocol", "start")
                for row in flows[posed][:MOST]:
                    yield Posed(*(row[name].item() for name in names))

    def _mark(self, hosts: Columns) -> None:
        for mac in hosts["mac"][(hosts["marks"] & HostMark.ROUTER) != 0].tolist():
            self._marked[mac] = None
            if len(self._marked) > MAX_MARKED:
                del self._marked[next(iter(self._marked))]
