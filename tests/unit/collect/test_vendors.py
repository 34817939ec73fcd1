"""What exporters of many makers send, written by the standards: what is read of it.

The layouts follow the makers' documents; the values are made up.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from phage.collect.datagrams import mapped
from phage.native import ExportDecoder
from phage.testing.exports import (
    SECONDS,
    UPTIME,
    VARIABLE,
    Field,
    flow_sample,
    flowset,
    frame,
    ip,
    ipfix,
    netflow9,
    number,
    options9,
    options10,
    raw_header,
    sflow,
    tagged,
    template,
    text,
    variable,
)

EXPORTER = mapped("192.0.2.1")
ENDS = (Field(8, 4), Field(12, 4))
PORTS = (Field(7, 2), Field(11, 2), Field(4, 1))
COUNTS = (Field(2, 4), Field(1, 4))
A, B = "203.0.113.9", "198.51.100.7"


class Reader:
    """A decoder, and what it said."""

    def __init__(self, *, options: bool = False) -> None:
        self.decoder = ExportDecoder(options=options)

    def __call__(self, *datagrams: bytes, port: int = 5000) -> list[dict[str, Any]]:
        lines = "".join(
            self.decoder.describe(datagram, EXPORTER, SECONDS * 10**9, port)
            for datagram in datagrams
        )
        return [json.loads(line) for line in lines.splitlines()]

    @property
    def malformed(self) -> int:
        """How much was malformed."""
        return self.decoder.counters()["malformed"]


@pytest.fixture
def read() -> Reader:
    return Reader()


def has(record: dict[str, Any], **wanted: object) -> None:
    assert {name: record.get(name) for name in wanted} == wanted


def plain(packets: int = 5, octets: int = 700) -> bytes:
    return ip(A) + ip(B) + struct.pack(">HHB", 40_000, 443, 6) + struct.pack(">II", packets, octets)


PLAIN = (*ENDS, *PORTS, *COUNTS)


def test_cisco_asa_tells_of_both_ends_of_a_connection(read: Reader) -> None:
    """NSEL: created without counts, updated and torn down with those of both sides."""
    fields = [
        Field(148, 4), *ENDS, *PORTS, Field(10, 2), Field(14, 2), Field(176, 1), Field(177, 1),
        Field(225, 4), Field(226, 4), Field(227, 2), Field(228, 2), Field(233, 1), Field(33002, 2),
        Field(323, 8), Field(152, 8), Field(231, 4), Field(232, 4), Field(298, 4), Field(299, 4),
        Field(33000, 12), Field(33001, 12), Field(40000, 20),
    ]  # fmt: skip

    def event(kind: int, forth: int, back: int) -> bytes:
        return (
            number(7, 4) + ip(A) + ip(B) + struct.pack(">HHB", 40_000, 443, 6)
            + struct.pack(">HHBB", 3, 4, 0, 0) + ip(A) + ip("10.0.0.7")
            + struct.pack(">HHBH", 40_000, 8443, kind, 2000)
            + number(SECONDS * 1000, 8) + number(SECONDS * 1000 - 3000, 8)
            + number(forth, 4) + number(back, 4) + number(forth // 100, 4) + number(back // 100, 4)
            + bytes(24) + text("anna", 20)
        )  # fmt: skip

    made, ended = read(
        netflow9(flowset(0, template(263, fields)), sequence=1),
        netflow9(flowset(263, event(1, 0, 0) + event(2, 4000, 90_000)), sequence=2),
    )
    has(made, src=A, dst=B, sport=40_000, dport=443, proto=6, firewallEvent=1)
    has(ended, init_bytes=4000, resp_bytes=90_000, in_if=3, out_if=4)
    has(ended, postNATDestinationIPv4Address="10.0.0.7", start_ms=SECONDS * 1000 - 3000)
    row = _rows(read, netflow9(flowset(263, event(2, 4000, 90_000)), sequence=3))[0]
    assert row["packets"].tolist() == [40, 900]
    assert row["octets"].tolist() == [4000, 90_000]
    assert read.malformed == 0


def _rows(read: Reader, datagram: bytes) -> Any:
    import numpy as np

    from phage.records.columns import EXPORT

    return np.frombuffer(read.decoder.feed(datagram, EXPORTER, SECONDS * 10**9, 5000), EXPORT)


@pytest.mark.parametrize(
    ("scopes", "fields", "values", "rate"),
    [
        # Juniper inline: one packet in so many, for the system.
        ([Field(1, 4)], [Field(34, 4), Field(35, 1)], number(0, 4) + number(512, 4) + b"\1", 512),
        # Cisco: a sampler by its number, with a name.
        ([Field(1, 4)], [Field(48, 1), Field(49, 1), Field(50, 4), Field(84, 8)],
         number(0, 4) + b"\1\2" + number(4096, 4) + text("edge", 8), 4096),
        # Huawei: for an interface.
        ([Field(2, 4)], [Field(34, 4), Field(35, 1)], number(3, 4) + number(128, 4) + b"\2", 128),
    ],
)  # fmt: skip
def test_options_of_netflow_tell_how_is_sampled(
    read: Reader, scopes: list[Field], fields: list[Field], values: bytes, rate: int
) -> None:
    data = [*PLAIN, Field(10, 4), Field(48, 1)]
    (record,) = read(
        netflow9(flowset(1, options9(256, scopes, fields)), flowset(0, template(257, data))),
        netflow9(flowset(256, values), sequence=1),
        netflow9(flowset(257, plain() + number(3, 4) + b"\1"), sequence=2),
    )
    has(record, sampling=rate, packets=5, bytes=700)


@pytest.mark.parametrize(
    ("fields", "values", "rate"),
    [
        ([Field(305, 4), Field(306, 4)], struct.pack(">II", 1, 999), 1000),
        ([Field(309, 4), Field(310, 4)], struct.pack(">II", 10, 640), 64),
        ([Field(304, 2), Field(311, 8)], struct.pack(">Hd", 4, 1 / 256), 256),
        ([Field(304, 2), Field(311, 4)], struct.pack(">Hf", 4, 0.01), 100),
        ([Field(34, 2)], number(77, 2), 77),
    ],
)
def test_selectors_of_psamp_tell_how_is_sampled(
    read: Reader, fields: list[Field], values: bytes, rate: int
) -> None:
    """RFC 5477: systematic, n out of N, uniform by probability."""
    scope = [Field(302, 8)]
    (record,) = read(
        ipfix(flowset(3, options10(256, scope, fields)), flowset(256, number(5, 8) + values)),
        ipfix(flowset(2, template(257, [*PLAIN, Field(302, 8)]))),
        ipfix(flowset(257, plain() + number(5, 8))),
    )
    has(record, sampling=rate)


def test_a_scope_of_the_domain_is_for_all_of_it(read: Reader) -> None:
    """Juniper's IPFIX: the scope is the exporting process, the figures stand without a sampler."""
    scopes, fields = [Field(144, 4)], [Field(305, 4), Field(160, 8)]
    (record,) = read(
        ipfix(flowset(3, options10(512, scopes, fields)), flowset(2, template(256, PLAIN))),
        ipfix(flowset(512, number(1, 4) + number(2000, 4) + number((SECONDS - 1000) * 1000, 8))),
        ipfix(flowset(256, plain())),
    )
    has(record, sampling=2000)


