"""Kinds and profiles on real devices: set-up captures, and months of flows of other homes."""

from __future__ import annotations

import csv
import gzip
import ipaddress
import os
from collections import defaultdict
from pathlib import Path

import pytest

from phage.config.settings import Settings
from phage.daemon.devicetraining import read_examples
from phage.detect.detector import Knowledge
from phage.detect.detectors.deviation import DeviationDetector
from phage.devices.entry import entry_of
from phage.devices.keyuse import DAY_NS
from phage.devices.kinds import KINDS, kind_traits
from phage.devices.order import ENOUGH_TRAINS
from phage.devices.profilebook import WEEK_NS, Book
from phage.devices.profilekeys import key_of
from phage.devices.training import Example, learn_kinds
from phage.devices.trains import Trains, has_order
from phage.devices.used import Used
from phage.devices.vendors import canonical
from phage.records import Window
from phage.records.device import Attribute
from phage.records.profile import Deviation, DeviationKind, Phase, ProfileKey, Way

HOUR_NS = 3600 * 1_000_000_000
DATA = Path(os.environ.get("PHAGE_PEER_DATA", "")) / "devices"
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif("PHAGE_PEER_DATA" not in os.environ, reason="PHAGE_PEER_DATA is not set"),
]

TWINS = {"WeMoInsightSwitch2": "WeMoInsightSwitch", "WeMoSwitch2": "WeMoSwitch"}
"""Second units of a kind."""
UNSEEN = frozenset({"Aria", "EdnetGateway", "HueSwitch", "SmarterCoffee"})
"""Kinds that are not learned here."""
MAKERS = {
    "D-L": "d-link", "Edi": "edimax", "Edn": "ednet", "Hom": "eq-3", "Hue": "philips",
    "TP-": "tp-link", "WeM": "belkin",
}  # fmt: skip


@pytest.fixture(scope="module")
def captures() -> list[Example]:
    folder = DATA / "pcap" / "iot_sentinel"
    return list(read_examples(folder, Settings(), lambda _done, _whole: None, pytest.fail))


def merged(kind: str) -> str:
    return TWINS.get(kind, kind)


def test_kinds_and_makers_are_told_by_set_up_captures(captures: list[Example]) -> None:
    known = [each for each in captures if each.kind not in UNSEEN and each.kind not in TWINS]
    learned = [each for number, each in enumerate(known) if number % 3]
    tried = [each for number, each in enumerate(known) if not number % 3]
    model = learn_kinds(learned)
    right = makers = 0
    for example in tried:
        kinds = {merged(kind) for kind in model.judge(example.device.words).kinds}
        right += merged(example.kind) in kinds
        entry = entry_of(example.device)
        entry.replace_traits(KINDS, kind_traits(model, entry.words, entry.last_seen))
        vendor = entry.guesses(entry.last_seen).get(Attribute.VENDOR)
        makers += canonical(vendor.value if vendor else "") == MAKERS[example.kind[:3]]
    assert right / len(tried) >= 0.95
    assert makers / len(tried) >= 0.98
    strangers = [each for each in captures if each.kind in UNSEEN]
    unknown = [each for each in strangers if not model.judge(each.device.words).kinds]
    assert len(unknown) / len(strangers) >= 0.8


PORTS = {
    "DNS": (17, 53), "NTP": (17, 123), "DHCP": (17, 67), "MDNS": (17, 5353), "SSDP": (17, 1900),
    "TCP": (6, 443), "UDP": (17, 10_001),
}  # fmt: skip


def key(protocol: str, host: str) -> ProfileKey:
    """Return the key of a flow of BehavIoT, which tells a name or an address and no port."""
    number, port = PORTS.get(protocol, (0, 0))
    local = "router" if protocol in {"DNS", "DHCP"} else "home"
    if "." not in host or host == "neu.edu":
        peer = f"group:{host}" if host in {"multicast", "broadcast"} else local
        return ProfileKey(Way.OUT, number, port, peer)
    try:
        private = ipaddress.ip_address(host).is_private
    except ValueError:
        return key_of(Way.OUT, number, port, "9.9.9.9", host, "")
    return key_of(Way.OUT, number, port, host, "", local if private else "")


