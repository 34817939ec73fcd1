"""Kinds of values that settings take: networks, sizes, times, listen addresses."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]?i?[bB]?)")
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|w)?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_DOMAIN = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
_INTERFACE = re.compile(r"[^\s/\x00-\x20]{1,15}")


def parse_size(value: object) -> object:
    """Turn "500 MB" or "64 MiB" into bytes; a number is bytes already."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        message = "must be a size such as 500 MB, 64 MiB or a number of bytes"
        raise ValueError(message)
    unit = match[2].lower().removesuffix("b")
    binary = unit.endswith("i")
    return int(float(match[1]) * (_BINARY if binary else _FACTORS)[unit.removesuffix("i")])


def parse_duration(value: object) -> object:
    """Turn "30 d", "10 min" or "1.5h" into seconds; a number is seconds already."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        message = "must be a time such as 30 d, 12 h, 10 min or a number of seconds"
        raise ValueError(message)
    return float(match[1]) * _SECONDS[match[2] or "s"]


def format_size(octets: float) -> str:
    """Return octets in the largest unit that stays exact: 33554432 is "32 MiB", 2e9 is "2 GB"."""
    whole = int(octets)
    for factors, suffix in ((_BINARY, "iB"), (_FACTORS, "B")):
        for unit in "tgmk":
            if whole >= factors[unit] and whole % factors[unit] == 0:
                letter = "k" if (unit, suffix) == ("k", "B") else unit.upper()
                return f"{whole // factors[unit]} {letter}{suffix}"
    return str(whole)


def format_duration(seconds: float) -> str:
    """Return seconds in the largest unit that stays exact: 604800 is "7 d"."""
    for unit in ("d", "h", "min"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{int(seconds // _SECONDS[unit])} {unit}"
    return f"{seconds:g} s"


def check_network(value: str) -> str:
    """Return a network in its canonical form; host bits are cleared."""
    try:
        return str(ipaddress.ip_network(value.strip(), strict=False))
    except ValueError:
        message = "must be a network such as 192.168.1.0/24 or fd00::/8"
        raise ValueError(message) from None


def check_protected(value: str) -> str:
    """Return a network, a MAC address or a domain name in one form."""
    text = value.strip().lower()
    if _MAC.fullmatch(text) or (_DOMAIN.fullmatch(text) and not text.rpartition(".")[2].isdigit()):
        return text
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        message = "must be an address, a network, a MAC address or a domain name"
        raise ValueError(message) from None


def check_interface(value: str) -> str:
    """Return the name of an interface if the kernel could have given it."""
    if value in {".", ".."} or _INTERFACE.fullmatch(value) is None:
        message = "must be the name of an interface, for example eth0 (`ip link` lists them)"
        raise ValueError(message)
    return value


def split_listen(value: str) -> tuple[str, int]:
    """Split "127.0.0.1:8080" or "[::1]:8080" into host and port.

    Raises ValueError on anything else.
    """
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    try:
        ipaddress.ip_address(host)
        number = int(port) if colon and port.isascii() and port.isdigit() else -1
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        message = "must be an address and a port, for example 127.0.0.1:8080 or [::1]:8080"
        raise ValueError(message)
    return host, number


def check_listen(value: str) -> str:
    """Return a listen address if it is one."""
    split_listen(value)
    return value


Size = Annotated[int, BeforeValidator(parse_size)]
"""Octets."""

Duration = Annotated[float, BeforeValidator(parse_duration)]
"""Seconds."""

Protected = Annotated[str, AfterValidator(check_protected)]
Network = Annotated[str, AfterValidator(check_network)]
InterfaceName = Annotated[str, AfterValidator(check_interface)]
Listen = Annotated[str, AfterValidator(check_listen)]
PositiveInteger = Annotated[int, Field(gt=0)]
