"""Reads the files in which DHCP servers keep their leases: dnsmasq, ISC dhcpd, Kea.

They are told apart by their contents. What is damaged, as at the end of a file that is being
written, is passed over.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from phage.records.observation import Observation, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_OCTETS = 16 * 2**20
"""Ten thousand leases are two megabytes; ISC's file keeps old ones too."""

_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_DNSMASQ = re.compile(r"\d+ (\S+) (\S+) (\S+) (\S+)")
_ISC = re.compile(r"lease (\S+) \{(.*?)\n\}", re.DOTALL)
_ISC_FIELDS = {
    "mac": re.compile(r"hardware ethernet ([0-9a-f:]+);"),
    "hostname": re.compile(r'client-hostname "([^"\n]*)";'),
    "state": re.compile(r"^\s*binding state (\w+);", re.MULTILINE),
    "uid": re.compile(r'uid "([^"\n]*)";'),
}


def read_leases(text: str, at: int) -> Iterator[Observation]:
    """Yield an observation of kind `lease` for each lease of a file; `at` is the time to note."""
    if text.startswith("address,hwaddr,"):
        yield from _kea(text, at)
    elif "lease " in text and "{" in text:
        yield from _isc(text, at)
    else:
        yield from _dnsmasq(text, at)


def _dnsmasq(text: str, at: int) -> Iterator[Observation]:
    for line in text.splitlines():
        match = _DNSMASQ.match(line)
        if match is not None:
            mac, ip, name, client = match.groups()
            yield from _lease(at, mac, ip, name, client)


def _isc(text: str, at: int) -> Iterator[Observation]:
    """ISC's file is a log: the last entry of an address counts (dhcpd.leases(5))."""
    latest = {}
    for match in _ISC.finditer(text):
        found = {name: each.search(match[2]) for name, each in _ISC_FIELDS.items()}
        latest[match[1]] = {name: hit[1] if hit else "" for name, hit in found.items()}
    for ip, fields in latest.items():
        if fields["state"] in {"active", ""}:
            yield from _lease(at, fields["mac"], ip, fields["hostname"], "")


def _kea(text: str, at: int) -> Iterator[Observation]:
    # Kea escapes what divides fields and quotes nothing: quotation marks are what a client said.
    head, *lines = text.split("\n")
    names = head.rstrip("\r").split(",")
    latest = {}
    for line in lines:
        values = line.rstrip("\r").split(",")
        if len(values) == len(names):
            latest[values[0]] = dict(zip(names, values, strict=True))
    for ip, row in latest.items():
        if row.get("state", "0") == "0":
            client = row.get("client_id", "")
            yield from _lease(at, row["hwaddr"], ip, row.get("hostname", ""), client)


def _lease(at: int, mac: str, ip: str, name: str, client: str) -> Iterator[Observation]:
    mac = mac.casefold()
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        return
    if not _MAC.fullmatch(mac):
        return
    fields: dict[str, Value] = {}
    if name not in {"*", ""}:
        fields["hostname"] = name
    if client not in {"*", ""}:
        fields["client_id"] = client
    yield Observation("lease", at, 0, ip, "", 0, 0, mac, "", 0, 17, 0, 0, fields)
