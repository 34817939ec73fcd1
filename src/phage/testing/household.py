"""A household to look at: devices, traffic, findings and decisions of a week, in a store.

For the dashboard's tests and pictures. All of it is made up, and the same on every run.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.records import Feature, Finding, FindingState, Peer, Severity, Subject
from phage.records.decision import Action, Direction, Receipt, ReceiptState, Target, TargetKind
from phage.records.device import Attribute, Device, DeviceEvent, Guess, Seen, Trait
from phage.records.exporter import Exporter
from phage.records.feedstate import FeedState
from phage.records.profile import KeyOrder, KeyUse, Phase, Profile, ProfileKey, Way
from phage.records.sample import (
    Category,
    EngineKind,
    EngineResult,
    EngineVersion,
    Outcome,
    Part,
    Reason,
    Sample,
    Verdict,
)
from phage.records.scan import Change, Scan, ScanDiff, ScanHost, ScanState, Service
from phage.records.vulnerability import MatchString, Node, Vulnerability
from phage.store.repositories.counters import MINUTE, MinuteCounter
from phage.store.repositories.traffic import Traffic, TrafficKind
from phage.testing.records import make_decision, make_finding, make_flow
from phage.testing.workers import a_fleet, a_release, some_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.store.store import Store

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAYS = 7


@frozen
class Member:
    """A device of the household: name, maker, product, category, and how much it sends."""

    name: str
    vendor: str
    product: str
    category: str
    share: float
    number: int

    @property
    def mac(self) -> str:
        """Return its MAC address."""
        return f"02:5e:10:00:00:{self.number:02x}"

    @property
    def ip(self) -> str:
        """Return its address."""
        return f"192.168.1.{self.number}"


MEMBERS = tuple(
    Member(*each, number)
    for number, each in enumerate(
        (
            ("Router", "AVM", "FRITZ!Box 7590", "router", 0.9),
            ("Ada's laptop", "Lenovo", "ThinkPad X1", "computer", 1.0),
            ("Ada's phone", "Google", "Pixel 9", "phone", 0.5),
            ("Ben's phone", "Apple", "iPhone", "phone", 0.55),
            ("Living room TV", "LG", "OLED55", "tv", 0.85),
            ("Garden camera", "Reolink", "RLC-510A", "camera", 0.65),
            ("Doorbell", "Ring", "Video Doorbell 4", "doorbell", 0.3),
            ("Printer", "Brother", "HL-L2375DW", "printer", 0.05),
            ("Heating", "tado", "Bridge", "thermostat", 0.04),
            ("Kitchen speaker", "Sonos", "One SL", "speaker", 0.25),
            ("Washing machine plug", "TP-Link", "HS110", "plug", 0.02),
            ("NAS", "Synology", "DS220+", "nas", 0.75),
            ("Vacuum", "Roborock", "S7", "robot", 0.06),
        ),
        start=1,
    )
)
OTHERS = (
    "142.250.185.110", "151.101.65.140", "17.253.57.203", "104.16.132.229", "52.94.236.248",
    "185.199.108.153", "34.117.59.81", "2a00:1450:4001:80b::200e", "23.45.12.9", "91.198.174.192",
)  # fmt: skip
EICAR = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"
"""SHA-256 of EICAR's test file."""
SERVICES = (("tls", 50), ("quic", 38), ("tcp/9000", 12), ("dns", 0.4), ("mdns", 0.2))
SCANNERS = ("203.0.113.9", "203.0.113.77", "198.51.100.23", "198.51.100.140")


