"""Devices: the import of all registries of MAC addresses, lists of ten thousand, their memory."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from phage.access.access import make_access
from phage.access.roles import Role
from phage.api.app import make_app
from phage.api.events import EventHub
from phage.api.services import Services
from phage.clock import SystemClock
from phage.daemon.memory import settle
from phage.devices import registry
from phage.devices.inventory import Inventory
from phage.devices.ouifile import read_assignments
from phage.devices.profiler import Profiler
from phage.errors import PhageError
from phage.records.device import Attribute, Device, Guess, Mark, MarkKind, Seen, Trait
from phage.records.profile import KeyOrder, KeyUse, Phase, Profile, ProfileKey, Way
from phage.store.pool import StorePool
from phage.store.store import StoreLocation, open_store
from phage.telemetry.metrics import Registry

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

DEVICES = 10_000
AT = 1_700_000_000_000_000_000

SIZES = {6: ("MA-L", 40_126), 7: ("MA-M", 6_641), 9: ("MA-S", 11_808)}
"""Assignments of the registries, by the digits of their prefixes."""

DEBIAN = Path("/usr/share/ieee-data")


def import_seconds() -> tuple[float, int]:
    """Return how long the import of all registries takes, and how many assignments there are.

    Those of Debian's package ieee-data, else made ones of the same sizes.
    """
    found = sorted(DEBIAN.glob("*.csv"))
    files = {str(path): path.read_bytes() for path in found} or _made()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "oui"
        began = time.perf_counter()
        fresh = [each for name, raw in files.items() for each in read_assignments(name, raw)]
        made = registry.load(path).with_registries(fresh)
        registry.save(path, made)
        return time.perf_counter() - began, len(made)


def _made() -> dict[str, bytes]:
    files = {}
    for digits, (name, count) in SIZES.items():
        lines = ["Registry,Assignment,Organization Name,Organization Address"]
        lines += [
            f'{name},{number * 7:0{digits}X},"Maker {number}, Inc.","{number} Some Street, Town"'
            for number in range(count)
        ]
        files[f"{name}.csv"] = "\r\n".join((*lines, "")).encode()
    return files


def list_milliseconds() -> tuple[float, float]:
    """Return how long the API takes to list ten thousand devices, and how much of it it computes.

    All but the socket: who asks is known by a token, the answer has its ETag.
    """
    with tempfile.TemporaryDirectory() as folder:
        place, clock = StoreLocation.of("", "", Path(folder) / "store.sqlite3"), SystemClock()
        with open_store(place, clock) as store, contextlib.closing(StorePool(place)) as pool:
            store.devices.save(map(_device, range(DEVICES)))
            services = Services(
                clock=clock,
                access=make_access(store, clock),
                reading=pool.reading,
                writing=store,
                registry=Registry(),
                health=lambda: {"status": "ok"},
                events=EventHub(),
            )
            services.access.users.add("bench", Role.VIEWER)
            _, secret = services.access.tokens.create("bench", "bench", ("*",))
            settle()  # As `phage run` does.
            return asyncio.run(_ask(make_app(services), secret))


async def _ask(app: ASGIApp, secret: str) -> tuple[float, float]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/v1/devices",
        "raw_path": b"/api/v1/devices",
        "query_string": f"limit={DEVICES}".encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {secret}".encode())],
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    body = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        body.extend(message.get("body", b""))

    waits, worked = [], []
    for _ in range(9):
        body.clear()
        began, busy = time.perf_counter(), time.process_time()
        await app(dict(scope), receive, send)
        waits.append(time.perf_counter() - began)
        worked.append(time.process_time() - busy)
        if len(json.loads(body)["items"]) != DEVICES:
            message = f"not {DEVICES} devices were listed: {bytes(body[:200])!r}"
            raise PhageError(message)
    return median(waits) * 1000, median(worked) * 1000


def octets_of_a_device() -> float:
    """Return the memory of one device of ten thousand: all that is known of it, and its profile."""
    before = _resident()
    inventory = Inventory()
    inventory.load(map(_device, range(DEVICES)))
    profiler = Profiler(inventory)
    profiler.books.load(map(_profile, range(DEVICES)))
    return (_resident() - before) / len(inventory)


def _resident() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


KEYS, NAMES = 32, 64
"""A simple device has 14 to 32 keys in its profile, and knows some addresses of each by name."""


def _profile(number: int) -> Profile:
    mac = f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    use = KeyUse(AT, AT + number, 7, 1000, 10**6 + number, 10**7 + number, 60.0, 0.1, 1 << 160)
    peers = (f"name:service{n}.example{number % 100}.com" for n in range(KEYS))
    own = [ProfileKey(Way.OUT, 6, 443, peer) for peer in peers]
    keys = {
        key: replace(use, order=KeyOrder(300 + n, AT + n, AT, {own[n - 1]: 0.99, own[n - 2]: 0.97}))
        for n, key in enumerate(own)
    }
    names = {f"203.0.{number & 255}.{n}": f"host{n}.service{n}.example.com" for n in range(NAMES)}
    rates = {"arp": 1.0, "syn": 2.0, "peers": 3.0}
    return Profile(mac, AT, AT + number, Phase.PROPOSE, keys, {}, rates, names)


def _device(number: int) -> Device:
    mac = f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    seen = AT + number * 7_000_000_000
    traits = tuple(
        Trait(attribute, f"value {number % 50}", 0.7, source, f"{source} says {number}", AT)
        for attribute in (Attribute.NAME, Attribute.VENDOR, Attribute.PRODUCT, Attribute.CATEGORY)
        for source in ("dhcp", "mdns", "oui", "banner")
    )
    return Device(
        mac,
        labels=("bench",),
        macs=(Seen(mac, AT, AT),),
        addresses=tuple(Seen(f"10.{number >> 8}.{number & 255}.{n}", AT, AT) for n in range(3)),
        first_seen=AT,
        last_seen=seen,
        traits=traits,
        marks=(Mark(MarkKind.HOSTNAME, f"host-{number}"),),
        words=tuple(f"name:service{n}.example.com" for n in range(30)),
        guesses={Attribute.CATEGORY: Guess("camera", 0.9, ("dhcp: vendor class",))},
    )
