"""The inventory: every device on our network, whatever addresses it has today.

Windows say who is here (rows of hosts) and what they say (observations, which identifiers read).
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from phage.devices.edit import Edits
from phage.devices.entry import Entry, Span
from phage.devices.firmware import KNOWN_NS, renewal
from phage.devices.flowwords import MAX_FLOWS, YOUNG_NS, flow_words
from phage.devices.identifier import NoReference
from phage.devices.identity import Turns, best_join, join_of
from phage.devices.kinds import KINDS, kind_traits
from phage.devices.table import MAX_DEVICES, DeviceTable
from phage.records.address import format_address, format_mac
from phage.records.columns import HostMark
from phage.records.observation import Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from phage.devices.identifier import Identifier, Reference
    from phage.devices.kinds import KindModel
    from phage.devices.table import Changes
    from phage.plugin import Runner
    from phage.records.device import Device, Reading
    from phage.records.window import Window

REPEAT_NS = 3600 * 1_000_000_000
"""The same message of the same device is read again after an hour: its traits are seen anew."""

MAX_RECENT = 16_384
"""Messages that are known to have been read, and addresses of which it is known whose they are."""

LOOK_NS = 10 * 1_000_000_000
"""How often it is looked who has gone."""

NO_MACS = frozenset({"", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"})


class Inventory:
    """Devices in memory. Windows come from one thread; others read and edit under the table's lock.

    Args:
        identifiers: The identifiers, each in its runner.
        home: Networks that are ours, as CIDR text.
        reference: Reference data that people imported.
        most: Devices at most.

    Attributes:
        edit: What a person may change.
        routers: MAC addresses of routers: others stand behind them.
        kinds: What kinds look like, as learned from examples; None where nobody learned.
    """

    def __init__(
        self,
        identifiers: Sequence[Runner[Identifier]] = (),
        home: Iterable[str] = (),
        reference: Reference | None = None,
        most: int = MAX_DEVICES,
    ) -> None:
        self.table = DeviceTable(most)
        self.edit = Edits(self.table)
        self.reference: Reference = reference or NoReference()
        self.routers: frozenset[str] = frozenset()
        self.kinds: KindModel | None = None
        self._home = [ipaddress.ip_network(network) for network in home]
        self._is_home: OrderedDict[str, bool] = OrderedDict()
        self._read: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._readers: dict[str, list[tuple[Runner[Identifier], tuple[str, ...]]]] = {}
        for runner in identifiers:
            for kind, fields in runner.plugin.reads.items():
                self._readers.setdefault(kind, []).append((runner, fields))
        self._quick: dict[tuple[int, bytes, bool], tuple[Entry, tuple[Span, ...]]] = {}
        self._quick_generation = -1
        self._quick_routers = self.routers
        self._look_at = 0
        self._turns = Turns()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def dropped(self) -> int:
        """How much did not fit, of devices, marks and events."""
        return self.table.dropped

    def devices(self) -> list[Device]:
        """Return all devices, the one seen last first."""
        with self.table.lock:
            records = [entry.record() for entry in self.table.entries()]
        return sorted(records, key=lambda device: (-device.last_seen, device.id))

    def of(self, mac: str = "", ip: str = "") -> Device | None:
        """Return the device with a MAC address, else the one that had an IP address last."""
        with self.table.lock:
            entry = self.table.with_mac(mac) or self.table.with_address(ip)
            return entry.record() if entry is not None else None

    def names(self) -> Mapping[str, str]:
        """Return what people call devices, by MAC address and by id."""
        with self.table.lock:
            return {
                address: entry.name
                for entry in self.table.entries()
                if entry.name
                for address in (entry.id, *entry.macs)
            }

    def load(self, devices: Iterable[Device]) -> None:
        """Take up what was stored."""
        self.table.load(devices)

    def take_changes(self) -> Changes:
        """Return what is to be stored since the last call."""
        return self.table.take_changes()

    def keep_changes(self, changes: Changes) -> None:
        """Take back changes that could not be stored."""
        self.table.keep_changes(changes)

    def use_reference(self, reference: Reference) -> None:
        """Use other reference data: what was read is read again."""
        with self.table.lock:
            self.reference = reference
            for mac in [mac for entry in self.table.entries() for mac in entry.macs]:
                self._read_mac(mac)

    def take(self, window: Window) -> None:
        """Take in a window: who is here, and what they said."""
        with self.table.lock:
            self.table.now = max(self.table.now, window.end)
            self._take_hosts(window)
            for observation in window.observations:
                if observation.kind in self._readers:
                    self._observe(observation, again=False)
            self._take_flows(window)
            self.look(window.end)

    def observe(self, observation: Observation) -> None:
        """Take in one observation: of an active scan, the kernel, a file."""
        with self.table.lock:
            self.table.now = max(self.table.now, observation.time)
            if observation.kind in self._readers:
                self._observe(observation, again=True)

    def look(self, now: int) -> None:
        """Find out who has gone, every few seconds."""
        if 0 <= self._look_at - now <= LOOK_NS:
            return
        self._look_at = now + LOOK_NS
        for entry in self.table.entries():
            if entry.present and now - entry.last_seen > entry.away_after:
                entry.present = False
                self.table.mark_changed(entry)
                self.table.tell(entry.id, now, "away")

    def is_home(self, ip: str) -> bool:
        """Tell whether an address is one of ours."""
        known = self._is_home.get(ip)
        if known is None:
            known = False
            with suppress(ValueError):
                address = ipaddress.ip_address(ip)
                known = any(
                    address in each for each in self._home if each.version == address.version
                )
            self._is_home[ip] = known
            if len(self._is_home) > MAX_RECENT:
                self._is_home.popitem(last=False)
        return known

    def _take_hosts(self, window: Window) -> None:
        if self._quick_routers != self.routers:
            self._quick.clear()
            self._quick_routers = self.routers
        hosts = window.hosts
        devices = np.flatnonzero(hosts["marks"] & HostMark.DEVICE)
        names = ("mac", "address", "last", "vlan", "marks")
        columns = [hosts[name][devices].tolist() for name in names]
        sums = [hosts[name][devices].sum(axis=1).tolist() for name in ("packets", "octets")]
        for number, address, last, vlan, marks, packets, octets in zip(
            *columns, *sums, strict=True
        ):
            entry = self._row_entry(number, address, last, routes=bool(marks & HostMark.ROUTER))
            if entry is not None:
                entry.touch(last, packets, octets)
                entry.vlan = vlan or entry.vlan
                self._came(entry, last)
                self.table.mark_seen(entry)

    def _take_flows(self, window: Window) -> None:
        for mac, words in flow_words(window, self._is_young):
            entry = self.table.with_mac(mac)
            if entry is not None:
                entry.flows_read += 1
                if entry.take_words(words):
                    self.table.mark_changed(entry)

    def _is_young(self, mac: str, now: int) -> bool:
        entry = self.table.with_mac(mac)
        return (
            entry is not None
            and mac not in self.routers
            and entry.flows_read < MAX_FLOWS
            and now - entry.first_seen <= YOUNG_NS
        )

    def judge_kinds(self) -> None:
        """Judge anew what devices look like that said or did something new."""
        model = self.kinds
        if model is None:
            return
        with self.table.lock:
            waiting = [each for each in self.table.entries() if each.judged != len(each.words)]
        for entry in waiting:
            traits = kind_traits(model, tuple(entry.words), self.table.now)
            with self.table.lock:
                entry.judged = len(entry.words)
                if entry.replace_traits(KINDS, traits):
                    self.table.mark_changed(entry)

    def _row_entry(self, number: int, address: bytes, at: int, *, routes: bool) -> Entry | None:
        """Return the device of a row of hosts; what was found is kept while nothing changes."""
        if self._quick_generation != self.table.generation:
            self._quick.clear()
            self._quick_generation = self.table.generation
        known = self._quick.get((number, address, routes))
        if known is not None:
            entry, spans = known
            for span in spans:
                span.last = max(span.last, at)
            return entry
        mac, ip = format_mac(number), format_address(address)
        if mac and (routes or mac in self.routers):
            ip = ""  # Others stand behind it: their addresses are not its own.
        found = self._entry(mac, ip, at)
        if found is not None and len(found.macs) == 1 and len(self._quick) < MAX_RECENT:
            spans = tuple(
                table[value]
                for table, value in ((found.macs, mac), (found.addresses, ip))
                if value in table
            )
            self._quick[number, address, routes] = found, spans
        return found

    def _observe(self, observation: Observation, *, again: bool) -> None:
        for runner, fields in self._readers[observation.kind]:
            if not again and self._was_read(runner.name, observation, fields):
                continue
            for reading in runner.call(runner.plugin.read, observation, self.reference):
                self._take_reading(reading, observation)

    def _was_read(self, name: str, observation: Observation, fields: tuple[str, ...]) -> bool:
        said = observation.fields
        values = tuple(said.get(each) for each in fields)
        key = (name, observation.kind, observation.src_mac, observation.src, values)
        at = self._read.get(key)
        if at is not None and 0 <= observation.time - at < REPEAT_NS:
            return True
        self._read[key] = observation.time
        self._read.move_to_end(key)
        if len(self._read) > MAX_RECENT:
            self._read.popitem(last=False)
        return False

    def _take_reading(self, reading: Reading, observation: Observation) -> None:
        at = observation.time
        mac = "" if reading.mac in NO_MACS else reading.mac
        ip = reading.ip if self.is_home(reading.ip) else ""
        if reading.ip and not ip and not reading.bound and not _is_unset(reading.ip):
            return  # A stranger, whose packets come from a router's MAC address.
        if mac in self.routers and ip and not reading.bound:
            mac = "" if self.table.with_address(ip) is not self.table.with_mac(mac) else mac
        entry = self._entry(mac, ip, at)
        if entry is None:
            return
        entry.vlan = observation.vlan or entry.vlan
        if reading.alive:
            entry.touch(at)
            self._came(entry, at)
        if at - entry.first_seen > KNOWN_NS and (
            versions := renewal(entry.traits.values(), reading.traits)
        ):
            entry.renewed = at
            self.table.tell(entry.id, at, "renewed", versions)
        news = entry.take_traits(reading.traits)
        news = entry.take_words(reading.words) or news
        marks = entry.take_marks(reading.marks, at)
        for mark in marks:
            self.table.own(mark, entry)
        if news or marks:
            self.table.mark_changed(entry)
        if marks:
            self._try_join(entry, at)

    def _entry(self, mac: str, ip: str, at: int) -> Entry | None:
        """Return the device with these addresses, made where there is none."""
        ip = ip if _is_unicast(ip) else ""
        mac = "" if _is_group(mac) else mac
        if not (mac or ip):
            return None
        entry = self.table.with_mac(mac) if mac else self.table.with_address(ip)
        if entry is None and mac and ip:  # It may have been known by its address alone.
            known = self.table.with_address(ip)
            entry = known if known is not None and not known.macs else None
        if entry is None:
            entry = self.table.add(Entry(mac or ip, first_seen=at, last_seen=at))
            self._came(entry, at, new=True)
        if mac:
            entry = self._bind_mac(entry, mac, at)
        if ip:
            self._bind_ip(entry, ip, at)
        return entry

    def _bind_mac(self, entry: Entry, mac: str, at: int) -> Entry:
        new = mac not in entry.macs
        entry.see_mac(mac, at)
        if new:
            self.table.mark_changed(entry)
            self.table.bind_mac(entry, mac)
            self._read_mac(mac)
        if len(entry.macs) > 1 and (other := self._turns.conflict(entry, mac, at)):
            self.table.part(entry, other, "both were seen at one time")
            return self.table.with_mac(mac) or entry
        return entry

    def _read_mac(self, mac: str) -> None:
        """Have identifiers read a MAC address by itself."""
        for runner, _ in self._readers.get("address", ()):
            observation = Observation(
                "address", self.table.now, 0, "", "", 0, 0, mac, "", 0, 0, 0, 0, {}
            )
            for reading in runner.call(runner.plugin.read, observation, self.reference):
                self._take_reading(reading, observation)

    def _bind_ip(self, entry: Entry, ip: str, at: int) -> None:
        new = entry.see_address(ip, at)
        if self.table.with_address(ip) is not entry:
            self.table.bind_address(entry, ip)
            self.table.mark_changed(entry)
        if new and len(entry.addresses) > 1:
            self.table.tell(entry.id, at, "address", ip)

    def _try_join(self, entry: Entry, at: int) -> None:
        """Join a device to the one that it was under another address, where that is sure."""
        if len(entry.macs) != 1 or entry.name or entry.given:
            return
        ids = {id_ for mark in entry.marks for id_ in self.table.owners(mark)} - {entry.id}
        others = [other for id_ in ids if (other := self.table.get(id_)) is not None]
        candidate = best_join(entry, others, self.table.owners)
        if candidate is None:
            return
        mac, known = next(iter(entry.macs)), candidate.entry
        self.table.merge(known, entry)
        known.joins[mac] = join_of(candidate, mac, at)
        detail = f"{mac} is held to be this device ({candidate.confidence:.0%}): {candidate.why}"
        self.table.tell(known.id, at, "joined", detail)

    def _came(self, entry: Entry, at: int, *, new: bool = False) -> None:
        if not entry.present:
            entry.present = True
            self.table.mark_changed(entry)
            self.table.tell(entry.id, at, "new" if new else "back")


def _is_group(mac: str) -> bool:
    """Tell whether a MAC address is a group's: multicast, broadcast (IEEE 802, 8.2)."""
    return mac[1:2] in "13579bdf" if mac else False


def _is_unset(ip: str) -> bool:
    return ip in {"", "::", "0.0.0.0"}  # noqa: S104  Seen in messages; nothing is bound to it.


def _is_unicast(ip: str) -> bool:
    if _is_unset(ip) or ip.endswith(".255"):
        return False
    return not (ip.startswith(("ff", "22", "23")) and ipaddress.ip_address(ip).is_multicast)
