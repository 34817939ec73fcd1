"""Every kind of indicator that packets show is met, from frames to a finding."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from phage.api.tls import self_made, server_context
from phage.clock import SystemClock
from phage.collect.collectors.pcapfile import PcapFileCollector
from phage.collect.packets import EngineSettings
from phage.detect.detector import Knowledge
from phage.detect.detectors.intelmatch import IntelMatch
from phage.intel.catalog import Catalog, Source, catalog_of
from phage.intel.entries import Entries
from phage.records.indicator import IndicatorKind
from phage.testing.windows import EPOCH

if TYPE_CHECKING:
    from pathlib import Path

    from phage.records import Finding, Observation

CLIENT, SERVER = ("192.168.1.5", 50_000), ("45.1.1.9", 443)
RESOLVER = ("192.168.1.1", 53)
_SYN, _ACK, _PUSH = 2, 16, 24


def _ip(source: str, target: str, protocol: int, body: bytes) -> bytes:
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0) + addresses


@dataclass
class Talk:
    """Writes what two hosts say to each other as frames."""

    frames: list[bytes] = field(default_factory=list)
    sequence: dict[str, int] = field(default_factory=dict)

    def _add(self, source: str, target: str, protocol: int, body: bytes) -> None:
        macs = [
            b"\x02\0\0\0\0" + ipaddress.ip_address(each).packed[3:] for each in (target, source)
        ]
        self.frames.append(
            b"".join(macs) + b"\x08\x00" + _ip(source, target, protocol, body) + body
        )

    def datagram(self, source: tuple[str, int], target: tuple[str, int], body: bytes) -> None:
        header = struct.pack("!HHHH", source[1], target[1], 8 + len(body), 0)
        self._add(source[0], target[0], 17, header + body)

    def _segment(
        self, source: tuple[str, int], target: tuple[str, int], flags: int, body: bytes = b""
    ) -> None:
        sent, heard = (self.sequence.setdefault(each[0], 1000) for each in (source, target))
        header = struct.pack(
            "!HHIIBBHHH", source[1], target[1], sent, heard, 0x50, flags, 65_535, 0, 0
        )
        self._add(source[0], target[0], 6, header + body)
        self.sequence[source[0]] = sent + len(body) + (flags & _SYN) // _SYN

    def begin(self, client: tuple[str, int], server: tuple[str, int]) -> None:
        self._segment(client, server, _SYN)
        self._segment(server, client, _SYN | _ACK)
        self._segment(client, server, _ACK)

    def say(self, source: tuple[str, int], target: tuple[str, int], said: bytes) -> None:
        for start in range(0, len(said), 1400):
            self._segment(source, target, _PUSH, said[start : start + 1400])

    def write(self, path: Path) -> None:
        with path.open("wb") as file:
            file.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))
            for number, frame in enumerate(self.frames):
                seconds, rest = divmod(EPOCH + number * 1_000_000, 10**9)
                file.write(struct.pack("<IIII", seconds, rest, len(frame), len(frame)) + frame)


def handshake(folder: Path, version: ssl.TLSVersion) -> tuple[Talk, bytes]:
    """Shake hands as two real ends do; return what went over the wire, and the certificate."""
    made = self_made(folder, ["evil.example"], SystemClock())
    server = server_context(made)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.maximum_version = version
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(there, here, server_hostname="www.evil.example"),
        server.wrap_bio(here, there, server_side=True),
    ]
    talk = Talk()
    talk.begin(CLIENT, SERVER)
    for _ in range(4):
        for end, out, way in (
            (ends[0], here, (CLIENT, SERVER)),
            (ends[1], there, (SERVER, CLIENT)),
        ):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
            said = out.read()
            talk.say(*way, said)
            out.write(said)
    der = ssl.PEM_cert_to_DER_cert(made.chain.read_text())
    return talk, der


def replayed(
    talk: Talk, path: Path, *indicators: tuple[str, str]
) -> tuple[list[Finding], list[Observation]]:
    """Replay frames under a catalog of these indicators; return findings and what was seen."""
    talk.write(path)
    catalog = listing(*indicators)
    collector = PcapFileCollector(EngineSettings(train=1000), [str(path)])
    collector.open()
    collector.match(catalog.prefixes)
    detector = IntelMatch()
    found: list[Finding] = []
    seen: list[Observation] = []
    for window in collector.windows():
        seen += window.observations
        found += detector.inspect(window, Knowledge(intelligence=catalog, home=("192.168.0.0/16",)))
    return found, seen


def listing(*indicators: tuple[str, str]) -> Catalog:
    """Return a catalog of these kinds and values."""
    entries = Entries("list", 90)
    for kind, value in indicators:
        entries.add(value, IndicatorKind(kind))
    harvest = entries.harvest()
    assert not harvest.rejected
    return catalog_of([Source("list", harvest.networks, harvest.indicators, 90)], EPOCH)


@pytest.mark.parametrize("network", ["45.1.1.9", "45.1.0.0/16"])
def test_an_address_and_a_prefix(tmp_path: Path, network: str) -> None:
    talk = Talk()
    talk.begin(CLIENT, SERVER)
    (finding,), _ = replayed(talk, tmp_path / "x.pcap", ("network", network))
    assert finding.subject.ip == CLIENT[0]
    assert finding.evidence["indicator"] == network


def test_a_domain_that_is_asked_for(tmp_path: Path) -> None:
    talk = Talk()
    name = b"\x03www\x04evil\x07example\0"
    talk.datagram(
        (CLIENT[0], 5353 + 1),
        RESOLVER,
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0" + name + b"\0\x01\0\x01",
    )
    (finding,), _ = replayed(talk, tmp_path / "x.pcap", ("domain", "evil.example"))
    assert (finding.subject.ip, finding.evidence["seen"]) == (CLIENT[0], "www.evil.example")


@pytest.mark.parametrize(
    ("listed", "head"),
    [
        (
            "HTTP://Evil.example:80/a/b.exe?x=1#top",
            b"GET /a/b.exe?x=1 HTTP/1.1\r\nHost: evil.example",
        ),
        ("hxxp://evil[.]example:8080/", b"GET / HTTP/1.1\r\nHost: EVIL.example:8080"),
        ("http://evil.example/q", b"GET http://evil.example/q HTTP/1.1\r\nHost: evil.example"),
    ],
)
def test_a_url_that_is_asked_for(tmp_path: Path, listed: str, head: bytes) -> None:
    talk, server = Talk(), (SERVER[0], 80)
    talk.begin(CLIENT, server)
    talk.say(CLIENT, server, head + b"\r\n\r\n")
    (finding,), _ = replayed(talk, tmp_path / "x.pcap", ("url", listed))
    assert finding.evidence["indicator_kind"] == "url"
    assert not replayed(talk, tmp_path / "x.pcap", ("url", "http://evil.example/other"))[0]


@pytest.mark.parametrize("kind", ["ja3", "ja4"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_fingerprints_of_a_client(tmp_path: Path, kind: str, version: ssl.TLSVersion) -> None:
    talk, _ = handshake(tmp_path, version)
    _, seen = replayed(talk, tmp_path / "x.pcap")
    value = next(str(each.fields[kind]) for each in seen if kind in each.fields)
    (finding,), _ = replayed(talk, tmp_path / "x.pcap", (kind, value))
    assert finding.subject.ip == CLIENT[0]
    assert finding.evidence["indicator"] == value


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_a_servers_certificate(tmp_path: Path, digest: str) -> None:
    talk, der = handshake(tmp_path, ssl.TLSVersion.TLSv1_2)
    value = hashlib.new(digest, der, usedforsecurity=False).hexdigest()
    (finding,), seen = replayed(talk, tmp_path / "x.pcap", ("certificate", value.upper()))
    assert [
        each.fields[f"certificate_{digest}"] for each in seen if "certificate_sha1" in each.fields
    ] == [value]
    assert (finding.subject.ip, finding.peers[0].ip) == (CLIENT[0], SERVER[0])
    assert not finding.spoofable
    assert finding.summary == (
        f"02:00:00:00:00:05 (192.168.1.5) turned to 45.1.1.9 by tcp/443, whose certificate {value} "
        "is listed by list; 1 time."
    )


def test_tls_1_3_hides_certificates(tmp_path: Path) -> None:
    talk, _ = handshake(tmp_path, ssl.TLSVersion.TLSv1_3)
    _, seen = replayed(talk, tmp_path / "x.pcap")
    assert [each.fields.get("version") for each in seen] == ["TLS 1.3", "TLS 1.3"]
    assert not any("certificate_sha1" in each.fields for each in seen)
