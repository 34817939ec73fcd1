"""How long the API and the pages let people wait, over a store of a large network.

10,000 devices, 1,000,000 flows, 100,000 findings, 20,000 samples and 300 rules; 50 users at a time,
each of whom asks for something else as soon as the answer has begun, and again after a pause as
people make it. The server runs in a process of its own, as in `phage run`.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phage.access.access import make_access
from phage.api.app import make_app
from phage.api.events import EventHub
from phage.api.security import COOKIE
from phage.api.server import ApiServer
from phage.api.services import Services
from phage.clock import SystemClock
from phage.config.settings import Settings
from phage.daemon.benchmark.largebook import make_book
from phage.daemon.benchmark.largestore import Scale, fill, sha256_of
from phage.daemon.benchmark.live import cpu_seconds
from phage.daemon.settingsdesk import LocalSettingsDesk
from phage.errors import PhageError
from phage.frozen import frozen
from phage.intel.catalog import Catalog
from phage.store.pool import StorePool
from phage.store.store import StoreLocation, open_store
from phage.telemetry.metrics import Registry
from phage.web.dashboard import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

USERS = 50
SECONDS = 15.0
PAUSE_SECONDS = 1.0

PATHS = (
    "/",
    "/?period=7d",
    "/devices",
    "/devices?q=10.0.{a}.{b}",
    "/devices/10.0.{a}.{b}",
    "/map",
    "/traffic",
    "/traffic?period=7d",
    "/flows",
    "/flows?host=10.0.{a}.{b}",
    "/ddos",
    "/findings",
    "/findings?severity=critical",
    "/findings?host=10.0.{a}.{b}",
    "/findings/{finding}",
    "/decisions",
    "/decisions?show=ended",
    "/decisions/{decision}",
    "/rules",
    "/rules/large.yaml",
    "/feeds",
    "/files",
    "/files?q=invoice-{a}&outcome=infected",
    "/files/{sample}",
    "/settings",
    "/users",
    "/audit",
    "/search?q=10.0.{a}.{b}",
    "/api/v1/status",
    "/api/v1/findings",
    "/api/v1/findings?severity=critical&limit=50",
    "/api/v1/findings?detector=portscan&sort=severity",
    "/api/v1/findings?host=10.0.{a}.{b}",
    "/api/v1/findings/{finding}",
    "/api/v1/attacks",
    "/api/v1/attacks?host=10.0.{a}.{b}",
    "/api/v1/flows",
    "/api/v1/flows?host=10.0.{a}.{b}",
    "/api/v1/flows?application=ssh&limit=50",
    "/api/v1/flows?port=8443&limit=50",
    "/api/v1/devices",
    "/api/v1/devices?text=10.0.{a}",
    "/api/v1/devices/10.0.{a}.{b}",
    "/api/v1/traffic/top",
    "/api/v1/traffic/peers?host=10.0.{a}.{b}",
    "/api/v1/traffic/top?kind=pair&since=2020-01-01T00:00:00Z&limit=100",
    "/api/v1/decisions",
    "/api/v1/rules",
    "/api/v1/samples",
    "/api/v1/samples/{sample}",
    "/api/v1/networks",
    "/api/v1/feeds",
    "/api/v1/threats",
    "/api/v1/audit",
)
"""Every page and every list whose size grows with the network, and single records."""


@dataclass(slots=True)
class Waits:
    """Seconds to the first octet of answers, by the path that was asked for."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    lasted: float = 0.0
    cpu: float = 0.0
    """Seconds of processor time that the server took."""

    def add(self, path: str, seconds: float) -> None:
        """Note the wait for one answer."""
        self.seconds.setdefault(path, []).append(seconds)

    @property
    def ranked(self) -> list[float]:
        """Return all waits, the shortest first."""
        return sorted(each for waits in self.seconds.values() for each in waits)

    @property
    def median(self) -> float:
        """Return the median."""
        return statistics.median(self.ranked)

    @property
    def p99(self) -> float:
        """Return the 99th percentile."""
        return self.ranked[int(len(self.ranked) * 0.99)]

    @property
    def rate(self) -> float:
        """Return the answers a second."""
        return len(self.ranked) / self.lasted

    @property
    def cpu_each(self) -> float:
        """Return the seconds of processor time of an answer."""
        return self.cpu / len(self.ranked)


