"""Meaning: which unusual values of which features speak of an attack, and how to say so.

A score says that a packet is unlikely, not that it is bad. A device that falls quiet, a packet of
another length or the first lookup in a month are unlikely and harmless. Only what is listed here
counts, and only above the device's normal range: nothing is attacked by too little.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from phage.detect import explain
from phage.frozen import frozen
from phage.records.address import format_address
from phage.records.columns import NO_FEATURE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.detect.detector import CatalogEntry
    from phage.detect.rows import Score


@frozen
class Meaning:
    """What a value above the normal range says.

    Attributes:
        least: What says nothing on any network, in the feature's unit: added to value and range
            before they are compared, so that three peers are not infinitely more than none.
        words: The sentence's part, with `{value}` and `{normal}`.
        unit: How numbers are written: "octets", "share", "number".
        weight: Part of the excess that counts.
    """

    least: float
    words: str
    unit: str = "number"
    weight: float = 1.0


# An inbound volume is half as bad: whoever downloads has asked for it.
_INBOUND = 0.5

AMOUNTS = {
    "packets_out_rate": Meaning(5.0, "sends {value} packets/s"),
    "packets_in_rate": Meaning(5.0, "receives {value} packets/s", weight=_INBOUND),
    "octets_out_rate": Meaning(2000.0, "sends {value}/s", "octets"),
    "octets_in_rate": Meaning(2000.0, "receives {value}/s", "octets", _INBOUND),
    "flows_out_rate": Meaning(0.5, "begins {value} flows/s"),
    "flows_in_rate": Meaning(0.5, "is sent {value} new flows/s"),
    "peers_out": Meaning(3.0, "contacts {value} peers a minute"),
    "endpoints_out": Meaning(3.0, "contacts {value} services a minute"),
    "peers_in": Meaning(3.0, "is contacted by {value} peers a minute"),
    "ports_in": Meaning(3.0, "is contacted at {value} of its ports a minute"),
    "new_peers": Meaning(3.0, "contacts {value} peers a minute that it never met"),
    "unanswered_out": Meaning(3.0, "begins {value} connections that nobody answers"),
    "unanswered_in": Meaning(3.0, "leaves {value} connections to it unanswered"),
    "resets_in_rate": Meaning(0.5, "is refused by {value} resets/s"),
    "resets_out_rate": Meaning(0.5, "refuses with {value} resets/s"),
    "unreachable_in_rate": Meaning(0.5, "receives {value} ICMP errors/s"),
    # One a second is what every `ping` sends.
    "echo_out_rate": Meaning(2.0, "sends {value} echo requests/s"),
    "odd_rate": Meaning(0.5, "sees {value} fragments or impossible TCP flags/s"),
    "arp_out_rate": Meaning(0.5, "sends {value} ARP requests/s"),
    "arp_targets": Meaning(3.0, "asks for {value} addresses a minute by ARP"),
    "arp_mismatches": Meaning(0.5, "claims addresses of others in {value} ARP packets a minute"),
    "dns_rate": Meaning(0.5, "asks {value} DNS questions/s"),
}
"""Features that count by how many times the normal range they reach."""

# Named where another feature speaks as well: failures alone are an outage.
FAILURES = {
    "failed_share": "fails in {value} of its connections",
    "dns_failed_share": "asks for names of which {value} do not exist",
}

_RECEIVED = frozenset({"octets_in_rate", "packets_in_rate"})
_DOWNLOAD = _RECEIVED | {"octets_out_rate", "packets_out_rate"}
# An acknowledgement of 54 to 66 octets answers one or two segments of 1,500.
_ACKNOWLEDGED = 16.0
_CARRIERS = frozenset({6, 17, 132})
SERVICE = "service_novelty"
PEER = "peer_novelty"
# A novelty counts from here on above its range: it has less than one and a half half-lives of it
# behind it.
_NOVEL = 0.3
# An excess counts from twice the normal range on ...
_LEAST_EXCESS = 1.0
# ... to 64 times: beyond, more of the same says nothing new.
_MOST_EXCESS = 6.0
# A stranger's first contact by a new service may say more than any amount.
_MOST_SIZE = 8.0


class Reading(NamedTuple):
    """What a row's unusual features mean.

    Attributes:
        size: How far it is from normal: 0 for nothing that means something, 1 for twice the range,
            8 at most.
        order: Places of the features that mean something, most telling first.
        first_contact: Whether it is the first contact with a peer by a service new to the device.
        inbound: Whether what it receives is all there is.
    """

    size: float
    order: tuple[int, ...]
    first_contact: bool
    inbound: bool


_NOTHING = Reading(0.0, (), first_contact=False, inbound=False)


def read(row: Score, catalog: tuple[CatalogEntry, ...], *, stranger: bool = False) -> Reading:
    """Read what a row's features mean; `stranger`: the peer is itself new to the network.

    A device without a profile of its own is new in everything that it does: for it, novelty says
    nothing.
    """
    found: list[tuple[float, int]] = []
    novelty = {SERVICE: 0.0, PEER: 0.0}
    amounts: dict[str, float] = {}
    values: dict[str, float] = {}
    for place, index in enumerate(row.features):
        if index == NO_FEATURE or index >= len(catalog):
            continue
        name = catalog[index].name
        size = _excess(name, row.values[place], row.high[place])
        if size <= 0.0 or (name in novelty and not row.mature):
            continue
        found.append((size, place))
        if name in novelty:
            novelty[name] = size / 2.0
        elif name in AMOUNTS:
            amounts[name] = size
            values[name] = row.values[place]
    new, both = _news(novelty[SERVICE], novelty[PEER], row.protocol, stranger=stranger)
    inbound = not new and amounts.keys() <= _DOWNLOAD and _is_download(values)
    if inbound:
        # What it sends are acknowledgements.
        amounts = {name: size for name, size in amounts.items() if name in _RECEIVED}
        found = [(size, place) for size, place in found if _name(row, catalog, place) in amounts]
    most = max(amounts.values(), default=0.0)
    if not most and not new:
        return _NOTHING
    size = min(most, _MOST_EXCESS) + 2.0 * new + (8.0 if stranger else 4.0) * both
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    return Reading(min(size, _MOST_SIZE), tuple(place for _, place in found), both > 0.0, inbound)


def _excess(name: str, value: float, high: float) -> float:
    """Return how far a value is above its range; 0 where that means nothing."""
    if not (math.isfinite(value) and math.isfinite(high)) or value <= high:
        return 0.0
    amount = AMOUNTS.get(name)
    if amount is not None:
        ratio = (value + amount.least) / (max(high, 0.0) + amount.least)
        size = math.log2(ratio) * amount.weight
        return size if size >= _LEAST_EXCESS else 0.0
    if value - high <= _NOVEL:
        return 0.0
    if name in FAILURES:
        return value - high
    return 2.0 * (value - high) if name in {SERVICE, PEER} else 0.0


def _is_download(values: Mapping[str, float]) -> bool:
    received = values.get("octets_in_rate", 0.0)
    return received > 0.0 and received >= _ACKNOWLEDGED * values.get("octets_out_rate", 0.0)


def _news(service: float, peer: float, protocol: int, *, stranger: bool) -> tuple[float, float]:
    """Return how new a row's service and peer are, and how new they are together."""
    if protocol not in _CARRIERS:
        # An echo request or ARP carries nothing: a first one says little.
        return max(service, peer) / 2.0, 0.0
    return service + peer, peer if stranger else min(service, peer)


