"""One scan from beginning to end: who is there, what is open, who that is."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from phage.devices.discovery.banners import Banners
from phage.devices.discovery.credentials import Credentials
from phage.devices.discovery.mdns import MdnsBrowse
from phage.devices.discovery.pace import Pace
from phage.devices.discovery.ports import PortScan, parse_ports, ranges
from phage.devices.discovery.rtnetlink import gateways
from phage.devices.discovery.sweep import Sweep
from phage.devices.discovery.targets import addresses_of, default_targets, parse_targets, wires
from phage.devices.discovery.udp import UdpScan, arp_table
from phage.devices.discovery.upnp import UpnpSearch
from phage.errors import PhageError
from phage.records.observation import Observation
from phage.records.scan import ScanHost, ScanState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from phage.clock import Clock
    from phage.devices.discovery.rtnetlink import OwnAddress
    from phage.devices.discovery.targets import Network, Wire
    from phage.records.scan import Scan, ScanOptions, Service, Value

_log = logging.getLogger(__name__)

GENTLE_ARP = 200.0
"""Questions a second on a wire: every host hears each of them."""

GENTLE_PORTS_EACH = 50.0
"""Ports a second of one host; cheap devices fall over at a few hundred."""

GENTLE_PORTS_ALL = 20_000.0
"""Ports a second of all hosts together: a home router follows each as a connection."""

FAST_ANSWER_SECONDS = 0.2

MAX_HOSTS = 8192
"""Hosts whose ports are asked in one scan."""

MAX_TABLES = 16
"""Routers and switches whose ARP tables are read."""

PING_PORTS = (22, 80, 443, 445, 8080, 62078)
"""Asked of hosts behind routers, which may be silent to pings."""

MAX_PINGED = 256

Told = dict[str, dict[str, dict[str, "Value"]]]
"""What hosts say of themselves: fields by address and kind of observation."""


@dataclass
class Discovery:
    """Makes one scan. Runs in a thread of its own; needs CAP_NET_RAW.

    Attributes:
        options: What is asked for.
        home: Networks that are ours.
        clock: Tells the time.
        stop: Set to give up; what was found until then is returned.
        progress: Told how much of 1,000 is done, and what goes on.
        notes: What could not be done, for people.
    """

    options: ScanOptions
    home: Sequence[Network]
    clock: Clock
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[int, str], None] = lambda _done, _what: None
    notes: list[str] = field(default_factory=list)
    _paces: list[Pace] = field(default_factory=list)
    _tables: dict[str, str] = field(default_factory=dict)

    def run(self, scan: Scan) -> Scan:
        """Return the scan with what was found. Raises PhageError, OSError."""
        here = wires()
        ports = parse_ports(self.options.ports)
        targets = (
            parse_targets(self.options.targets, here, self.home)
            if self.options.targets
            else default_targets(here, self.home)
        )
        scan = replace(
            scan, targets=tuple(map(str, targets)), started=self.clock.now(), covered=ranges(ports)
        )
        browse, search = MdnsBrowse(), UpnpSearch(self._pace(0))
        aside = threading.Thread(target=self._browse, args=(browse, search, here), daemon=True)
        wide = any(network.num_addresses > 1 for network in targets)
        if self.options.browse and wide:
            aside.start()
        sweep = self._sweep(here, targets)
        if self.options.browse and wide:
            aside.join()
            self._join(sweep, browse, search, here, targets)
        scopes = self._scopes(sweep, here)
        hosts = [(address, scopes.get(address, 0)) for address in sweep.found]
        if self.options.outside:
            hosts += self._outside(search, here, sweep)
        asked = hosts[:MAX_HOSTS]
        udp = UdpScan(self._pace(GENTLE_ARP * 10), self.options.community)
        beside = threading.Thread(target=self._udp, args=(udp, asked), daemon=True)
        beside.start()
        tcp = self._ports(asked, ports)
        services = self._services(asked, tcp[0].open | tcp[1].open)
        beside.join()
        told = self._facts(search, udp, browse)
        self.try_credentials(services, told)
        found = [
            _host(address, sweep, services.get(address, []), udp, browse, search, told)
            for address, _ in hosts
        ]
        found += self._behind(sweep) if wide else ()
        self.progress(1000, "done")
        return replace(
            scan,
            state=ScanState.STOPPED if self.stop.is_set() else ScanState.DONE,
            ended=self.clock.now(),
            hosts=tuple(sorted(found, key=_order)),
            sent=sum(pace.sent for pace in self._paces),
            dropped={
                name: count
                for name, count in (
                    ("hosts", sweep.dropped),
                    ("hosts_not_asked", len(hosts) - len(asked)),
                    ("ports", tcp[0].dropped + tcp[1].dropped),
                    ("browse", browse.dropped + search.refused),
                    ("refused", sum(pace.refused for pace in self._paces)),
                )
                if count
            },
        )

    # --- Steps ------------------------------------------------------------------------------------

    def _pace(self, gentle: float) -> Pace:
        made = Pace(self.clock, 0.0 if self.options.fast else gentle, self.stop)
        self._paces.append(made)
        return made

    def _sweep(self, here: Sequence[Wire], targets: Sequence[Network]) -> Sweep:
        self.progress(0, "looking for hosts")
        sweep = Sweep(self._pace(GENTLE_ARP))
        if self.options.fast:
            sweep.answer_seconds = FAST_ANSWER_SECONDS
        for wire in here:
            for own in wire.addresses:
                if any(_reaches(own, wire, network) for network in targets):
                    sweep.note(str(own.address), "self", wire.link.mac.hex(":"), wire.name)
        for at, wire in enumerate(here):
            on_wire = [each for each in targets if _on(wire, each)]
            if on_wire and not self.stop.is_set():
                sweep.arp(wire, on_wire)
                sweep.neighbours6(wire, on_wire)
            self.progress(250 * (at + 1) // max(1, len(here)), "looking for hosts")
        self._remote(sweep, here, targets)
        return sweep

    def _remote(self, sweep: Sweep, here: Sequence[Wire], targets: Sequence[Network]) -> None:
        """Ask hosts behind routers: they answer to pings, or to a SYN."""
        far = [each for each in targets if not any(_on(wire, each) for wire in here)]
        for network in far:
            if self.stop.is_set():
                return
            asked = [str(address) for address in addresses_of(network)]
            family = socket.AF_INET if network.version == 4 else socket.AF_INET6
            sweep.echo(family, asked)
            silent = [(each, 0) for each in asked if each not in sweep.found][:MAX_PINGED]
            ping = PortScan(self._pace(GENTLE_ARP))
            ping.run(silent, PING_PORTS)
            for address in {*ping.open, *ping.closed}:
                sweep.note(address, "tcp")

    def _browse(self, browse: MdnsBrowse, search: UpnpSearch, here: Sequence[Wire]) -> None:
        """Ask by mDNS and SSDP, beside the sweep; what fails is a note."""
        own = [str(each.address) for wire in here for each in wire.addresses
               if each.address.version == 4]  # fmt: skip
        ask: list[tuple[str, Callable[[], None]]] = [
            ("mDNS", partial(browse.run, own, self.stop, self.clock)),
            ("SSDP", partial(search.run, list(here))),
        ]
        threads = [threading.Thread(target=self._guarded, args=each, daemon=True) for each in ask]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _guarded(self, what: str, run: Callable[[], None]) -> None:
        try:
            run()
        except (PhageError, OSError) as error:
            self.notes.append(f"{what}: {error}")
        except Exception as error:  # noqa: BLE001  zeroconf raises what it likes.
            self.notes.append(f"{what}: {type(error).__name__}: {error}")
            _log.warning("scan: %s failed", what, exc_info=error)

    def _join(
        self,
        sweep: Sweep,
        browse: MdnsBrowse,
        search: UpnpSearch,
        here: Sequence[Wire],
        targets: Sequence[Network],
    ) -> None:
        """Add hosts that were met by browsing, where they are among those that are scanned."""
        for way, addresses in (("mdns", browse.services), ("ssdp", search.servers)):
            for address in addresses:
                with suppress(ValueError):
                    if address in sweep.found or _among(address, here, targets):
                        sweep.note(address, way)

    def _scopes(self, sweep: Sweep, here: Sequence[Wire]) -> dict[str, int]:
        """Return the number of the link of each address that is of one link only."""
        numbers = {wire.name: wire.link.number for wire in here}
        return {
            address: numbers.get(known.interface, 0)
            for address, known in sweep.found.items()
            if address.startswith("fe80")
        }

    def _outside(
        self, search: UpnpSearch, here: Sequence[Wire], sweep: Sweep
    ) -> list[tuple[str, int]]:
        """Return our addresses on the internet: a router tells them, or this machine is it."""
        routers: set[str] = set()
        found: dict[str, None] = {
            str(own.address): None
            for wire in here
            for own in wire.addresses
            if own.address.is_global
        }
        # Anything on the wire may call itself a router and name a stranger's address.
        with suppress(OSError):
            routers = {str(each) for each in gateways()}
        for router, address in search.outside.items():
            with suppress(ValueError):
                if ipaddress.ip_address(address).is_global and router in routers:
                    found[address] = None
        if not found:
            self.notes.append("outside: no router told its address on the other side (UPnP)")
        for address in found:
            sweep.note(address, "outside")
        return [(address, 0) for address in found]

    def _ports(
        self, hosts: Sequence[tuple[str, int]], ports: Sequence[int]
    ) -> tuple[PortScan, PortScan]:
        """Ask ports, of both families at once."""
        scans, threads = [], []
        for is_six in (False, True):
            mine = [each for each in hosts if (":" in each[0]) == is_six]
            rate = min(GENTLE_PORTS_ALL, GENTLE_PORTS_EACH * max(1, len(mine)))
            scan = PortScan(
                self._pace(rate), progress=partial(self._part, 250, 500, "looking for open ports")
            )
            if self.options.fast:
                scan.answer_seconds = FAST_ANSWER_SECONDS
            scans.append(scan)
            run = partial(scan.run, mine, () if self.stop.is_set() else ports)
            threads.append(threading.Thread(target=self._guarded, args=("TCP", run), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()
        return scans[0], scans[1]

    def _part(self, start: int, share: int, what: str, done: int, whole: int) -> None:
        self.progress(start + share * done // max(1, whole), what)

    def _services(
        self, hosts: Sequence[tuple[str, int]], open_ports: Mapping[str, set[int]]
    ) -> dict[str, list[Service]]:
        asked = Banners(self.stop, partial(self._part, 750, 200, "asking services who they are"))
        scopes = dict(hosts)
        found = asked.run((a, scopes.get(a, 0), ports) for a, ports in open_ports.items())
        if asked.late:
            self.notes.append(f"{asked.late} hosts answered too slowly to hear all services")
        return found

    def _udp(self, udp: UdpScan, hosts: Sequence[tuple[str, int]]) -> None:
        """Ask UDP services, beside the others; what fails is a note."""
        if self.options.udp and not self.stop.is_set():
            self._guarded("UDP", partial(udp.run, hosts))
            self._guarded("SNMP", partial(self._read_tables, udp, dict(hosts)))

    def _read_tables(self, udp: UdpScan, scopes: Mapping[str, int]) -> None:
        """Read what routers and switches know of their neighbours."""
        for address in list(udp.facts)[:MAX_TABLES]:
            if self.stop.is_set():
                return
            self._tables |= arp_table(address, scopes.get(address, 0), self.options.community)

    def _behind(self, sweep: Sweep) -> Iterator[ScanHost]:
        """Yield hosts that others know of: at home, and not met by ourselves."""
        for address, mac in self._tables.items():
            known = ipaddress.ip_address(address)
            if known.is_link_local or known.is_loopback:
                continue
            if address not in sweep.found and any(
                known.version == each.version and known in each for each in self.home
            ):
                yield ScanHost(address, mac, ways=("snmp",))

    def _facts(self, search: UpnpSearch, udp: UdpScan, browse: MdnsBrowse) -> Told:
        told: Told = {}
        for kind, source in (("upnp", search.facts), ("snmp", udp.facts)):
            for address, said in source.items():
                told.setdefault(address, {})[kind] = {**said}
        for address, name in browse.names.items():
            told.setdefault(address, {})["mdns"] = {"name": name}
        return told

    def try_credentials(self, services: Mapping[str, list[Service]], told: Told) -> None:
        """Try default passwords where that was asked for, on addresses that are ours."""
        if not self.options.credentials or self.stop.is_set():
            return
        self.progress(970, "trying default passwords")
        ours = {
            address: found
            for address, found in services.items()
            if any(ipaddress.ip_address(address) in net for net in self.home)
        }
        tried = Credentials(self.stop)
        tried.run(ours.items())
        self.notes += [
            f"default passwords of {name}: {why}" for name, why in tried.left_out.items()
        ]
        for address, found in tried.found.items():
            told.setdefault(address, {})["credentials"] = {**found}


def _host(
    address: str,
    sweep: Sweep,
    tcp: Sequence[Service],
    udp: UdpScan,
    browse: MdnsBrowse,
    search: UpnpSearch,
    told: Told,
) -> ScanHost:
    known = sweep.found[address]
    merged: dict[str, Service] = {service.key: service for service in tcp}
    for service in (*udp.services.get(address, ()), *browse.services.get(address, ())):
        before = merged.get(service.key)
        if before is None:
            # What is only announced was not asked: it may be meant for another interface.
            announced = service in browse.services.get(address, ())
            merged[service.key] = replace(service, certain=not announced)
        elif not before.banner:
            merged[service.key] = replace(before, name=service.name, banner=service.banner)
    facts = told.get(address, {})
    if address in search.servers and "upnp" not in facts:
        facts = {**facts, "ssdp": {"server": search.servers[address]}}
    return ScanHost(
        address,
        known.mac,
        known.interface,
        tuple(known.ways),
        tuple(sorted(merged.values(), key=lambda each: (each.protocol, each.port))),
        facts,
    )


def observations(hosts: Iterable[ScanHost], now: int) -> Iterator[Observation]:
    """Yield what a scan saw as observations, for the inventory."""
    for host in hosts:
        said: list[tuple[str, dict[str, Value]]] = [("neighbour", {"source": "sweep"})]
        said += [
            ("banner", {"service": each.name, "port": each.port, "text": each.banner})
            for each in host.services
            if each.banner and each.certain
        ]
        said += [(kind, dict(facts)) for kind, facts in host.facts.items() if kind in _TOLD]
        for kind, fields in said:
            yield Observation(
                kind=kind, time=now, packet=0, src=host.address, dst="", src_port=0, dst_port=0,
                src_mac=host.mac, dst_mac="", vlan=0, protocol=0, device=0, flow=0, fields=fields,
            )  # fmt: skip


_TOLD = frozenset({"upnp", "snmp"})


def _on(wire: Wire, network: Network) -> bool:
    """Tell whether a network, or a part of it, is on a wire."""
    return any(
        each.version == network.version and each.overlaps(network) for each in wire.networks()
    )


def _reaches(own: OwnAddress, wire: Wire, target: Network) -> bool:
    """Tell whether a target means an address of ours: a network means all on its wire."""
    return own.address in target or (target.num_addresses > 1 and _on(wire, target))


def _among(address: str, here: Sequence[Wire], targets: Sequence[Network]) -> bool:
    known = ipaddress.ip_address(address)
    if known.is_link_local:  # It answered on a wire of ours.
        return any(_on(wire, target) for wire in here for target in targets)
    return any(known.version == each.version and known in each for each in targets)


def _order(host: ScanHost) -> tuple[int, int]:
    address = ipaddress.ip_address(host.address)
    return address.version, int(address)
