"""Anomalies in whole captures: a household that is learned, lives for a week and is attacked.

Five devices with regular habits and their irregularities: keepalives, lookups, uploads on motion,
browsing by day. Everything goes the whole way, so that what is measured is what an owner sees.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from phage.config.load import load_settings
from phage.daemon.benchmark import traffic
from phage.daemon.options import ReplayOptions
from phage.daemon.replay import replay
from phage.records.address import format_mac

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from phage.records import Finding

DAY = 86_400.0
HOME = 0xC0A80100
PLUG, SENSOR, CAMERA, PRINTER, LAPTOP = 20, 21, 22, 23, 24
BUDGET = 1.0
SYN, ACK, PUSH, FIN = 2, 16, 24, 17


def mac(host: int) -> int:
    return 0x02_00_00_00_01_00 + host


@dataclass
class Household:
    """Collects packets as tuples; `write` makes a capture of them."""

    seed: int
    packets: list[tuple[float, int, int, int, int, int, int, int, int, int]] = field(
        default_factory=list
    )

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.port = 32_768

    def packet(
        self, time: float, src: int, dst: int, ports: tuple[int, int], protocol: int, flags: int,
        length: int,
    ) -> None:  # fmt: skip
        """Add a packet between two hosts: numbers below 256 are at home, others addresses."""
        ends = [(mac(host), HOME + host) if host < 256 else (traffic.GATEWAY, host)
                for host in (src, dst)]  # fmt: skip
        (src_mac, src_ip), (dst_mac, dst_ip) = ends
        self.packets.append(
            (time, src_mac, dst_mac, src_ip, dst_ip, *ports, protocol, flags, length)
        )

    def connect(
        self, time: float, client: int, server: int, port: int, up: int, down: int,
        rate: float = 4e5,
    ) -> None:  # fmt: skip
        """Add a TCP connection that sends so many octets up, then down."""
        self.port = self.port + 1 if self.port < 60_000 else 32_768
        forth, back = (self.port, port), (port, self.port)
        self.packet(time, client, server, forth, 6, SYN, 60)
        self.packet(time + 0.03, server, client, back, 6, SYN | ACK, 60)
        self.packet(time + 0.031, client, server, forth, 6, ACK, 60)
        time += 0.04
        for octets, source, target, way, answer in (
            (up, client, server, forth, back), (down, server, client, back, forth),
        ):  # fmt: skip
            for number in range(-(-octets // 1448)):
                length = min(1448, octets - 1448 * number)
                self.packet(time, source, target, way, 6, PUSH, 54 + length)
                if number % 2 == 0:
                    self.packet(time + 0.02, target, source, answer, 6, ACK, 60)
                time += length / rate
        self.packet(time + 0.03, client, server, forth, 6, FIN, 60)
        self.packet(time + 0.06, server, client, back, 6, FIN, 60)

    def ask(self, time: float, client: int) -> None:
        """Add a lookup: question and answer."""
        self.port = self.port + 1 if self.port < 60_000 else 32_768
        self.packet(time, client, 1, (self.port, 53), 17, 0, self.random.randrange(70, 90))
        self.packet(time + 0.02, 1, client, (53, self.port), 17, 0, self.random.randrange(90, 150))

    def live(self, days: float) -> None:
        """Add what a household does."""
        chance = self.random
        for host, period in ((PLUG, 120), (SENSOR, 200), (CAMERA, 150), (PRINTER, 300)):
            cloud = 0x2D000000 + 4099 * host
            for number in range(int(days * DAY / period)):
                time = period * (number + chance.uniform(-0.02, 0.02)) + host
                self.packet(max(time, 0), host, cloud, (50_000, 8883), 6, PUSH, 120)
                self.packet(time + 0.04, cloud, host, (8883, 50_000), 6, PUSH, 110)
                if number % 10 == 0:
                    self.ask(time + 1, host)
                    self.connect(time + 1.1, host, cloud + 1, 443, chance.randrange(300, 900),
                                 chance.randrange(500, 4000))  # fmt: skip
        for time in self.day_times(days, 12):
            size = int(chance.lognormvariate(11.5, 0.4))
            self.connect(time, CAMERA, 0x2E000000 + chance.randrange(3), 443, size, 900)
        for time in self.day_times(days, 30):
            self.ask(time, LAPTOP)
            site = 0x2F000000 + int(chance.paretovariate(0.7)) % 100_000
            self.connect(time + 0.1, LAPTOP, site, 443, int(chance.lognormvariate(7, 0.7)),
                         min(300_000, int(chance.lognormvariate(9.5, 1))))  # fmt: skip
        for time in self.day_times(days, 2):
            self.connect(time, LAPTOP, PRINTER, 631, int(chance.lognormvariate(10, 0.7)), 400)

    def day_times(self, days: float, each_day: float) -> Iterator[float]:
        """Yield random times, twice as often by day as on the mean and never at night."""
        for day in range(int(days) + 1):
            for _ in range(int(each_day)):
                time = (day + 0.33 + 0.6 * self.random.random()) * DAY
                if time < days * DAY:
                    yield time

    def write(self, path: Path, until: float) -> int:
        """Write a capture; return how many packets come before a time."""
        self.packets.sort(key=lambda packet: packet[0])
        columns = list(zip(*self.packets, strict=True))
        kinds = (np.uint64, np.uint64, np.uint32, np.uint32, np.uint16, np.uint16, np.uint8,
                 np.uint8, np.int64)  # fmt: skip
        arrays = [np.array(column, dtype=kind)
                  for column, kind in zip(columns[1:], kinds, strict=True)]  # fmt: skip
        time = traffic.START + (np.array(columns[0]) * 1e9).astype(np.int64)
        traffic.write_pcap(path, traffic.Frames(time, *arrays), snap=96)
        return sum(packet[0] < until for packet in self.packets)


def upload(house: Household, time: float) -> set[int]:
    """Let the camera send 20 MB to a server that it never met."""
    house.connect(time, CAMERA, 0x5D010203, 443, 20_000_000, 100, rate=2e6)
    return {CAMERA}


def many_peers(house: Household, time: float) -> set[int]:
    """Let the plug talk to dozens of new peers, which all answer."""
    for number in range(60):
        house.connect(time + number * 0.7, PLUG, 0x5E000000 + number * 977, 443, 700, 2500)
    return {PLUG}


def flood(house: Household, time: float) -> set[int]:
    """Let the sensor flood a host with datagrams."""
    for number in range(10_000):
        ports = (40_000 + number % 20_000, 1 + number % 60_000)
        house.packet(time + number * 0.001, SENSOR, 0x5F010203, ports, 17, 0, 540)
    return {SENSOR}


def take_over(house: Household, time: float) -> set[int]:
    """Let the printer log in to the plug and move data, which neither ever did."""
    for number in range(3):
        house.connect(time + number * 5, PRINTER, PLUG, 22, 40_000, 60_000, rate=5e4)
    return {PRINTER, PLUG}


def command(house: Household, time: float) -> set[int]:
    """Let a host that nobody knows give the sensor a command."""
    house.connect(time, 200, SENSOR, 502, 12, 12)
    return {200, SENSOR}


ATTACKS: list[tuple[Callable[[Household, float], set[int]], float]] = [
    (upload, 5.0),
    (many_peers, 60.0),
    (flood, 5.0),
    (take_over, 20.0),
    (command, 5.0),
]


def run(tmp_path: Path, house: Household, learn: float) -> list[Finding]:
    path = tmp_path / "household.pcap"
    train = house.write(path, learn)
    settings = load_settings(
        overrides={
            ("state_dir",): str(tmp_path / "state"),
            ("detectors", "disabled"): [
                "beaconing",
                "bruteforce",
                "deviation",
                "portscan",
                "synflood",
                "volumetric",
            ],
        }
    )
    return list(replay(ReplayOptions(settings, (str(path),), train=train)).findings)


def seconds(nanoseconds: int) -> float:
    return (nanoseconds - traffic.START) / 1e9


@pytest.mark.parametrize("seed", [1, 2])
def test_a_benign_week_keeps_the_budget(tmp_path: Path, seed: int) -> None:
    house = Household(seed)
    house.live(9.0)
    findings = run(tmp_path, house, learn=2 * DAY)
    assert len(findings) <= BUDGET * 5


@pytest.mark.parametrize(
    ("attack", "within"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS]
)
def test_an_attack_is_one_finding_about_its_device(
    tmp_path: Path, attack: Callable[[Household, float], set[int]], within: float
) -> None:
    house = Household(7)
    house.live(3.2)
    time = 3.1 * DAY
    guilty = {format_mac(mac(host)) for host in attack(house, time)}
    findings = run(tmp_path, house, learn=2 * DAY)
    about = [finding for finding in findings if seconds(finding.last_seen) >= time]
    assert len(about) == 1, [finding.summary for finding in about]
    assert about[0].subject.mac in guilty
    assert seconds(about[0].first_seen) <= time + within
    assert "normal up to" in about[0].summary or "first contact" in about[0].summary
    assert len(about[0].summary) < 300