def furnish(store: Store, now: int) -> None:
    """Fill a store with a week up to a time, in nanoseconds since the Unix epoch."""
    chance = random.Random(7)  # noqa: S311  For looks, not for secrets.
    store.devices.save(_device(each, now, chance) for each in MEMBERS)
    store.devices.save_events(
        DeviceEvent(each.mac, now - (each.number * 5 + 2) * HOUR, "new", "first packet from it")
        for each in MEMBERS
    )
    store.counters.save(_counters(now, chance))
    store.traffic.save(_traffic(now, chance))
    store.flows.save(_flows(now, chance))
    store.findings.save(_findings(now))
    store.exporters.save(
        [
            Exporter(
                "192.168.1.1", 0, 10, "gateway", now - 9 * HOUR, now - SECOND, sampling=1,
                datagrams=80_000, octets=91_000_000, records=1_900_000, lost=3,
            )
        ]
    )  # fmt: skip
    store.samples.save(eicar_verdict(now))
    for worker in some_workers(now):
        store.scan_workers.seen(worker, 0)
    store.scan_releases.add(a_release(now))
    store.scan_fleets.seen(a_fleet(now))
    store.profiles.save([_profile(MEMBERS[5], now)])
    scan_network(store, now)
    record = Vulnerability(
        "CVE-2018-15473", "nvd", description="OpenSSH tells which users there are.", cvss=5.3,
        configurations=(Node(matches=(MatchString(OPENSSH[:-1] + "*", end_including="7.7"),)),),
    )  # fmt: skip
    store.vulnerabilities.save([(record, frozenset({("openbsd", "openssh")}))])
    store.decisions.save(_decisions(now))
    store.receipts.save(
        Receipt(f"{number:026d}", "nftables", ReceiptState.APPLIED, now - HOUR, "set ban4")
        for number in range(3)
    )
    for name, entries, hours, fault in (
        ("spamhaus-drop", 1031, 3, ""),
        ("blocklist-de", 21_408, 1, ""),
        ("urlhaus", 0, 30, "urlhaus.abuse.ch answered 503; tried again in 10 min"),
    ):
        store.indicators.save_state(
            FeedState(
                name,
                updated=now - hours * HOUR,
                tried=now - HOUR // 6,
                due=now + HOUR,
                entries=entries,
                failures=3 if fault else 0,
                fault=fault,
                left_out={"of private networks": 3} if entries else {},
            )
        )


SCAN = "001a1fcf53d7a"
OPENSSH = "cpe:2.3:a:openbsd:openssh:6.7:*:*:*:*:*:*:*"


def scan_network(store: Store, now: int, text: str = "OpenSSH 6.7p1") -> None:
    """Store a scan; `text` is what its hosts say of themselves."""
    camera = MEMBERS[5]
    host = ScanHost(
        camera.ip,
        camera.mac,
        "eth0",
        ("arp", "ssdp"),
        (Service("tcp", 22, "ssh", text, text), Service("udp", 161, "snmp", certain=False)),
        {"upnp": {"friendly_name": text}, "credentials": {"tcp/80": "admin"}},
    )
    began = now - HOUR
    scan = Scan(SCAN, ("192.168.1.0/24",), "top100", by="user:ada", state=ScanState.DONE,
                started=began, ended=began + 6 * SECOND, hosts=(host,), sent=12_000,
                dropped={"hosts": 3})  # fmt: skip
    store.scans.save(scan)
    new = ScanDiff(SCAN, began, Change.ADD, camera.ip, camera.mac, "tcp/22", "", text)
    away = ScanDiff(SCAN, began, Change.DOWN, "192.168.1.77", notice=False)
    store.scans.save_diffs([new, away], {})


