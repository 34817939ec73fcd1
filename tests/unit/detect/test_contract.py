"""Every detector, crossed with checks of its findings, its bounds and hostile input."""

from __future__ import annotations

import json
import math
import random
import sys
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.detect.attack import Attacks
from phage.detect.detector import CatalogEntry, Detector, Knowledge
from phage.plugin import Family, Plugin, discover
from phage.records import Finding, LogEvent, LogKind, Observation, Severity, Window
from phage.records.columns import FLOW, HOST, SCORE
from phage.records.indicator import IndicatorKind, Mention
from phage.records.profile import Deviation, DeviationKind, ProfileKey, Way
from phage.testing.floods import Network, Packet
from phage.testing.timeline import Timeline
from phage.testing.windows import EPOCH, ROUTER, SECOND, TICK, Endpoint, device, remote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.records.observation import Value

FAMILY = Family("detectors", Detector, "phage.detect.detectors")
PLUGINS = [plugin for plugin in discover(FAMILY) if plugin.is_available]
KINDS = [
    "arp",
    "dns",
    "mdns",
    "dhcp",
    "dhcpv6",
    "ra",
    "nd",
    "tls",
    "http",
    "ftp",
    "smtp",
    "telnet",
    "smb",
    "mqtt",
]
FIELDS = [
    "operation",
    "sender_mac",
    "sender_ip",
    "target_mac",
    "target_ip",
    "gratuitous",
    "probe",
    "query",
    "query_type",
    "name_length",
    "response",
    "rcode",
    "answer",
    "response_bytes",
    "entropy",
    "message_type",
    "server_id",
    "server_duid",
    "router",
    "dns_servers",
    "client_mac",
    "relay_ip",
    "router_lifetime",
    "prefixes",
    "kind",
    "target",
    "mac",
    "sni",
    "host",
    "method",
    "uri",
    "status",
    "authorization",
    "failures",
    "code",
    "server",
]
WORDS = [
    "",
    "request",
    "reply",
    "192.168.1.1",
    "192.168.1.20",
    "fe80::1",
    "02:00:00:00:00:01",
    "A",
    "TXT",
    "www.example.org",
    "\x00\x1b[31m\u202e.example",
    "NXDOMAIN",
    "offer",
    "discover",
    "solicitation",
    "advertisement",
    "POST",
    "/login",
    "A 192.0.2.1",
    "not an address",
    "x" * 255,
]


def make(plugin: Plugin) -> Detector:
    assert plugin.factory is not None
    detector: Detector = plugin.factory()
    return detector


class Lists:
    """Threat intelligence that names every address, and names below example.org."""

    def address(self, raw: bytes) -> tuple[Mention, ...]:
        return (Mention("feed\x1b[2J", IndicatorKind.NETWORK, "::/0", 90, ("\u202e",), "x" * 999),)

    def domain(self, name: str) -> tuple[Mention, ...]:
        listed = name.endswith("example.org")
        return (Mention("feed", IndicatorKind.DOMAIN, "example.org", 90),) if listed else ()

    def value(self, kind: IndicatorKind, value: str) -> tuple[Mention, ...]:
        return ()


DEVIATIONS = (
    Deviation(
        device(20).mac, device(20).mac, "192.168.1.20", "203.0.113.9", EPOCH, DeviationKind.NEW,
        ProfileKey(Way.OUT, 6, 23, "name:\x1b[2J" + "long" * 60),
    ),
    Deviation(
        "d", "", "192.168.1.21", "", EPOCH, DeviationKind.RATE, None, "arp_request", 9e9, 0.0
    ),
)  # fmt: skip


def knowledge() -> Knowledge:
    return Knowledge(
        learning=False,
        intelligence=Lists(),
        routers=frozenset({ROUTER.mac, "no MAC at all"}),
        names={device(20).mac: "Camera\x07\x1b[2J" + "long " * 100},
        catalog=(
            CatalogEntry("peers_out", "peers", "distinct peers"),
            CatalogEntry("octets_out_rate", "octets/s", "octets sent"),
            *(CatalogEntry(f"feature {n}", "octets", "meaning\n" * 50) for n in range(8)),
        ),
    )


def run(
    detector: Detector, windows: Iterable[Window], knows: Knowledge | None = None
) -> list[Finding]:
    known = knows or knowledge()
    found: list[Finding] = []
    for window in windows:
        known.deviations = DEVIATIONS if len(window.flows) else ()
        found += detector.inspect(window, known)
    return found


