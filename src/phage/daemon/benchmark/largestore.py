"""The store of a large network, made up: what API and pages are measured over."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

from phage.access.access import make_access
from phage.access.roles import Role
from phage.clock import SystemClock
from phage.errors import PhageError
from phage.frozen import frozen
from phage.records.decision import Action, Decision, Direction, Target, TargetKind
from phage.records.device import Device, Seen
from phage.records.finding import Finding, FindingState, Peer, Severity, Subject
from phage.records.flow import Flow
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
from phage.store.repositories.counters import MINUTE, MinuteCounter
from phage.store.repositories.traffic import Traffic, TrafficKind
from phage.store.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.store.store import StoreLocation

BATCH = 20_000
SECOND = 10**9
HOUR = 3600 * SECOND
DAYS = 7

_FLOOD = {
    "target": "10.0.0.1", "direction": "incoming", "peak_packets_per_second": 180_000,
    "packets_per_second": 90_000, "peak_bits_per_second": 1.5e9, "sources": 4000,
    "vectors": [{"name": "dns", "share": 0.9}, {"name": "ntp", "share": 0.1}],
    "top_sources": [[f"198.51.100.{number}", 1000 - number] for number in range(20)],
}  # fmt: skip
"""Evidence of an attack by volume."""


@frozen
class Scale:
    """How much there is of each; `pairs` are the pairs of hosts that are kept of an hour."""

    devices: int = 10_000
    flows: int = 1_000_000
    findings: int = 100_000
    decisions: int = 10_000
    pairs: int = 3_000
    samples: int = 20_000


def address_of(number: int) -> str:
    """Return the address of a device."""
    return f"10.0.{number // 250 % 40}.{number % 250 + 1}"


def mac_of(number: int) -> str:
    """Return the MAC address of a device, which is its id."""
    return (0x0200_0000_0000 + number).to_bytes(6, "big").hex(":")


def fill(location: StoreLocation, scale: Scale) -> str:
    """Fill a store with a week; return the secret of a session.

    Raises PhageError for one that is not empty.
    """
    clock, dice = SystemClock(), random.Random(1)  # noqa: S311  Traffic, no secrets.
    with open_store(location, clock) as store:
        if store.flows.count():
            message = f"{store.database.place}: is not empty; the bench fills an empty database"
            raise PhageError(message)
        now = clock.now()
        store.devices.save(_devices(scale, now))
        for begin in range(0, scale.flows, BATCH):
            numbers = range(begin, min(begin + BATCH, scale.flows))
            store.flows.save(_flows(numbers, scale, now, dice))
        for begin in range(0, scale.findings, BATCH):
            numbers = range(begin, min(begin + BATCH, scale.findings))
            store.findings.save(_findings(numbers, scale, now, dice))
        store.decisions.save(_decisions(scale, now))
        with store.database.transaction():
            for number in range(scale.samples):
                store.samples.save(_verdict(number, now))
        for hour in range(DAYS * 24):
            store.traffic.save(_traffic(scale, now - hour * HOUR, dice))
        store.counters.save(_counters(now, dice))
        access = make_access(store, clock)
        access.users.add("bench", Role.ADMIN)
        if store.database.dialect == "postgresql":
            store.database.execute("ANALYZE")
        return access.sessions.begin("bench", "127.0.0.1", "bench")


def _devices(scale: Scale, now: int) -> Iterator[Device]:
    for number in range(scale.devices):
        yield Device(
            id=mac_of(number),
            macs=(Seen(mac_of(number), now - 10**15, now),),
            addresses=(Seen(address_of(number), now - 10**15, now),),
            first_seen=now - 10**15,
            last_seen=now - number * SECOND,
            present=True,
            packets=number,
            octets=number * 800,
        )


def _busy(dice: random.Random, scale: Scale) -> int:
    """Return a device: a few have most of the traffic."""
    return int(scale.devices * dice.random() ** 3)


def _flows(numbers: range, scale: Scale, now: int, dice: random.Random) -> list[Flow]:
    applications = ("tls", "dns", "http", "quic", "", "tls", "tls", "dns", "ssh")
    ports = {"tls": 443, "dns": 53, "http": 80, "quic": 443, "": 8443, "ssh": 22}
    made = []
    for number in numbers:
        device, application = _busy(dice, scale), applications[number % 9]
        start = now - (scale.flows - number) * SECOND // 2
        made.append(
            Flow(
                id=number, start=start, last=start + SECOND, src=address_of(device),
                dst=f"198.51.{number % 200}.{device % 250 + 1}",
                src_port=40_000 + number % 9999,
                dst_port=ports[application], protocol=6, src_mac=mac_of(device),
                packets=(10, 12), octets=(1200, 9000), state="closed",
                end_reason="end of flow", application=application, ended=True,
            )
        )  # fmt: skip
    return made


def _findings(numbers: range, scale: Scale, now: int, dice: random.Random) -> Iterator[Finding]:
    severities, detectors = list(Severity), ("portscan", "anomaly", "volumetric", "beaconing")
    for number in numbers:
        device = mac_of(number % scale.devices)
        yield Finding(
            detector=detectors[number % 4], key=str(number),
            severity=severities[min(4, int(dice.expovariate(1.0)))], score=4.5,
            subject=Subject(device, address_of(number), device),
            summary=f"{address_of(number)} tried {number % 900} ports.",
            first_seen=now - (scale.findings - number) * 60 * SECOND,
            last_seen=now - (scale.findings - number) * 59 * SECOND,
            peers=(Peer(f"198.51.100.{number % 250 + 1}", "", ("tcp/22",)),),
            id=f"{number:016x}", packets=number % 5000,
            evidence=_FLOOD if number % 4 == 2 else {},
            state=FindingState.OPEN if number > scale.findings - 40 else FindingState.CLOSED,
        )  # fmt: skip


def sha256_of(number: int) -> str:
    """Return the SHA-256 of a sample."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def _verdict(number: int, now: int) -> Verdict:
    """Return what engines say of a sample: of each archive, two files and one bad one in ten."""
    bad, sha256, seen = number % 10 == 0, sha256_of(number), now - number * 20 * SECOND
    names = (f"invoice-{number}.zip",)
    sample = Sample(sha256, sha256[:40], sha256[:32], 9000 + number, "zip", names, seen, seen)
    results = tuple(
        EngineResult(
            engine, EngineKind.EVILNESS, Category.MALICIOUS if bad else Category.UNDETECTED,
            "Eicar-Test-Signature" if bad else "", EngineVersion("1", "27500"), seconds=0.02,
        )
        for engine in ("clamav", "yara", "hashlist", "office")
    )  # fmt: skip
    reasons = (Reason(Outcome.INFECTED, f"clamav Eicar in {names[0]}", "clamav"),)
    return Verdict(
        f"{number:026d}",
        sample,
        Outcome.INFECTED if bad else Outcome.CLEAN,
        complete=True,
        time=seen,
        reasons=reasons if bad else (),
        results=results,
        parts=(
            Part((), sha256, sample.size, "zip", results),
            Part(("a.doc",), sha256_of(-number - 1), 4000, "doc", results),
        ),
        parts_total=2,
        fingerprint="bench",
        isolation="full",
    )


