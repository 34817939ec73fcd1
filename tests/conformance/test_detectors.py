"""Every detector there is, crossed with every check, on ordinary and on hostile windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.cli.commands.plugins import known_families
from phage.detect.detector import Detector
from phage.plugin import Plugin, discover
from phage.records import LogEvent, LogKind, Observation, Window
from phage.records.columns import FLOW, HOST, SCORE
from phage.testing.conformance import detectors as checks
from phage.testing.windows import EPOCH, TICK

if TYPE_CHECKING:
    from collections.abc import Callable

DETECTORS = [plugin for plugin in discover(known_families()["detectors"]) if plugin.is_available]
# What fails is shown by its windows, however long.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
each_detector = pytest.mark.parametrize("plugin", DETECTORS, ids=lambda plugin: plugin.name)

KINDS = (
    "arp", "dns", "mdns", "llmnr", "nbns", "dhcp", "dhcpv6", "ssdp", "tls", "quic", "http",
    "ssh", "ra", "nd", "icmp", "ftp", "telnet", "smtp", "rdp", "smb",
)  # fmt: skip
FIELDS = (
    "operation", "sender_mac", "sender_ip", "target_mac", "target_ip", "gratuitous", "mismatch",
    "query", "query_type", "rcode", "response", "entropy", "name_length", "labels", "size",
    "query_bytes", "response_bytes", "answers", "answer", "message_type", "server_id",
    "your_ip", "client_mac", "router", "dns_servers", "sni", "method", "status", "host",
    "failures", "banner", "server", "prefixes", "lifetime", "flags", "kind",
)  # fmt: skip


def maker(plugin: Plugin) -> Callable[[], Detector]:
    def make() -> Detector:
        assert plugin.factory is not None
        detector = plugin.factory()
        assert isinstance(detector, Detector)
        return detector

    return make


def random_rows(dtype: np.dtype[Any], count: int, random: np.random.Generator, small: bool) -> Any:
    """Return rows of any octets; small ones differ in few addresses, as real ones do."""
    rows = np.frombuffer(random.bytes(count * dtype.itemsize), dtype=dtype).copy()
    if small:
        for name in dtype.names or ():
            if dtype[name] == np.dtype("V16"):
                raw = np.zeros((count, 16), np.uint8)
                raw[:, 10:12] = 255
                raw[:, 12:14] = (192, 168)
                raw[:, 15] = random.integers(0, 20, count)
                rows[name] = raw.view("V16").reshape(count)
            elif dtype[name].base.kind in "ui" and dtype[name].base.itemsize > 1:
                rows[name] = random.integers(0, 50, rows[name].shape)
    if "low" in (dtype.names or ()):
        # The core orders the ends of a normal range; no packet can change that.
        ends = np.sort(np.nan_to_num(np.stack([rows["low"], rows["high"]])), axis=0)
        rows["low"], rows["high"] = ends
    return rows


values = (
    st.text(max_size=20)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.booleans()
    | st.tuples(st.text(max_size=5))
)
observations = st.builds(
    Observation,
    kind=st.sampled_from(KINDS),
    time=st.integers(EPOCH, EPOCH + 10**12),
    packet=st.integers(0, 2**40),
    src=st.sampled_from(["192.168.1.1", "192.168.1.2", "fe80::1", "", "8.8.8.8"]),
    dst=st.sampled_from(["192.168.1.1", "192.168.1.3", "ff02::1", "", "255.255.255.255"]),
    src_port=st.integers(0, 65535),
    dst_port=st.sampled_from([0, 53, 67, 68, 546, 547, 5353, 80]),
    src_mac=st.sampled_from(["02:00:00:00:00:01", "02:00:00:00:00:02", ""]),
    dst_mac=st.sampled_from(["02:00:00:00:00:03", "ff:ff:ff:ff:ff:ff", ""]),
    vlan=st.sampled_from([0, 7]),
    protocol=st.sampled_from([0, 6, 17, 58]),
    device=st.integers(0, 2**32 - 1),
    flow=st.integers(0, 2**40),
    fields=st.dictionaries(st.sampled_from(FIELDS), values, max_size=8),
)

events = st.builds(
    LogEvent,
    kind=st.sampled_from(LogKind),
    time=st.integers(EPOCH, EPOCH + 10**12),
    source=st.sampled_from(["/var/log/auth.log", ""]),
    service=st.sampled_from(["sshd", "nginx", "suricata"]),
    address=st.sampled_from(["192.0.2.1", "2001:db8::1", "fe80::1", "", "no address"]),
    user=st.sampled_from(["root", ""]) | st.text(max_size=20),
    path=st.sampled_from(["/.env", ""]) | st.text(max_size=20),
    status=st.integers(0, 999),
    message=st.text(max_size=40),
    spoofable=st.booleans(),
    fields=st.dictionaries(
        st.sampled_from(["signature", "signature_id", "severity", "target", "protocol"]), values
    ),
)


@st.composite
def hostile(draw: st.DrawFn) -> list[Window]:
    """Some windows with anything in them."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    windows = []
    for number in range(draw(st.integers(1, 4))):
        small = draw(st.booleans())
        start = EPOCH + number * TICK
        windows.append(
            Window(
                start=start,
                end=start + TICK,
                packets=draw(st.integers(0, 10_000)),
                flows=random_rows(FLOW, draw(st.integers(0, 60)), random, small),
                hosts=random_rows(HOST, draw(st.integers(0, 30)), random, small),
                scores=random_rows(SCORE, draw(st.integers(0, 10)), random, small),
                observations=tuple(draw(st.lists(observations, max_size=8))),
                events=tuple(draw(st.lists(events, max_size=8))) * draw(st.integers(0, 30)),
            )
        )
    return windows


@each_detector
def test_nothing_is_found_in_nothing(plugin: Plugin) -> None:
    checks.check_nothing(maker(plugin))


@each_detector
@given(windows=hostile())
def test_whatever_windows_hold_is_no_exception_and_gives_the_same_twice(
    plugin: Plugin, windows: list[Window]
) -> None:
    checks.check_same(maker(plugin), windows)


@each_detector
@given(windows=hostile())
def test_windows_are_only_read(plugin: Plugin, windows: list[Window]) -> None:
    checks.check_windows_unchanged(maker(plugin), windows)