def measure(
    location: StoreLocation | None = None, scale: Scale | None = None
) -> tuple[Waits, Waits]:
    """Return the waits of users with a pause, and of users without one.

    Args:
        location: An empty database; None for an SQLite file of its own.
        scale: How much is in it; None for a large network.
    """
    with tempfile.TemporaryDirectory(prefix="phage-bench-api-") as folder:
        place = location or StoreLocation.of("", "", Path(folder) / "store.sqlite3")
        cookie = fill(place, scale or Scale())
        with serving(place) as server:
            patient = crowd(server, cookie, PAUSE_SECONDS)
            hasty = crowd(server, cookie, 0.0)
    return patient, hasty


@frozen
class Server:
    """A server in a process of its own."""

    port: int
    pid: int


@contextlib.contextmanager
def serving(location: StoreLocation) -> Iterator[Server]:
    """Serve a store from a process of its own."""
    program = f"from {__name__} import serve; serve({location.url!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101  It is a pipe.
        yield Server(int(process.stdout.readline()), process.pid)
    finally:
        assert process.stdin is not None  # noqa: S101  As above.
        process.stdin.close()
        process.wait(30)
        assert process.stdout is not None  # noqa: S101  As above.
        process.stdout.close()


def serve(url: str) -> None:
    """Serve until standard input ends; print the port."""
    location, clock = StoreLocation(url), SystemClock()
    with (
        tempfile.TemporaryDirectory(prefix="phage-bench-api-") as folder,
        open_store(location, clock) as store,
        contextlib.closing(StorePool(location)) as pool,
    ):
        services = Services(
            clock=clock,
            access=make_access(store, clock),
            reading=pool.reading,
            writing=store,
            registry=Registry(),
            health=lambda: {"status": "ok"},
            events=EventHub(),
            home=("10.0.0.0/8",),
            catalog=Catalog,
            steer=_nothing,
            rules=make_book(Path(folder), pool.reading, clock),
            settings=LocalSettingsDesk(Settings(), None, {}),
        )
        server = ApiServer(make_app(services, Dashboard()), "127.0.0.1", 0)
        server.start()
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.stop()


def _nothing(_verb: str, _actor: str, /, **_values: object) -> dict[str, object]:
    return {"enforce": False, "panic": False, "standing": 0, "in_force": 0}


def crowd(server: Server, cookie: str, pause: float, seconds: float = SECONDS) -> Waits:
    """Let all users ask for some seconds; each pauses between two questions.

    Raises PhageError for an answer that is none.
    """
    return asyncio.run(_crowd(server, cookie, pause, seconds))


async def _crowd(server: Server, cookie: str, pause: float, seconds: float) -> Waits:
    waits, before = Waits(), cpu_seconds(server.pid)
    begin = time.perf_counter()
    end = begin + seconds
    async with asyncio.TaskGroup() as users:
        for number in range(USERS):
            users.create_task(_user(server.port, cookie, pause, number, end, waits))
    waits.lasted = time.perf_counter() - begin
    waits.cpu = cpu_seconds(server.pid) - before
    return waits


async def _user(
    port: int, cookie: str, pause: float, number: int, end: float, waits: Waits
) -> None:
    dice = random.Random(number)  # noqa: S311  Which page comes next.
    await asyncio.sleep(dice.random() * pause)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        while time.perf_counter() < end:
            kind = dice.choice(PATHS)
            path = kind.format_map(_places(dice))
            asked = time.perf_counter()
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {COOKIE}={cookie}\r\n\r\n"
            writer.write(head.encode())
            status = await reader.readline()
            waits.add(kind, time.perf_counter() - asked)
            await _rest(reader, path, status)
            if pause:
                await asyncio.sleep(pause * (0.5 + dice.random()))


def _places(dice: random.Random) -> dict[str, object]:
    """Return something of each kind of record, to ask for."""
    return {
        "a": dice.randrange(40),
        "b": dice.randrange(250) + 1,
        "finding": f"{dice.randrange(100_000):016x}",
        "decision": f"{dice.randrange(10_000) + 1:026d}",
        "sample": sha256_of(dice.randrange(20_000)),
    }


async def _rest(reader: asyncio.StreamReader, path: str, status: bytes) -> None:
    """Read an answer to its end. Raises PhageError for one that is none."""
    length = 0
    while (line := await reader.readline()).strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    await reader.readexactly(length)
    if not any(code in status for code in (b" 200 ", b" 303 ", b" 404 ")):
        message = f"{path}: was answered {status.decode().strip()}"
        raise PhageError(message)