def tells(deviation: Deviation) -> bool:
    knowledge = Knowledge(deviations=(deviation,))
    return bool(list(DeviationDetector().inspect(Window(0, 1), knowledge)))


def is_told(book: Book, new: ProfileKey) -> bool:
    same = any(other.peer == new.peer for other in book.keys if other != new)
    return tells(Deviation("d", "", "ip", "", 0, DeviationKind.NEW, new, known_peer=same))


class Live:
    """A device as it goes on: learned for a week, judged after."""

    def __init__(self, name: str, begin: int) -> None:
        self.begin = begin
        self.book = Book(name, begin)
        self.trains = Trains()
        self.trains.open(begin)
        self.odd: list[tuple[int, ProfileKey]] = []

    def take(self, at: int, said: ProfileKey) -> bool:
        """Take in what it does; tell whether it is told as new."""
        if at - self.begin >= 7 * DAY_NS:
            self.book.phase = Phase.PROPOSE
        self.settle(at)
        new = self.book.generalised(said)
        fresh = self.book.begin(new, at, trusted=True) and is_told(self.book, new)
        use = self.book.keys.get(new)
        if use is not None and use.order.begun == at:
            used = Used(self.book, "", "ip", new.way, new.protocol, new.port, "", "", at, at)
            self.trains.begin(used, new, trusted=True)
        return fresh

    def settle(self, at: int) -> None:
        """Judge what came without what always comes before."""
        for used, when, (after, share) in self.trains.take(at):
            key = used.key or after
            deviation = Deviation(
                "d", "", "ip", "", when, DeviationKind.ORDER, key, after=after, share=share
            )
            if tells(deviation):
                self.odd.append((when, key))

    def ordered(self) -> tuple[int, int]:
        """Return how many of its frequent keys have an order, and how many there are."""
        often = [use for use in self.book.keys.values() if use.order.trains > ENOUGH_TRAINS]
        return sum(has_order(use) for use in often), len(often)


def behaviot() -> dict[str, list[tuple[int, ProfileKey]]]:
    flows: defaultdict[str, list[tuple[int, ProfileKey]]] = defaultdict(list)
    for path in sorted((DATA / "behaviot").glob("*-features/*.csv.gz")):
        with gzip.open(path, "rt") as file:
            for row in csv.DictReader(file):
                host = row["hosts"].removeprefix("host: ").partition(";")[0]
                at = int(float(row["start_time"]) * 1e9)
                flows[path.name.removesuffix(".csv.gz")].append((at, key(row["protocol"], host)))
    return {name: sorted(rows, key=lambda row: row[0]) for name, rows in flows.items()}


def test_after_a_week_devices_are_quiet_and_another_s_doings_are_not() -> None:
    flows = behaviot()
    alerts, weeks, books, ordered, often = 0, 0.0, {}, 0, 0
    for name, rows in flows.items():
        begin = rows[0][0]
        live, week = Live(name, begin), Book(name, begin)
        for at, said in rows:
            if at - begin < 7 * DAY_NS:
                week.begin(week.generalised(said), at, trusted=True)
            alerts += live.take(at, said)
        live.settle(rows[-1][0] + DAY_NS)
        alerts += len({at // HOUR_NS for at, _ in live.odd})
        weeks += max(0, rows[-1][0] - begin - 7 * DAY_NS) / WEEK_NS
        books[name] = week
        ordered, often = ordered + live.ordered()[0], often + live.ordered()[1]
    assert alerts / weeks < 0.3
    # Keys of its own that would be told where they came out of the blue.
    assert ordered / often > 0.25
    told, foreign = 0, 0
    for name, book in books.items():
        for other, rows in flows.items():
            for each in {said for _, said in rows if other != name}:
                if each.peer.startswith(("name:", "net:")):
                    foreign += 1
                    new = book.generalised(each)
                    told += new not in book.keys and is_told(book, new)
    assert told / foreign >= 0.98
