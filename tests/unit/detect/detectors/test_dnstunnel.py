"""Tunnels of several designs are found; content networks and reputation services are none."""

from __future__ import annotations

import base64
import hashlib
import random
from typing import TYPE_CHECKING

import pytest

from phage.detect.detectors.dnstunnel import Dnstunnel
from phage.records.columns import UNKNOWN_APPLICATION
from phage.testing.timeline import Timeline, findings_of
from phage.testing.windows import ROUTER, at, device, device6, remote

if TYPE_CHECKING:
    from phage.records import Finding
    from phage.records.observation import Value

CLIENT = device(20)


def found(timeline: Timeline) -> list[Finding]:
    return findings_of(timeline.windows(), Dnstunnel())


def encoded(rng: random.Random, octets: int) -> str:
    text = base64.b32encode(rng.randbytes(octets)).decode().lower().rstrip("=")
    return ".".join(text[at : at + 60] for at in range(0, len(text), 60))


@pytest.mark.parametrize("kind", ["NULL", "TXT", "CNAME", "MX", "A", "TYPE65399"])
def test_an_interactive_tunnel(kind: str) -> None:
    timeline = Timeline()
    rng = random.Random(1)
    for number in range(200):
        name = f"{encoded(rng, 70)}.t.example.org"
        down = 16 if kind == "A" else 180
        timeline.dns(1 + number * 0.05, CLIENT, ROUTER, name, kind=kind, down=down)
    (finding,) = found(timeline)
    assert finding.subject.mac == CLIENT.mac
    assert finding.peers[0].ip == ROUTER.ip
    assert finding.evidence["domain"] == "example.org"
    assert finding.evidence["names"] == 200
    assert "carried" in finding.summary


def test_a_tunnel_is_told_within_five_seconds() -> None:
    timeline = Timeline()
    rng = random.Random(2)
    for number in range(300):
        timeline.dns(
            1 + number * 0.1, CLIENT, ROUTER, f"{encoded(rng, 90)}.example.org", kind="TXT"
        )
    early = [window for window in timeline.windows() if window.end <= at(6)]
    assert len(findings_of(early, Dnstunnel())) == 1


def test_a_tunnel_by_ipv6() -> None:
    timeline = Timeline()
    rng = random.Random(2)
    for number in range(60):
        timeline.dns(number, device6(20), ROUTER, f"{encoded(rng, 90)}.example.org", kind="TXT")
    (finding,) = found(timeline)
    assert finding.subject.ip == device6(20).ip


def test_a_command_channel_that_polls_with_short_names() -> None:
    timeline = Timeline()
    rng = random.Random(3)
    for number in range(120):
        name = f"{rng.randbytes(9).hex()}.c2.example"
        timeline.dns(1 + number, CLIENT, ROUTER, name, kind="TXT", down=40)
    assert len(found(timeline)) == 1


def test_slow_exfiltration_over_hours() -> None:
    timeline = Timeline()
    rng = random.Random(4)
    for number in range(700):
        timeline.dns(
            number * 10, CLIENT, ROUTER, f"{encoded(rng, 60)}.example.co.uk", rcode="NXDOMAIN"
        )
    (finding,) = found(timeline)
    assert finding.evidence["domain"] == "example.co.uk"


def test_names_of_which_the_end_was_cut() -> None:
    timeline = Timeline()
    rng = random.Random(5)
    for number in range(100):
        name = "".join(f"\\x{octet:02x}" for octet in rng.randbytes(63))
        fields: dict[str, Value] = {
            "response": False,
            "query": name + ".a",
            "query_type": "NULL",
            "name_length": 250,
        }
        timeline.message(1 + number * 0.1, "dns", CLIENT, remote(1), fields, ports=(40_000, 53))
    (finding,) = found(timeline)
    assert remote(1).ip in finding.summary


@pytest.mark.parametrize("application", [0, UNKNOWN_APPLICATION])
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_another_protocol_at_port_53(protocol: str, application: int) -> None:
    timeline = Timeline()
    if protocol == "udp":
        timeline.datagrams(
            1, CLIENT, remote(1), 53, sent=200, payload=(9000, 90_000), application=application
        )
    else:
        timeline.connect(
            1, CLIENT, remote(1), 53, payload=(30_000, 90_000), application=application
        )
    (finding,) = found(timeline)
    assert finding.evidence["kind"] == "not DNS"
    assert "nothing of it is DNS" in finding.summary


