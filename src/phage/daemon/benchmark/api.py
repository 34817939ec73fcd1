"""How long the API and the pages let people wait, over a store of a large network.

10,000 devices, 1,000,000 flows and 100,000 findings; 50 users at a time, each of whom asks for
something else as soon as the answer has begun, and again after a pause as people make it. The
server runs in a process of its own, as in `phage run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phage.access.access import make_access
from phage.access.roles import Role
from phage.api.app import make_app
from phage.api.events import EventHub
from phage.api.security import COOKIE
from phage.api.server import ApiServer
from phage.api.services import Services
from phage.clock import SystemClock
from phage.errors import PhageError
from phage.records.device import Device, Seen
from phage.records.finding import Finding, FindingState, Peer, Severity, Subject
from phage.records.flow import Flow
from phage.store.pool import StorePool
from phage.store.store import StoreLocation, open_store
from phage.telemetry.metrics import Registry
from phage.web.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.store.store import Store

DEVICES, FLOWS, FINDINGS = 10_000, 1_000_000, 100_000
USERS = 50
SECONDS = 15.0
PAUSE_SECONDS = 1.0
BATCH = 20_000
SECOND = 10**9

PATHS = (
    "/",
    "/devices",
    "/findings",
    "/api/v1/findings",
    "/api/v1/findings?severity=critical&limit=50",
    "/api/v1/findings?detector=portscan&sort=severity",
    "/api/v1/findings?host=10.0.{a}.{b}",
    "/api/v1/findings/{finding}",
    "/api/v1/flows",
    "/api/v1/flows?host=10.0.{a}.{b}",
    "/api/v1/flows?application=ssh&limit=50",
    "/api/v1/flows?port=8443&limit=50",
    "/api/v1/devices",
    "/api/v1/devices/10.0.{a}.{b}",
    "/api/v1/decisions",
    "/api/v1/networks",
)


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds to the first octet of answers: median, 99th percentile, answers a second."""

    median: float
    p99: float
    rate: float


def measure(location: StoreLocation | None = None) -> tuple[Waits, Waits]:
    """Return the waits of users with a pause, and of users without one.

    Args:
        location: An empty database; None for an SQLite file of its own.
    """
    with tempfile.TemporaryDirectory(prefix="phage-bench-api-") as folder:
        place = location or StoreLocation.of("", "", Path(folder) / "store.sqlite3")
        cookie = fill(place)
        with serving(place) as port:
            patient = asyncio.run(_crowd(port, cookie, PAUSE_SECONDS))
            hasty = asyncio.run(_crowd(port, cookie, 0.0))
    return patient, hasty


def fill(location: StoreLocation) -> str:
    """Fill a store; return the secret of a session."""
    clock, dice = SystemClock(), random.Random(1)  # noqa: S311  Traffic, no secrets.
    with open_store(location, clock) as store:
        if store.flows.count():
            message = f"{store.database.place}: is not empty; the bench fills an empty database"
            raise PhageError(message)
        now = clock.now()
        _fill_devices(store, now)
        _fill_flows(store, now, dice)
        _fill_findings(store, now, dice)
        access = make_access(store, clock)
        access.users.add("bench", Role.ADMIN)
        if store.database.dialect == "postgresql":
            store.database.execute("ANALYZE")
        return access.sessions.begin("bench", "127.0.0.1", "bench")


def _address(number: int) -> str:
    return f"10.0.{number // 250 % 40}.{number % 250 + 1}"


def _mac(number: int) -> str:
    return (0x0200_0000_0000 + number).to_bytes(6, "big").hex(":")


def _fill_devices(store: Store, now: int) -> None:
    store.devices.save(
        Device(
            id=_mac(number),
            macs=(Seen(_mac(number), now - 10**15, now),),
            addresses=(Seen(_address(number), now - 10**15, now),),
            first_seen=now - 10**15,
            last_seen=now - number * SECOND,
            present=True,
            packets=number,
            octets=number * 800,
        )
        for number in range(DEVICES)
    )