def _device(member: Member, now: int, chance: random.Random) -> Device:
    last = now - int(chance.random() * 60 * SECOND) - (26 * HOUR if member.number == 13 else 0)
    first = now - DAYS * 24 * HOUR
    certain = 0.62 + 0.37 * chance.random()

    def guess(value: str, why: str) -> Guess:
        return Guess(value, certain, (why,), ())

    return Device(
        id=member.mac,
        name=member.name,
        labels=("camera",) if member.category in {"camera", "doorbell"} else (),
        macs=(Seen(member.mac, first, last),),
        addresses=(Seen(member.ip, first, last),),
        first_seen=first,
        last_seen=last,
        present=member.number != 13,
        guesses={
            Attribute.VENDOR: guess(member.vendor, f"DHCP vendor class '{member.vendor}'"),
            Attribute.PRODUCT: guess(member.product, f"SSDP says '{member.product}'"),
            Attribute.CATEGORY: guess(member.category, "what it asks DNS for"),
        },
        traits=_traits(member, now),
        packets=int(member.share * 4e6),
        octets=int(member.share * 3.1e9),
    )


def _traits(member: Member, now: int) -> tuple[Trait, ...]:
    said = "OpenSSH_6.7p1 Debian-5+deb8u1"
    software = Trait(Attribute.SOFTWARE, OPENSSH, 0.9, "banner", said, now)
    return (software,) if member is MEMBERS[5] else ()


def _day(at: int) -> float:
    """Return how busy a time of day is, 0 to 1: evenings are, nights are not."""
    hour = at / HOUR % 24
    return (
        0.12 + 0.55 * math.exp(-((hour - 20) ** 2) / 9) + 0.33 * math.exp(-((hour - 11) ** 2) / 14)
    )


def _counters(now: int, chance: random.Random) -> Iterator[MinuteCounter]:
    begin = now - now % MINUTE - DAYS * 24 * HOUR
    for minute in range(begin, now, MINUTE):
        octets = _day(minute) * 3.2e8 * (0.55 + 0.9 * chance.random() ** 2)
        yield MinuteCounter(minute, "octets", octets)
        yield MinuteCounter(minute, "packets", octets / 780)