def test_applications_and_users_of_palo_alto_are_fixed_text(read: Reader) -> None:
    """NetFlow 9 numbers above 32,767 are no enterprise's: the layout must stay in step."""
    fields = [
        *PLAIN, Field(61, 1), Field(233, 1), Field(346, 4), Field(56701, 32), Field(56702, 64)
    ]  # fmt: skip
    body = plain() + b"\0\2" + number(25461, 4) + text("ssl", 32) + text("corp\\anna", 64)
    (record,) = read(netflow9(flowset(0, template(258, fields)), flowset(258, body)))
    has(record, src=A, packets=5, bytes=700, direction=0)
    assert record["0.56701"] == text("ssl", 32).hex() or "ssl" in str(record["0.56701"])


def test_mikrotik_counts_flows_of_both_families_by_two_templates(read: Reader) -> None:
    four = [
        Field(60, 1), Field(22, 4), Field(21, 4), *COUNTS, Field(10, 4), Field(14, 4), *ENDS,
        Field(4, 1), Field(5, 1), Field(7, 2), Field(11, 2), Field(15, 4), Field(13, 1),
        Field(9, 1), Field(6, 1), Field(80, 6), Field(56, 6), Field(225, 4), Field(226, 4),
        Field(227, 2), Field(228, 2),
    ]  # fmt: skip
    six = [Field(60, 1), Field(22, 4), Field(21, 4), *COUNTS, Field(27, 16), Field(28, 16),
           Field(4, 1), Field(7, 2), Field(11, 2), Field(31, 4), Field(62, 16)]  # fmt: skip
    times = struct.pack(">II", UPTIME - 5000, UPTIME - 1000)
    first = (
        b"\4" + times + struct.pack(">II", 3, 300) + struct.pack(">II", 2, 9) + ip(A) + ip(B)
        + struct.pack(">BBHH", 17, 0, 53, 5353) + ip("192.0.2.254") + b"\x18\x10\0" + bytes(12)
        + ip(A) + ip(B) + struct.pack(">HH", 53, 5353)
    )  # fmt: skip
    second = (
        b"\6" + times + struct.pack(">II", 4, 400) + ip("2001:db8::1") + ip("2001:db8::2")
        + struct.pack(">BHH", 58, 0, 0x8000) + number(0x12345, 4) + ip("fe80::1")
    )  # fmt: skip
    a, b = read(
        netflow9(flowset(0, template(256, four) + template(257, six)), sequence=1),
        netflow9(flowset(256, first), flowset(257, second), sequence=2),
    )
    has(a, src=A, dst=B, packets=3, bytes=300, in_if=2, out_if=9, src_mask=16, dst_mask=24)
    has(a, start_ms=SECONDS * 1000 - 5000, end_ms=SECONDS * 1000 - 1000)
    has(b, src="2001:db8::1", dst="2001:db8::2", proto=58, packets=4)