def _fill_flows(store: Store, now: int, dice: random.Random) -> None:
    applications = ("tls", "dns", "http", "quic", "", "tls", "tls", "dns", "ssh")
    ports = {"tls": 443, "dns": 53, "http": 80, "quic": 443, "": 8443, "ssh": 22}
    for begin in range(0, FLOWS, BATCH):
        made = []
        for number in range(begin, begin + BATCH):
            # A few devices have most of the traffic.
            device = int(DEVICES * dice.random() ** 3)
            application = applications[number % 9]
            start = now - (FLOWS - number) * SECOND // 2
            made.append(
                Flow(
                    id=number, start=start, last=start + SECOND, src=_address(device),
                    dst=f"198.51.{number % 200}.{device % 250 + 1}",
                    src_port=40_000 + number % 9999,
                    dst_port=ports[application], protocol=6, src_mac=_mac(device),
                    packets=(10, 12), octets=(1200, 9000), state="closed",
                    end_reason="end of flow", application=application, ended=True,
                )
            )  # fmt: skip
        store.flows.save(made)


def _fill_findings(store: Store, now: int, dice: random.Random) -> None:
    severities, detectors = list(Severity), ("portscan", "anomaly", "bruteforce", "beaconing")
    for begin in range(0, FINDINGS, BATCH):
        store.findings.save(
            Finding(
                detector=detectors[number % 4], key=str(number),
                severity=severities[min(4, int(dice.expovariate(1.0)))], score=4.5,
                subject=Subject(_mac(number % DEVICES), _address(number), _mac(number % DEVICES)),
                summary=f"{_address(number)} tried {number % 900} ports.",
                first_seen=now - (FINDINGS - number) * 60 * SECOND,
                last_seen=now - (FINDINGS - number) * 59 * SECOND,
                peers=(Peer(f"198.51.100.{number % 250 + 1}", "", ("tcp/22",)),),
                id=f"{number:016x}", packets=number % 5000,
                state=FindingState.OPEN if number > FINDINGS - 40 else FindingState.CLOSED,
            )
            for number in range(begin, begin + BATCH)
        )  # fmt: skip


@contextlib.contextmanager
def serving(location: StoreLocation) -> Iterator[int]:
    """Serve a store from a process of its own; give the port."""
    program = f"from {__name__} import serve; serve({location.url!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101  It is a pipe.
        yield int(process.stdout.readline())
    finally:
        assert process.stdin is not None  # noqa: S101  As above.
        process.stdin.close()
        process.wait(30)
        assert process.stdout is not None  # noqa: S101  As above.
        process.stdout.close()


def serve(url: str) -> None:
    """Serve until standard input ends; print the port."""
    location, clock = StoreLocation(url), SystemClock()
    with open_store(location, clock) as store, contextlib.closing(StorePool(location)) as pool:
        services = Services(
            clock=clock,
            access=make_access(store, clock),
            reading=pool.reading,
            writing=store,
            registry=Registry(),
            health=lambda: {"status": "ok"},
            events=EventHub(),
            home=("10.0.0.0/8",),
            steer=_nothing,
        )
        server = ApiServer(make_app(services, Dashboard()), "127.0.0.1", 0)
        server.start()
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.stop()


def _nothing(_verb: str, _actor: str, /, **_values: object) -> dict[str, object]:
    return {"enforce": False, "panic": False, "standing": 0, "in_force": 0}


async def _crowd(port: int, cookie: str, pause: float) -> Waits:
    waits: list[float] = []
    begin = time.perf_counter()
    users = [_user(port, cookie, pause, number, begin, waits) for number in range(USERS)]
    await asyncio.gather(*users)
    lasted = time.perf_counter() - begin
    ranked = sorted(waits)
    return Waits(statistics.median(ranked), ranked[int(len(ranked) * 0.99)], len(ranked) / lasted)


async def _user(
    port: int, cookie: str, pause: float, number: int, begin: float, waits: list[float]
) -> None:
    dice = random.Random(number)  # noqa: S311  Which page comes next.
    await asyncio.sleep(dice.random() * pause)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() - begin < SECONDS:
        path = dice.choice(PATHS).format(
            a=dice.randrange(40), b=dice.randrange(250) + 1,
            finding=f"{dice.randrange(FINDINGS):016x}",
        )  # fmt: skip
        asked = time.perf_counter()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {COOKIE}={cookie}\r\n\r\n".encode()
        )
        status = await reader.readline()
        waits.append(time.perf_counter() - asked)
        await _rest(reader, path, status)
        if pause:
            await asyncio.sleep(pause * (0.5 + dice.random()))
    writer.close()


async def _rest(reader: asyncio.StreamReader, path: str, status: bytes) -> None:
    """Read an answer to its end. Raises PhageError for one that is none."""
    length = 0
    while (line := await reader.readline()).strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    await reader.readexactly(length)
    if b" 200 " not in status and b" 404 " not in status:
        message = f"{path}: was answered {status.decode().strip()}"
        raise PhageError(message)