def _traffic(now: int, chance: random.Random) -> Iterator[Traffic]:
    for hour in range(now - now % HOUR - (DAYS * 24 - 1) * HOUR, now + 1, HOUR):
        at = min(hour + HOUR // 2, now)
        for member in MEMBERS:
            busy = member.share**2 * _day(hour) * (0.3 + chance.random()) * 9e8
            if busy < 2e6 and chance.random() < 0.5:
                continue
            sent, received = int(busy * 0.15), int(busy)
            packets = (sent // 600, received // 900)
            yield Traffic(TrafficKind.HOST, member.mac, "", at, packets, (sent, received), 40)
            for other in chance.sample(OTHERS, 3):
                part = (sent // 4, received // 4)
                yield Traffic(TrafficKind.HOST, other, "", at, packets, (part[1], part[0]), 12)
                yield Traffic(TrafficKind.PAIR, member.mac, other, at, packets, part, 12)
            if member.number in {2, 5, 6}:
                nas = MEMBERS[11].mac
                yield Traffic(TrafficKind.PAIR, member.mac, nas, at, packets, (sent, sent), 3)
        for name, share in (
            ("tls", 50),
            ("quic", 38),
            ("dns", 0.4),
            ("tcp/9000", 12),
            ("mdns", 0.2),
        ):
            octets = int(share * 2e7 * _day(hour))
            yield Traffic(
                TrafficKind.SERVICE, name, "", at, (octets // 900, octets // 800),
                (octets // 8, octets), int(share * 9),
            )  # fmt: skip


def _flows(now: int, chance: random.Random) -> Iterator[Any]:
    for number in range(300):
        member = chance.choice(MEMBERS)
        start = now - number * 11 * SECOND
        yield make_flow(
            number + 1,
            start=start - 9 * SECOND,
            last=start,
            src=member.ip,
            src_mac=member.mac,
            dst=chance.choice(OTHERS),
            octets=(chance.randrange(400, 90_000), chance.randrange(400, 900_000)),
            application=chance.choice(("tls", "quic", "dns", "")),
        )


def _subject(member: Member) -> Subject:
    return Subject(member.mac, member.ip, member.mac)


def _findings(now: int) -> Iterator[Any]:
    camera, laptop = MEMBERS[5], MEMBERS[1]
    yield make_finding(
        1,
        severity=Severity.HIGH,
        detector="portscan",
        subject=Subject(ip=SCANNERS[0], device=SCANNERS[0]),
        summary=f"{SCANNERS[0]} tried 1,412 ports of NAS in 40 s; 3 answered.",
        first_seen=now - 9 * 60 * SECOND,
        last_seen=now - 70 * SECOND,
        peers=(Peer(MEMBERS[11].ip, MEMBERS[11].mac, ("tcp/22", "tcp/80", "tcp/5000")),),
        peers_total=1,
        packets=2931,
        evidence={"ports": 1412, "answered": ["tcp/80", "tcp/443", "tcp/5000"], "seconds": 40.2},
        features=(
            Feature("ports", 1412, 0, 6, "ports", 0.62, "ports of one host contacted in a minute"),
            Feature("refused", 1409, 0, 4, "answers", 0.27, "connections that were refused"),
            Feature("rate", 73.2, 0.1, 9, "packets/s", 0.11, "packets that it sent"),
        ),
        capture="0000000000000001.pcap",
    )
    yield make_finding(
        2,
        severity=Severity.MEDIUM,
        detector="anomaly",
        subject=_subject(camera),
        summary="Garden camera sends 40 times as much as ever at this hour, to one new address.",
        first_seen=now - 55 * 60 * SECOND,
        last_seen=now - 3 * 60 * SECOND,
        peers=(Peer("185.199.108.153", "", ("tcp/8443",)),),
        packets=88_120,
        evidence={"surprise": 6.4, "new_peers": 1},
        features=(
            Feature("octets", 9.1e6, 2e4, 2.4e5, "B/min", 0.55, "octets sent in a minute"),
            Feature("peers", 1, 0, 0, "peers", 0.3, "peers never talked to before"),
            Feature("length", 1388, 90, 1200, "B", 0.15, "length of what it sends"),
        ),
    )
    yield make_finding(
        3,
        severity=Severity.LOW,
        detector="dnstunnel",
        subject=_subject(laptop),
        summary="Ada's laptop asks for 310 long names below one domain in a minute.",
        first_seen=now - 5 * HOUR,
        last_seen=now - 4 * HOUR,
        state=FindingState.CLOSED,
        packets=640,
    )
    yield _flood(now)
    kinds = (
        ("bruteforce", Severity.HIGH, "guessed 240 passwords of ssh on NAS; none was right."),
        ("portscan", Severity.MEDIUM, "tried port 23 of 14 of your devices."),
        ("synflood", Severity.LOW, "sent 900 TCP SYN in a second to Router."),
    )
    for number in range(4, 64):
        detector, severity, text = kinds[number * 7 % 3]
        source = SCANNERS[number % len(SCANNERS)]
        begin = now - int((number / 64) ** 1.6 * DAYS * 24 * HOUR) - HOUR
        yield make_finding(
            number,
            severity=severity,
            detector=detector,
            subject=Subject(ip=source, device=source),
            summary=f"{source} {text}",
            first_seen=begin,
            last_seen=begin + 120 * SECOND,
            state=FindingState.CLOSED,
            key=f"{source}|{number}",
        )


def _flood(now: int) -> Finding:
    return make_finding(
        90,
        severity=Severity.HIGH,
        detector="volumetric",
        state=FindingState.CLOSED,
        subject=Subject(ip=MEMBERS[11].ip, device=MEMBERS[11].ip),
        summary="NAS is flooded by dns replies from 212 addresses, 41,000 packets/s (0.6 Gbit/s "
        "at most): 41,000 packets/s exceed the threshold of 20,000 packets/s.",
        first_seen=now - 30 * HOUR,
        last_seen=now - 30 * HOUR + 95 * SECOND,
        features=(Feature("reply_rate", 41_000, 0, 20_000, "packets/s", 1.0, "packets"),),
        evidence={
            "target": MEMBERS[11].ip,
            "vectors": [{"name": "reply", "share": 0.94}],
            "peak_packets_per_second": 52_000,
            "peak_bits_per_second": 600_000_000,
            "sources": 212,
            "suggested": [{"protocol": "udp", "source_port": 53}],
        },
    )


def eicar_verdict(
    now: int, name: str = "eicar.zip", label: str = "Eicar-Test-Signature"
) -> Verdict:
    """Return what engines say of EICAR's test file, packed; only its hash is here."""
    found = EngineResult("clamav", EngineKind.EVILNESS, Category.MALICIOUS, label,
                         EngineVersion("1.4", "27500"), seconds=0.02)  # fmt: skip
    other = EngineResult("yara", EngineKind.EVILNESS, Category.UNDETECTED, seconds=0.01)
    facts = EngineResult("exiftool", EngineKind.METADATA, Category.UNDETECTED,
                         facts={"FileType": "ZIP", "parts": 1})  # fmt: skip
    sample = Sample(EICAR, "3395856ce81f2b7382dee72602f798b642f14140",
                    "44d88612fea8a8f36de82e1278abb02f", 184, "zip", (name,),
                    now - 5 * HOUR, now - HOUR, 2)  # fmt: skip
    text = f"clamav: {label} in {name} > eicar.com"
    return Verdict(
        "household",
        sample,
        Outcome.INFECTED,
        complete=True,
        time=now - HOUR,
        reasons=(Reason(Outcome.INFECTED, text, "clamav", ("eicar.com",)),),
        results=(found, other, facts),
        parts=(
            Part((), EICAR, 184, "zip", (other, facts)),
            Part(("eicar.com",), EICAR, 68, "com", (found,)),
        ),
        parts_total=2,
        fingerprint="household",
        isolation="full",
        seconds=0.4,
    )


def _profile(member: Member, now: int) -> Profile:
    def use(flows: int, after: ProfileKey | None = None) -> KeyUse:
        order = KeyOrder(flows, after={after: 0.99} if after else {})
        return KeyUse(now - 6 * 24 * HOUR, now - HOUR, 6, flows, flows * 900, flows * 400, 300.0,
                      0.1, 0xFF << 32, 3, failed=2, order=order)  # fmt: skip

    resolver = ProfileKey(Way.OUT, 17, 53, "router")
    return Profile(
        member.mac,
        now - DAYS * 24 * HOUR,
        now - HOUR,
        Phase.PROPOSE,
        keys={
            ProfileKey(Way.OUT, 6, 443, "name:reolink.com"): use(812, resolver),
            resolver: use(640),
            ProfileKey(Way.IN, 6, 554, f"device:{MEMBERS[11].mac}"): use(96),
        },
        waiting={ProfileKey(Way.OUT, 6, 8443, "net:185.199.0.0/16"): use(2)},
        rates={"syn": 12.0, "dns_failures": 1.0},
    )


def _decisions(now: int) -> Iterator[Any]:
    for number in range(24):
        source = SCANNERS[number % len(SCANNERS)]
        begin = now - number * number * 17 * 60 * SECOND - 60 * SECOND
        standing = number < 3
        yield make_decision(
            number,
            target=Target(TargetKind.IP, source),
            action=Action.BAN,
            direction=Direction.BOTH,
            reason=("tried 1,412 ports of NAS", "guessed passwords of ssh", "asked for /wp-login")[
                number % 3
            ],
            start=begin,
            until=begin + 4 * HOUR if standing else begin + HOUR,
            rule=("Scanners", "Guessers", "Web probes")[number % 3],
            finding="0000000000000001" if number == 0 else "",
            dry_run=number in {5, 9, 11, 13},
            ended=0 if standing or number in {5, 9} else begin + HOUR,
            ended_by="" if standing or number in {5, 9} else "expiry",
        )
