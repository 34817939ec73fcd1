"""Reading who is meant: addresses, names, devices, countries, ASs, domains, lists."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, cast

from phage.devices.vulnerabilities.blocklist import ProductError, parse_product
from phage.policy.rule import DEVICE_KINDS, WELL_KNOWN, Clause, Kind, Parties, Selector
from phage.records.address import format_mac, parse_mac

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.policy.reading.node import Value
    from phage.records.packetrule import Network

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_NESTED = 8
"""Lists within `not` within lists: nobody can read more."""

MAX_RANGE = 64
"""Networks that one range of addresses may stand for; the worst range of IPv4 needs 62."""

NEAR_KEYS = ("device", "category", "label", "software", "mac")
FAR_KEYS = ("country", "as", "domain", "list")
PARTY_KEYS = (*NEAR_KEYS, *FAR_KEYS, "confidence", "address", "not")

_MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}")
_NAME = re.compile(r"[^\W\d_][\w.-]*")
_DOMAIN = re.compile(r"(?:\*\.)?(?:[\w](?:[\w-]{0,61}[\w])?\.)*[\w](?:[\w-]{0,61}[\w])?")
_PART_OF_NUMBER = re.compile(r"#[0-9#]|[0-9]#")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_SYSTEM = re.compile(r"(?:[aA][sS])?([0-9]{1,10})")


def is_object_name(text: str) -> bool:
    """Tell whether a text can name an object: begins with a letter, no blanks."""
    return _NAME.fullmatch(text) is not None


def read_parties(value: Value, depth: int = 0) -> Parties:
    """Read addresses as `source:` takes them: a text, keys and values, or a list of these.

    Raises Fault.
    """
    if depth > MAX_NESTED:
        value.fail("is nested too deeply; name its parts under `objects`")
    clauses: list[Clause] = []
    texts: list[Selector] = []
    for item in value.some():
        if item.is_mapping:
            clauses.append(_clause(item, depth))
        else:
            texts += _selectors(item)
    if texts:
        clauses.insert(0, Clause((tuple(texts),)))
    return tuple(clauses)


def read_keyed(fields: dict[str, Value], keys: tuple[str, ...]) -> Parties:
    """Read what some of a mapping's keys say together, as one clause; () where there is none.

    Raises Fault.
    """
    groups = tuple(_group(fields, key) for key in keys if key in fields)
    if "list" in keys and "confidence" in fields and "list" not in fields:
        fields["confidence"].fail("belongs beside `list`")
    strangers = [group for group in groups if group[0].kind not in DEVICE_KINDS]
    if strangers and len(groups) > 1:
        names = " and ".join(key for key in keys if key in fields)
        fields[next(key for key in keys if key in fields)].fail(
            f"{names} cannot stand beside each other; use one and put the rest into `not`, "
            "or write two rules"
        )
    return (Clause(groups),) if groups else ()


def _clause(value: Value, depth: int) -> Clause:
    fields = value.keys(PARTY_KEYS, "{category: camera}")
    wanted = read_keyed(fields, (*NEAR_KEYS, *FAR_KEYS, "address"))
    none_of = read_parties(fields["not"], depth + 1) if "not" in fields else ()
    if not wanted and not none_of:
        value.fail(f"says nothing; write one of {', '.join(PARTY_KEYS)}")
    return Clause(wanted[0].all_of if wanted else (), none_of)


def _group(fields: dict[str, Value], key: str) -> tuple[Selector, ...]:
    value = fields[key]
    if key == "address":
        return tuple(selector for item in value.some() for selector in _selectors(item))
    confidence = 0
    if key == "list" and "confidence" in fields:
        confidence = fields["confidence"].integer(0, 100)
    kind = Kind(key)
    return tuple(
        Selector(kind, _canonical(kind, item), confidence=confidence, place=item.place)
        for item in value.some()
    )


def _canonical(kind: Kind, item: Value) -> str:
    text = item.text(253) if kind in {Kind.DOMAIN, Kind.SOFTWARE} else item.name()
    reader = _READERS.get(kind)
    if reader is None:
        return text
    try:
        return reader(text)
    except ValueError as error:
        item.fail(str(error))


def canonical_mac(text: str) -> str:
    """Return a MAC address in its canonical form. Raises ValueError."""
    if _MAC.fullmatch(text) is None or parse_mac(text) == 0:
        message = f"{text[:40]!r} is no MAC address, such as 02:00:5e:00:53:01"
        raise ValueError(message)
    return format_mac(parse_mac(text))


def canonical_software(text: str) -> str:
    """Return a product as it was written: "dnsmasq < 2.78". Raises ValueError."""
    try:
        return parse_product(text).text
    except ProductError as error:
        raise ValueError(str(error)) from error


def canonical_country(text: str) -> str:
    """Return a country's code in capitals. Raises ValueError."""
    if _COUNTRY.fullmatch(text) is None:
        message = f"{text[:40]!r} is no country; write its code of two letters, such as DE"
        raise ValueError(message)
    return text.upper()