def test_enterprise_strings_of_variable_length_keep_in_step(read: Reader) -> None:
    """VMware, nProbe, Citrix: text before, between and behind what is counted."""
    fields = [
        Field(880, VARIABLE, 6876), *ENDS, Field(100, VARIABLE, 35632), *PORTS, *COUNTS,
        Field(460, VARIABLE), Field(2, 1, 5951),
    ]  # fmt: skip

    def record(name: str, host: bytes, packets: int, *, long: bool) -> bytes:
        return (
            variable(name.encode(), long=long) + ip(A) + ip(B) + variable(host)
            + struct.pack(">HHB", 40_000, 443, 6) + struct.pack(">II", packets, 700)
            + variable(b"") + b"\7"
        )  # fmt: skip

    records = read(
        ipfix(flowset(2, template(300, fields))),
        ipfix(
            flowset(
                300,
                record("web-1", b"h" * 254, 1, long=False)
                + record("", b"h" * 300, 2, long=True)
                + record("x" * 255, b"", 3, long=True),
                fill=1,
            )
        ),
    )
    assert [each["packets"] for each in records] == [1, 2, 3]
    assert {each["src"] for each in records} == {A}
    assert read.malformed == 0


def test_lists_of_yaf_are_passed_over(read: Reader) -> None:
    """RFC 6313: a basic list, a list of templates and one of several, nested."""
    fields = [
        Field(152, 8), Field(153, 8), Field(86, 8), Field(85, 8), Field(86, 8, 29305),
        Field(85, 8, 29305), *ENDS, *PORTS, Field(291, VARIABLE), Field(292, VARIABLE),
        Field(293, VARIABLE), Field(6, 1), Field(18, 2, 6871),
    ]  # fmt: skip
    basic = b"\3" + struct.pack(">HH", 210, 2) + b"abcdef"
    inner = b"\3" + struct.pack(">H", 301) + bytes(12)
    several = b"\3" + struct.pack(">HH", 302, 9) + variable(basic) + bytes(2)
    body = (
        number(SECONDS * 1000 - 900, 8) + number(SECONDS * 1000 - 100, 8) + number(7, 8)
        + number(2**40, 8) + number(9, 8) + number(2**33, 8) + ip(A) + ip(B)
        + struct.pack(">HHB", 40_000, 443, 6) + variable(basic) + variable(inner, long=True)
        + variable(several) + b"\x1b" + number(0, 2)
    )  # fmt: skip
    (record,) = read(ipfix(flowset(2, template(299, fields)), flowset(299, body, fill=1)))
    has(record, packets_total=7, bytes_total=2**40, rev_packets=9, rev_bytes=2**33, tcp_flags=0x1B)
    assert read.malformed == 0