def _name(row: Score, catalog: tuple[CatalogEntry, ...], place: int) -> str:
    return catalog[row.features[place]].name


def phrases(row: Score, catalog: tuple[CatalogEntry, ...], reading: Reading) -> list[str]:
    """Return what the features say, at most two parts of a sentence, most telling first."""
    words: list[str] = []
    new = {SERVICE, PEER}
    for place in reading.order:
        name = _name(row, catalog, place)
        if name in new:
            if reading.first_contact:
                new = set()
                words.append(f"has its first contact with {_peer(row)} by {_service(row)}")
            elif name == SERVICE:
                words.append(f"takes part in {_service(row)}, which is new to it")
            else:
                words.append(f"has its first contact with {_peer(row)}")
        elif name in AMOUNTS:
            words.append(_amount(AMOUNTS[name], row.values[place], row.high[place]))
        elif name in FAILURES:
            words.append(_share(FAILURES[name], row.values[place], row.high[place]))
    return list(dict.fromkeys(words))[:2]


def _amount(meaning: Meaning, value: float, high: float) -> str:
    high = max(high, 0.0)
    if meaning.unit == "octets":
        normal = f"{explain.octets(high)}/s"
        return f"{meaning.words.format(value=explain.octets(value))} (normal up to {normal})"
    shown = explain.number(value if value < 10 else round(value))
    return f"{meaning.words.format(value=shown)} (normal up to {explain.number(_short(high))})"


def _short(value: float) -> float:
    return round(value, 1) if value < 10 else round(value)


def _share(words: str, value: float, high: float) -> str:
    normal = f"{100 * max(high, 0.0):.0f} %"
    return f"{words.format(value=f'{100 * value:.0f} %')} (normal up to {normal})"


def _peer(row: Score) -> str:
    own = row.src == row.device_address or (row.device_mac and row.src_mac == row.device_mac)
    return format_address(row.dst if own else row.src) or "a host without an address"


def _service(row: Score) -> str:
    if row.protocol not in _CARRIERS:
        return explain.service(row.protocol)
    # Which side is the service is not in a row; the lower port nearly always is.
    ports = [port for port in (row.src_port, row.dst_port) if port]
    return explain.service(row.protocol, min(ports, default=0))
