from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phage.devices.discovery import snmp
from phage.devices.discovery.udp import system_facts


def response(*values: tuple[snmp.Oid, bytes], request: int = 7) -> bytes:
    """Return a response with octet strings, made of a request by exchanging what differs."""
    bindings = b"".join(
        snmp._tlv(0x30, snmp._oid(name) + snmp._tlv(0x04, value)) for name, value in values
    )
    numbers = b"".join(map(snmp._integer, (request, 0, 0)))
    body = snmp._tlv(0xA2, numbers + snmp._tlv(0x30, bindings))
    return snmp._tlv(0x30, snmp._integer(1) + snmp._tlv(0x04, b"public") + body)


def test_a_request_as_net_snmp_makes_it() -> None:
    assert snmp.get("public", 1, (snmp.DESCRIPTION,)).hex() == (
        "302602010104067075626c6963a019020101020100020100300e300c06082b060102010101000500"
    )


def test_what_a_device_says_of_itself() -> None:
    answer = snmp.read(response((snmp.DESCRIPTION, b"Linux \x1b[1m router"), (snmp.NAME, b"gw")))
    assert answer is not None
    assert answer.request == 7
    assert system_facts(answer) == {"description": "Linux \\x1b[1m router", "name": "gw"}


def test_rows_of_arp_tables() -> None:
    mac = bytes.fromhex("020000000001")
    four = (*snmp.MEDIA, 2, 192, 168, 1, 7)
    six = (*snmp.PHYSICAL, 2, 2, 16, *bytes.fromhex("fe80" + "00" * 13 + "01"))
    assert snmp.neighbour(four, mac) == ("192.168.1.7", "02:00:00:00:00:01")
    assert snmp.neighbour(six, mac) == ("fe80::1", "02:00:00:00:00:01")
    assert snmp.neighbour(four, b"\0" * 6) is None
    assert snmp.neighbour((*snmp.MEDIA, 2, 192, 168, 1, 700), mac) is None
    assert snmp.neighbour((*snmp.PHYSICAL, 2, 2, 16, 1), mac) is None


def test_long_messages_and_names() -> None:
    name = (1, 3, 6, 1, 4, 1, 311, 4_000_000_000)
    answer = snmp.read(response((name, b"x" * 5000)))
    assert answer is not None
    assert answer.values == ((name, b"x" * 5000),)


@given(st.binary(max_size=200), st.integers(0, 60))
def test_no_octets_raise(data: bytes, cut: int) -> None:
    snmp.read(data)
    whole = response((snmp.DESCRIPTION, b"text"))
    snmp.read(whole[:cut] + data)