@pytest.mark.parametrize("labels", [(), (100,), (100, 200, 300)])
@pytest.mark.parametrize("vlans", [(), (7,), (7, 8)])
@pytest.mark.parametrize("expanded", [False, True])
def test_sflow_of_arista_and_hpe_is_read_through_tags_and_labels(
    read: Reader, labels: tuple[int, ...], vlans: tuple[int, ...], expanded: bool
) -> None:
    wire = frame("2001:db8::1", "2001:db8::2", 6, (40_000, 443), vlans=vlans, labels=labels)
    counters = tagged(2, struct.pack(">III", 1, 3, 1) + tagged(1, bytes(88)))
    wide = tagged(4, struct.pack(">IIII", 1, 0, 3, 2) + tagged(1, bytes(88)) + tagged(2, bytes(52)))
    path = (65001, 65002, 65003, 1, 2, 2, 65004, 65005, 0, 100)
    gateway = struct.pack(">I", 1) + ip(B) + struct.pack(">10I", *path)
    sample = flow_sample(
        tagged(1001, struct.pack(">IIII", 7, 0, 8, 0)),
        raw_header(wire[:128], length=1518),
        tagged(1002, struct.pack(">I", 2) + ip("2001:db8::f") + struct.pack(">II", 64, 48)),
        tagged(1003, gateway),
        tagged(1, b"anything", enterprise=8800),
        expanded=expanded, rate=4096, ways=(0x3FFFFF if expanded else 3, 4),
    )  # fmt: skip
    records = read(sflow(counters, sample, wide, sample, tagged(5, bytes(40)), agent="2001:db8::a"))
    assert len(records) == 2
    for record in records:
        has(record, src="2001:db8::1", dst="2001:db8::2", sport=40_000, dport=443, proto=6)
        has(record, sampling=4096, packets=1, src_as=65002, dst_as=65005, src_mask=64, dst_mask=48)
    assert read.malformed == 0


def test_sflow_of_parts_without_a_header(read: Reader) -> None:
    parts = struct.pack(">II", 90, 17) + ip(A) + ip(B) + struct.pack(">IIII", 53, 4000, 0, 0)
    odd = flow_sample(tagged(3, parts), ways=(0x3FFF_FFFF, 0x8000_0002))
    (record,) = read(sflow(odd))
    has(record, src=A, dst=B, sport=53, dport=4000, proto=17, bytes=90, sampling=1000)


def test_templates_are_withdrawn_one_and_all(read: Reader) -> None:
    """RFC 7011, 8.1: after it, data waits as if its template had never come."""
    one, two = template(256, PLAIN), template(257, PLAIN)
    assert (
        len(read(ipfix(flowset(2, one + two), flowset(256, plain()), flowset(257, plain())))) == 2
    )
    assert len(read(ipfix(flowset(2, struct.pack(">HH", 256, 0)), flowset(256, plain())))) == 0
    assert len(read(ipfix(flowset(257, plain())))) == 1
    assert len(read(ipfix(flowset(2, struct.pack(">HH", 2, 0)), flowset(257, plain())))) == 0
    # Both waited, and are read when templates come again.
    assert len(read(ipfix(flowset(2, one)), ipfix(flowset(2, two)))) == 2
    assert read.malformed == 0