def _decisions(scale: Scale, now: int) -> Iterator[Decision]:
    for number in range(scale.decisions):
        start = now - number * 60 * SECOND
        standing = number % 10 == 0
        yield Decision(
            id=f"{scale.decisions - number:026d}",
            target=Target(TargetKind.IP, f"203.0.{number // 250 % 250}.{number % 250 + 1}"),
            action=Action.BAN,
            direction=Direction.BOTH,
            reason="tried 1,412 ports",
            start=start,
            until=start + 30 * 24 * HOUR,
            rule="Scanners",
            ended=0 if standing else start + HOUR,
            ended_by="" if standing else "expiry",
        )


def _traffic(scale: Scale, at: int, dice: random.Random) -> Iterator[Traffic]:
    """Yield what is kept of an hour: the sink keeps the busiest of each minute."""
    for number in range(scale.pairs):
        busy = _busy(dice, scale)
        device = mac_of(busy)
        # Each has a dozen that it talks to, some of them others' too.
        other = f"198.51.{busy % 200}.{(busy // 200 * 12 + dice.randrange(12)) % 250 + 1}"
        octets = (int(1e6 * dice.random()), int(9e6 * dice.random()))
        yield Traffic(TrafficKind.PAIR, device, other, at, (900, 900), octets, 3)
        if number % 3 == 0:
            yield Traffic(TrafficKind.HOST, device, "", at, (900, 900), octets)
            yield Traffic(TrafficKind.HOST, other, "", at, (900, 900), octets[::-1])
    for name in ("tls", "quic", "dns", *(f"tcp/{port}" for port in range(8000, 8060))):
        yield Traffic(TrafficKind.SERVICE, name, "", at, (9, 9), (9000, 90_000), 2)


def _counters(now: int, dice: random.Random) -> Iterator[MinuteCounter]:
    for number in range(DAYS * 24 * 60):
        yield MinuteCounter(now - number * MINUTE, "octets", 1e8 * dice.random())
        yield MinuteCounter(now - number * MINUTE, "packets", 1e5 * dice.random())