def hostile_windows(count: int, rows: int, seed: int = 1, *, full: bool = False) -> list[Window]:
    """Make windows of any bytes; `full` marks rows so that detectors look at them."""
    rng = np.random.default_rng(seed)
    windows = []
    for number in range(count):
        start = EPOCH + number * TICK
        flows = _random_rows(rng, FLOW, rows)
        hosts = _random_rows(rng, HOST, rows // 4)
        if full:
            flows["protocol"] = rng.choice([1, 6, 17, 58], rows)
            flows["event"] = rng.integers(1, 8, rows)
            flows["state"] = rng.integers(0, 8, rows)
            flows["home"] = rng.integers(0, 4, rows)
            flows["start"] = flows["last"] = start
            flows["dst_mac"] &= np.uint64(0xFEFF_FFFF_FFFF)
            flows["packets"] = rng.integers(0, 20, (rows, 2))
            flows["dst_port"] = rng.choice([22, 23, 53, 80, 443, 3389, 8080], rows)
            hosts["first"] = hosts["last"] = start
        scores = _random_rows(rng, SCORE, min(rows, 200))
        if full:
            scores["time"] = start
            scores["surprise"] = rng.uniform(0, 12, len(scores))
            scores["total"] = scores["surprise"]
            scores["packets"] = 1
        windows.append(
            Window(
                start, start + TICK, rows, rows * 60, flows, hosts=hosts, scores=scores,
                events=_random_events(rng, start, min(rows, 3000) // 4),
            )
        )  # fmt: skip
    return windows


def _random_events(rng: np.random.Generator, start: int, count: int) -> tuple[LogEvent, ...]:
    """Make events of hosts and names that never come again, with anything in their texts."""
    kinds = list(LogKind)
    return tuple(
        LogEvent(
            kinds[number % len(kinds)],
            start + int(rng.integers(0, TICK)),
            "a.log",
            "sshd",
            ".".join(map(str, rng.integers(0, 256, 4))),
            rng.bytes(12).decode("latin-1"),
            rng.bytes(12).decode("latin-1"),
            404,
            rng.bytes(60).decode("latin-1"),
            fields={"signature": rng.bytes(12).decode("latin-1"), "severity": number % 5},
        )
        for number in range(count)
    )


def eventful_log() -> Window:
    """Make a window of logs in which somebody guesses, searches, and sets off another engine."""
    events = []
    for number in range(40):
        time = EPOCH + 20_000 * SECOND + number * SECOND
        address, hostile = "198.51.100.7", f"x{number}\x1b[2J\u202e"
        events += [
            LogEvent(LogKind.AUTH_FAILED, time, "auth.log", "sshd", address, hostile,
                     message=f"Failed password for {hostile}"),
            LogEvent(LogKind.AUTH_FAILED, time, "auth.log", "sshd", f"192.0.2.{number}", "root"),
            LogEvent(LogKind.HTTP_PROBE, time, "access.log", "nginx", address, "",
                     f"/.env?{hostile}", 200, hostile),
            LogEvent(LogKind.ALERT, time, "eve.json", "suricata", address, spoofable=True,
                     fields={"signature": hostile, "signature_id": 7, "target": device(3).ip}),
            LogEvent(LogKind.REMEMBERED, time, "store", "retrohunt", device(3).ip,
                     fields={"mac": "", "value": "bad.example", "indicator": hostile,
                             "indicator_kind": "domain", "feeds": (hostile,), "confidence": 80,
                             "first": time - SECOND, "times": 3, "way": "name"}),
            LogEvent(LogKind.MALWARE, time, "scan", "clamav", device(4).ip,
                     fields={"mac": "", "outcome": "infected", "label": hostile, "name": hostile,
                             "sha256": "a" * 64, "place": hostile, "kind": "zip",
                             "peer": address, "protocol": "http"}),
        ]  # fmt: skip
    return Window(EPOCH + 20_000 * SECOND, EPOCH + 20_040 * SECOND, events=tuple(events))


def _random_rows(
    rng: np.random.Generator, dtype: np.dtype[Any], count: int
) -> np.ndarray[Any, np.dtype[Any]]:
    return np.frombuffer(rng.bytes(count * dtype.itemsize), dtype=dtype).copy()


def eventful_windows() -> list[Window]:
    """Make windows in which something happens for every detector, honest and not."""
    timeline = Timeline(learning_until=100)
    rng = random.Random(1)
    for number in range(300):
        time = number * 1.0
        timeline.connect(time, device(3), remote(number % 7), 443)
        timeline.connect(200 + number * 0.02, device(7), device(20), number + 1, answer="refused")
        timeline.connect(
            230 + number * 0.2, device(8), device(20), 22, payload=(2300, 2700), lasts=0.1
        )
        timeline.connect(300 + number * 0.0005, remote(number), device(21), 80, answer="half")
        timeline.connect(301 + number * 0.0005, remote(number), device(21), 80, answer="half")
        timeline.arp(320 + number * 0.05, device(9), f"192.168.1.{number % 250 + 1}")
        timeline.arp(number, device(20), ROUTER.ip)
        timeline.arp(number + 0.1, ROUTER, device(20).ip, reply_to=device(20))
        timeline.arp(
            340 + number * 0.5, device(10), device(20).ip, reply_to=device(20), claims=ROUTER.ip
        )
        name = f"{rng.randbytes(30).hex()[:60]}.example.org"
        timeline.dns(350 + number * 0.1, device(11), ROUTER, name, kind="TXT", down=200)
        timeline.connect(4000 + number * 30, device(3), remote(500), 4444)
        timeline.score(
            380 + number * 0.25, device(12), remote(3), 8.0, packets=9, surprising=9, total=70,
            features=[0, 1, 9], values=[54, 1e9, 3], high=[4, 2, 1], weights=[0.7, 0.2, 0.1],
        )  # fmt: skip
    network = Network(home="192.168.1.0/24")
    network.send(
        0, 4, 30_000, lambda: Packet(network.far(), "192.168.1.30", 123, network.port(), 17, 0, 468)
    )
    return [*timeline.windows(), *network.windows(), eventful_log()]


EVENTFUL = eventful_windows()


@pytest.fixture(params=PLUGINS, ids=lambda plugin: plugin.name)
def plugin(request: pytest.FixtureRequest) -> Plugin:
    found: Plugin = request.param
    return found


def test_all_shipped_detectors_are_available() -> None:
    names = {plugin.name for plugin in PLUGINS}
    assert names >= {
        "anomaly", "arpspoof", "beaconing", "bruteforce", "dnstunnel", "portscan", "synflood",
    }  # fmt: skip


def test_it_says_what_it_is(plugin: Plugin) -> None:
    detector = make(plugin)
    assert detector.name == plugin.name
    assert 10 <= len(detector.summary) <= 100
    assert "\n" not in detector.summary
    assert detector.dropped == 0
    assert "Fails" in (type(detector).__doc__ or "")


def test_nothing_gives_nothing(plugin: Plugin) -> None:
    windows = [Window(EPOCH + number * TICK, EPOCH + (number + 1) * TICK) for number in range(10)]
    assert run(make(plugin), windows) == []


def test_findings_are_well_formed(plugin: Plugin) -> None:
    findings = run(make(plugin), EVENTFUL)
    assert findings
    for finding in findings:
        check_finding(finding, plugin.name)


def check_finding(finding: Finding, name: str) -> None:
    assert finding.detector == name
    assert finding.key
    assert isinstance(finding.severity, Severity)
    assert math.isfinite(finding.score)
    assert 0.0 <= finding.score <= 1.0
    assert finding.subject.device
    assert finding.first_seen <= finding.last_seen
    assert finding.packets >= 0
    assert len(finding.peers) <= 32
    assert finding.peers_total >= len(finding.peers)
    # One sentence that fits, without what moves a cursor.
    assert 0 < len(finding.summary) < 300
    assert finding.summary.isprintable()
    assert finding.summary.endswith(".")
    assert not finding.summary.endswith("..")
    text = json.dumps(dict(finding.evidence), allow_nan=False)
    assert len(text) < 10_000
    assert text.isprintable()
    for feature in finding.features:
        assert all(map(math.isfinite, (feature.value, feature.expected_low, feature.expected_high)))
        assert feature.name


def test_the_same_windows_give_the_same_findings(plugin: Plugin) -> None:
    assert run(make(plugin), EVENTFUL) == run(make(plugin), EVENTFUL)


def test_the_order_of_rows_does_not_matter(plugin: Plugin) -> None:
    rng = np.random.default_rng(5)
    turned = [
        replace(
            window,
            flows=rng.permutation(window.flows),
            hosts=rng.permutation(window.hosts),
            scores=rng.permutation(window.scores),
            observations=window.observations[::-1],
            events=window.events[::-1],
        )
        for window in EVENTFUL
    ]
    assert run(make(plugin), turned) == run(make(plugin), EVENTFUL)


def test_keys_are_stable(plugin: Plugin) -> None:
    """The attacks that the windows hold are few, however many windows there are."""
    findings = run(make(plugin), EVENTFUL)
    assert len({finding.key for finding in findings}) <= 12
    attacks = Attacks()
    opened = {one.id for finding in findings for one in attacks.merge([finding], finding.last_seen)}
    assert len(opened) <= 24


@pytest.mark.parametrize("full", [False, True])
def test_any_bytes_are_survived_and_state_is_bounded(plugin: Plugin, full: bool) -> None:
    detector = make(plugin)
    windows = hostile_windows(120, 600, full=full)
    for finding in run(detector, windows[:60]):
        check_finding(finding, plugin.name)
    middle = footprint(detector)
    run(detector, windows[60:])
    assert footprint(detector) < max(2.5 * middle, 4_000_000)


def test_a_flood_of_made_up_sources_is_bounded(plugin: Plugin) -> None:
    detector = make(plugin)
    windows = hostile_windows(8, 12_500, seed=7, full=True)
    findings = run(detector, windows)
    assert footprint(detector) < 40_000_000
    assert len(findings) < 8 * 5000


def footprint(thing: object) -> int:
    """Estimate the octets that an object holds, all that hangs from it included."""
    seen: set[int] = set()
    total = 0
    stack = [thing]
    while stack:
        one = stack.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if isinstance(one, dict):
            stack.extend(one.keys())
            stack.extend(one.values())
        elif isinstance(one, list | tuple | set | frozenset | deque):
            stack.extend(one)
        else:
            slots = [name for base in type(one).__mro__ for name in getattr(base, "__slots__", ())]
            stack.extend(getattr(one, name) for name in slots if hasattr(one, name))
            stack.extend(getattr(one, "__dict__", {}).values())
    return total


values = st.one_of(
    st.sampled_from(WORDS),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.tuples(st.sampled_from(WORDS)),
)
addresses = st.sampled_from(
    ["", "192.168.1.1", "192.168.1.20", "203.0.113.9", "fe80::1", "ff02::1"]
)
macs = st.sampled_from(["", ROUTER.mac, device(20).mac, "ff:ff:ff:ff:ff:ff", "00:00:5e:00:01:01"])
observations = st.builds(
    Observation,
    kind=st.sampled_from(KINDS),
    time=st.integers(EPOCH, EPOCH + 100 * SECOND),
    packet=st.integers(0, 2**40),
    src=addresses,
    dst=addresses,
    src_port=st.sampled_from([0, 22, 53, 67, 80, 40_000]),
    dst_port=st.sampled_from([0, 22, 53, 68, 80, 40_000]),
    src_mac=macs,
    dst_mac=macs,
    vlan=st.integers(0, 4095),
    protocol=st.sampled_from([0, 6, 17, 58]),
    device=st.integers(0, 2**32 - 1),
    flow=st.integers(0, 50),
    fields=st.dictionaries(st.sampled_from(FIELDS), values, max_size=8),
)


@given(st.lists(st.lists(observations, max_size=12), max_size=8), st.integers(0, 2**32))
def test_any_messages_are_survived(batches: list[list[Observation]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    for plugin in PLUGINS:
        detector = make(plugin)
        windows = [
            Window(
                EPOCH + number * TICK,
                EPOCH + (number + 1) * TICK,
                flows=_random_rows(rng, FLOW, 3),
                hosts=_random_rows(rng, HOST, 2),
                scores=_random_rows(rng, SCORE, 2),
                observations=tuple(batch),
            )
            for number, batch in enumerate(batches)
        ]
        for finding in run(detector, windows):
            check_finding(finding, plugin.name)


def test_names_from_the_network_are_made_harmless(plugin: Plugin) -> None:
    hostile = "\x1b[2J\u202eevil\n" + "a" * 200
    timeline = Timeline()
    rng = random.Random(2)
    for number in range(200):
        name = f"{rng.randbytes(25).hex()}.{hostile}.example\x07"
        fields: dict[str, Value] = {
            "response": False,
            "query": name,
            "query_type": "TXT\x00",
            "name_length": 250,
        }
        timeline.message(
            1 + number * 0.1, "dns", device(5), Endpoint("192.168.1.1"), fields, ports=(4000, 53)
        )
    for finding in run(make(plugin), timeline.windows()):
        check_finding(finding, plugin.name)