def test_domains_and_ports_have_templates_of_their_own(read: Reader) -> None:
    turned = (Field(12, 4), Field(8, 4), *PORTS, *COUNTS)
    read(ipfix(flowset(2, template(256, PLAIN)), domain=1))
    read(ipfix(flowset(2, template(256, turned)), domain=2))
    (one,) = read(ipfix(flowset(256, plain()), domain=1))
    (two,) = read(ipfix(flowset(256, plain()), domain=2))
    assert (one["src"], two["src"]) == (A, B)
    assert (one["odid"], two["odid"]) == (1, 2)


def test_a_template_that_changes_is_the_new_one_from_then_on(read: Reader) -> None:
    wide = (*ENDS, *PORTS, Field(2, 8), Field(1, 8))
    (before,) = read(netflow9(flowset(0, template(256, PLAIN)), flowset(256, plain()), sequence=1))
    body = ip(A) + ip(B) + struct.pack(">HHBQQ", 1, 2, 17, 2**40, 2**50)
    (after,) = read(netflow9(flowset(0, template(256, wide)), flowset(256, body), sequence=2))
    has(before, packets=5)
    has(after, packets=2**40, bytes=2**50)


def test_sets_in_any_order_and_padding(read: Reader) -> None:
    """Data before its template in one message; sets padded to eight, or not at all."""
    data = flowset(256, plain() + plain(6, 800), fill=8)
    records = read(
        ipfix(data, flowset(2, template(256, PLAIN), fill=8), flowset(256, plain(7), fill=1))
    )
    assert sorted(each["packets"] for each in records) == [5, 6, 7]
    padded = (*PLAIN, Field(210, 3))
    (record,) = read(ipfix(flowset(2, template(300, padded)), flowset(300, plain(9) + bytes(3))))
    has(record, packets=9)
    assert read.malformed == 0


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 8])
def test_numbers_may_be_shorter_than_they_are(read: Reader, length: int) -> None:
    """RFC 7011, 6.2: reduced-size encoding."""
    fields = (*ENDS, *PORTS, Field(2, length), Field(1, 8))
    body = ip(A) + ip(B) + struct.pack(">HHB", 1, 2, 6) + number(200, length) + number(2**35, 8)
    (record,) = read(ipfix(flowset(2, template(256, fields)), flowset(256, body, fill=1)))
    has(record, packets=200, bytes=2**35, sport=1, proto=6)


def test_events_of_address_translation_have_no_counts(read: Reader) -> None:
    fields = [Field(323, 8), Field(230, 1), *ENDS, Field(225, 4), Field(227, 2), *PORTS,
              Field(234, 4), Field(361, 2), Field(362, 2)]  # fmt: skip
    body = (
        number(SECONDS * 1000, 8) + b"\4" + ip("100.64.0.7") + ip(B) + ip(A)
        + number(20_000, 2) + struct.pack(">HHB", 40_000, 443, 6) + number(9, 4)
        + struct.pack(">HH", 20_000, 20_255)
    )  # fmt: skip
    (record,) = read(ipfix(flowset(2, template(256, fields)), flowset(256, body, fill=1)))
    has(record, src="100.64.0.7", natEvent=4, postNATSourceIPv4Address=A, sport=40_000)
    assert "packets" not in record


def test_reports_out_of_order_are_told_from_lost_ones(read: Reader) -> None:
    read(ipfix(flowset(2, template(256, PLAIN)), sequence=0))
    data = flowset(256, plain() + plain(), fill=1)
    for sequence in (0, 4, 2, 6, 20):
        assert len(read(ipfix(data, sequence=sequence))) == 2
    (domain,) = read.decoder.exporters()
    # Two were missing when the third came late, and twelve before the last.
    assert domain["lost"] == 2 + 12
    assert domain["reordered"] == 1
    assert domain["restarts"] == 0
    read(ipfix(data, sequence=0))
    assert read.decoder.exporters()[0]["restarts"] == 1