def test_generated_names() -> None:
    timeline = Timeline()
    rng = random.Random(6)
    for number in range(60):
        label = "".join(rng.choice("bcdfghjklmnpqrstvwxz0123456789ae") for _ in range(14))
        timeline.dns(1 + number * 4, CLIENT, ROUTER, f"{label}.com", rcode="NXDOMAIN")
    (finding,) = found(timeline)
    assert finding.evidence["kind"] == "generated names"


# What is none.


def test_a_browser_and_its_content_networks() -> None:
    timeline = Timeline()
    rng = random.Random(7)
    sites = [f"site{number}.example" for number in range(200)]
    for number in range(3000):
        choice = rng.random()
        if choice < 0.2:
            name = f"d{rng.randbytes(7).hex()}.cloudfront.net"
        elif choice < 0.25:
            name = f"{rng.randbytes(16).hex()}.safeframe.googlesyndication.com"
        elif choice < 0.35:
            name = f"rr{rng.randrange(9)}---sn-{rng.randbytes(5).hex()}.googlevideo.com"
        else:
            name = f"www.{rng.choice(sites)}"
        timeline.dns(number * 1.5, CLIENT, ROUTER, name, answers=("A 192.0.2.1",))
    assert found(timeline) == []


def test_a_mail_server_that_asks_block_lists() -> None:
    timeline = Timeline()
    rng = random.Random(8)
    for number in range(1500):
        ip = ".".join(str(rng.randrange(256)) for _ in range(4))
        timeline.dns(number * 0.4, CLIENT, ROUTER, f"{ip}.zen.spamhaus.org", rcode="NXDOMAIN")
        timeline.dns(number * 0.4, CLIENT, ROUTER, f"sender{number}.example", kind="TXT", down=200)
        timeline.dns(
            number * 0.4, CLIENT, ROUTER, f"_dmarc.sender{number}.example", kind="TXT", down=90
        )
    assert found(timeline) == []


def test_an_antivirus_that_asks_for_hashes() -> None:
    timeline = Timeline()
    for number in range(600):
        digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
        name = f"4.1.{digest[:26]}.avts.mcafee.com"
        timeline.dns(number, CLIENT, ROUTER, name, answers=("A 127.0.0.8",))
    assert found(timeline) == []


def test_reverse_look_ups_and_local_names() -> None:
    timeline = Timeline()
    for number in range(2000):
        reverse = ".".join(f"{number + place:032x}"[::-1][place] for place in range(32))
        timeline.dns(number * 0.2, CLIENT, ROUTER, f"{reverse}.ip6.arpa", kind="PTR", down=60)
        timeline.dns(number * 0.2, CLIENT, ROUTER, f"{number}.host.local", rcode="NXDOMAIN")
    assert found(timeline) == []


def test_a_list_that_blocks_advertising() -> None:
    timeline = Timeline()
    words = [
        "track",
        "click",
        "adserve",
        "metric",
        "banner",
        "market",
        "pixel",
        "audience",
        "sense",
        "promo",
    ]
    for number in range(90):
        name = f"www.{words[number % 10]}{words[number // 10]}.com"
        timeline.dns(number * 4, CLIENT, ROUTER, name, rcode="NXDOMAIN")
        timeline.dns(number * 4 + 1, CLIENT, ROUTER, f"www.site{number % 40}.example")
    assert found(timeline) == []


def test_signed_zones_and_honest_dns_by_tcp() -> None:
    timeline = Timeline()
    for number in range(500):
        timeline.dns(number, CLIENT, ROUTER, "example.org", kind="DNSKEY", down=1200)
        flow = timeline.connect(number, CLIENT, ROUTER, 53, payload=(4000, 60_000))
        fields: dict[str, Value] = {
            "response": False,
            "query": "www.example.org",
            "query_type": "A",
            "name_length": 15,
        }
        timeline.message(number, "dns", CLIENT, ROUTER, fields, ports=(40_000, 53), flow=flow)
    assert found(timeline) == []
