"""Files of leases, as servers write them, and damaged."""

from __future__ import annotations

import pytest

from phage.collect.leases import read_leases

DNSMASQ = """\
1700000000 02:00:00:00:00:01 192.168.1.5 annas-phone 01:02:00:00:00:00:01
1700000000 02:00:00:00:00:02 192.168.1.6 * *
duid 00:01
1700000000 not a lease
"""
ISC = """\
# The format of this file is documented in dhcpd.leases(5).
lease 192.168.1.5 {
  starts 2 2023/11/14 22:13:20;
  binding state active;
  hardware ethernet 02:00:00:00:00:09;
}
lease 192.168.1.5 {
  binding state active;
  hardware ethernet 02:00:00:00:00:01;
  client-hostname "annas-phone";
}
lease 192.168.1.7 {
  binding state free;
  hardware ethernet 02:00:00:00:00:03;
}
lease 192.168.1.8 {
  hardware eth"""
KEA = """\
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state
192.168.1.5,02:00:00:00:00:01,01:02:00:00:00:00:01,4000,1700000000,1,0,0,annas-phone,0
192.168.1.6,02:00:00:00:00:02,,4000,1700000000,1,0,0,,1
"""


@pytest.mark.parametrize("text", [DNSMASQ, ISC, KEA], ids=["dnsmasq", "isc", "kea"])
def test_leases_are_read(text: str) -> None:
    first, *rest = read_leases(text, 7)
    assert (first.kind, first.time, first.src_mac) == ("lease", 7, "02:00:00:00:00:01")
    assert (first.src, first.fields["hostname"]) == ("192.168.1.5", "annas-phone")
    assert all(each.src_mac == "02:00:00:00:00:02" for each in rest)


@pytest.mark.parametrize("text", [DNSMASQ, ISC, KEA])
def test_a_file_cut_anywhere_is_survived(text: str) -> None:
    for end in range(len(text)):
        list(read_leases(text[:end], 7))


def test_what_a_client_says_of_itself_ends_no_reading() -> None:
    name = '"' + "x" * 140_000
    text = f"{KEA}192.168.1.9,02:00:00:00:00:04,,1,1,1,0,0,{name},0\n{KEA.splitlines()[1]}\n"
    named = {each.src: each.fields["hostname"] for each in read_leases(text, 7)}
    assert named == {"192.168.1.5": "annas-phone", "192.168.1.9": name}
    assert not list(read_leases("1700000000 02:00:00:00:00:01 ..... name *", 7))