def canonical_system(text: str) -> str:
    """Return the number of an autonomous system as text. Raises ValueError."""
    found = _SYSTEM.fullmatch(text)
    if found is None or not 0 < int(found[1]) < 2**32:
        message = f"{text[:40]!r} is no autonomous system, such as 64496"
        raise ValueError(message)
    return str(int(found[1]))


def canonical_domain(text: str) -> str:
    """Return a domain in lower case and ASCII; it stands for all names below it too.

    A "#" stands for any number: "eu#.cloud.example" is one of a pool of machines. It is the whole
    number, with no digit beside it: else a name of many digits could be read in countless ways.

    Raises ValueError.
    """
    message = f"{text[:60]!r} is no domain, such as ads.example"
    name = text.rstrip(".").removeprefix("*.").lower()
    try:
        name = name.encode("idna").decode("ascii") if not name.isascii() else name
    except UnicodeError:
        raise ValueError(message) from None
    if len(name) > 253 or _DOMAIN.fullmatch(name.replace("#", "0")) is None or not name.isascii():
        raise ValueError(message)
    if _PART_OF_NUMBER.search(name):
        message = f"{text[:60]!r} has a # beside a digit; it stands for a whole number"
        raise ValueError(message)
    return name


_READERS = {
    Kind.MAC: canonical_mac,
    Kind.COUNTRY: canonical_country,
    Kind.AS: canonical_system,
    Kind.DOMAIN: canonical_domain,
    Kind.SOFTWARE: canonical_software,
}


def _selectors(item: Value) -> list[Selector]:
    """Read one text: an address, network, range, MAC address, or a name."""
    text = item.text(253)
    place = item.place
    if text in WELL_KNOWN:
        return [Selector(Kind.WELL_KNOWN, text, place=place)]
    if _MAC.fullmatch(text):
        return [Selector(Kind.MAC, canonical_mac(text), place=place)]
    if is_object_name(text) and not _looks_like_address(text):
        return [Selector(Kind.OBJECT, text, place=place)]
    try:
        networks = parse_networks(text)
    except ValueError as error:
        item.fail(str(error))
    return [Selector(Kind.NETWORK, str(found), found, place=place) for found in networks]


def _looks_like_address(text: str) -> bool:
    """Tell whether a text that begins with a letter is an IPv6 address, as "fd00::/8" is."""
    return ":" in text


def parse_networks(text: str) -> list[Network]:
    """Return the networks of "192.0.2.1", "192.0.2.0/24" or "192.0.2.1-192.0.2.9".

    Raises ValueError that says what to write.
    """
    first, dash, last = text.partition("-")
    if not dash:
        return [parse_network(text)]
    networks: list[Network] = []
    try:
        networks += _between(
            ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
        )
    except (ValueError, TypeError):
        message = f"{text[:60]!r} is no range, such as 192.0.2.10-192.0.2.20"
        raise ValueError(message) from None
    if len(networks) > MAX_RANGE:
        message = f"{text[:60]!r} takes {len(networks)} networks; write a network, or a short range"
        raise ValueError(message)
    return networks


def _between(first: Address, last: Address) -> Iterator[Network]:
    """Yield the networks from one address to another. Raises ValueError, TypeError."""
    # The function takes both versions, but never mixed: it raises TypeError by itself.
    return ipaddress.summarize_address_range(
        cast("ipaddress.IPv4Address", first), cast("ipaddress.IPv4Address", last)
    )


def parse_network(text: str) -> Network:
    """Return a network or address; one with bits set behind its prefix is refused.

    Raises ValueError that says what to write.
    """
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        wider = ipaddress.ip_network(text, strict=False)
    except ValueError:
        message = f"{text[:60]!r} is no address, network or name"
        raise ValueError(message) from None
    host = text.partition("/")[0]
    message = f"{text[:60]!r} has bits behind its prefix; write {wider} for all of it, or {host}"
    raise ValueError(message)
