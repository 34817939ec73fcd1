"""Features of a device's first flows, for the classifier: services, sizes, groups that it joins.

What a device does in its first minutes (setting up, asking for updates) is its kind's own, whether
or not it says a word that can be read.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from phage.records.address import format_address, format_mac
from phage.records.columns import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phage.records.window import Columns, Window

MAX_FLOWS = 512
"""Flows of a device that are looked at."""

YOUNG_NS = 1800 * 1_000_000_000
"""How long after it was seen first."""

_BOTH_HOME = 3
"""The `home` bits of a flow whose ends are both ours."""

_LAST_SERVICE = 10_000
"""Ports from here on are taken by chance more often than by agreement."""


def flow_words(
    window: Window, is_young: Callable[[str, int], bool]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield MAC address and features of each flow that ended, for devices that are young.

    `is_young` is asked with a MAC address and a time.
    """
    rows = window.flows
    if not len(rows):
        return
    rows = rows[(rows["event"] & Event.ENDED) != 0]
    for end, other in (("src", "dst"), ("dst", "src")):
        macs = rows[f"{end}_mac"].tolist()
        young = {mac for mac in set(macs) if mac and is_young(format_mac(mac), window.end)}
        for index, mac in enumerate(macs):
            if mac in young:
                yield format_mac(mac), tuple(_words(rows[index], end == "src", other))


def _words(row: Columns, sends: bool, other: str) -> Iterator[str]:  # noqa: FBT001  Which end.
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    port = int(values["dst_port"])
    peer = format_address(bytes(row[other]))
    group = int(row[f"{other}_mac"]) >> 40 & 1
    role = "group" if group else "lan" if int(values["home"]) == _BOTH_HOME else "far"
    way = "out" if sends else "in"
    service = port if port < _LAST_SERVICE else "high"
    key = f"{way}/{int(values['protocol'])}/{service}/{role}"
    mine = 0 if sends else 1
    packets, payload = int(values["packets"][mine]), int(values["payload"][mine])
    yield f"flow:{key}"
    yield f"flow-packets:{key}/{int(math.log2(packets + 1))}"
    if payload:
        yield f"flow-size:{key}/{int(2 * math.log2(payload / max(1, packets) + 1))}"
    if group and peer.startswith(_GROUPS):
        yield f"group:{peer}/{port}"


_GROUPS = ("22", "23", "ff")
"""How multicast addresses begin (224.0.0.0/4, ff00::/8); no unicast address of a home does."""

_FIELDS = ("dst_port", "protocol", "home", "packets", "payload")
