from __future__ import annotations

import ipaddress
import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from phage.devices.discovery import frames

MAC = bytes.fromhex("020000000001")


def test_arp() -> None:
    frame = frames.arp_request(MAC, socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2"))
    assert len(frame) == 60
    assert frames.arp_answer(frame) is None  # A question is no answer.
    reply = frame[:20] + b"\0\2" + b"\x02" * 6 + socket.inet_aton("10.0.0.2") + frame[32:]
    assert frames.arp_answer(reply) == (socket.inet_aton("10.0.0.2"), b"\x02" * 6)


def test_a_syn_has_a_checksum_that_adds_up() -> None:
    source, target = socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2")
    template = frames.SynTemplate(source, target, 40_000, 0x1234_5678)
    for port in (1, 80, 65_535):
        segment = template.to(port)
        pseudo = source + target + struct.pack("!HH", 6, len(segment))
        assert frames.checksum(pseudo + segment) == 0
        assert struct.unpack_from("!HH", segment) == (40_000, port)


def test_answers_to_a_syn() -> None:
    def segment(flags: int) -> bytes:
        return struct.pack("!HHIIBBHHH", 80, 40_000, 1, 7, 0x50, flags, 0, 0, 0)

    opened = frames.tcp_answer(segment(0x12))
    refused = frames.tcp_answer(segment(0x14))
    assert opened == (80, 40_000, True, 7)
    assert refused == (80, 40_000, False, 7)
    assert frames.tcp_answer(segment(0x10)) is None


def test_neighbour_discovery() -> None:
    target = ipaddress.IPv6Address("fe80::1:2:3").packed
    assert frames.solicited_node(target) == "ff02::1:ff02:3"
    question = frames.solicitation(target, MAC)
    assert frames.advertised(question) is None
    answer = bytes([136, 0, 0, 0, 0x60, 0, 0, 0]) + target + b"\x02\x01" + MAC
    assert frames.advertised(answer) == (target, MAC)
    assert frames.advertised(answer[:24]) == (target, b"")


@given(st.binary(max_size=80))
def test_no_octets_raise(data: bytes) -> None:
    frames.arp_answer(data)
    frames.tcp_answer(data)
    frames.advertised(data)
    frames.advertised(b"\x88" + data)
