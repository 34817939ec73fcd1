"""The two ends of a BGP session, and how they are told to ExaBGP."""

from __future__ import annotations

import ipaddress
import re
import socket
from pathlib import Path

from phage.errors import ConfigError
from phage.frozen import frozen

FAMILIES = ("ipv4 unicast", "ipv6 unicast", "ipv4 flow", "ipv6 flow")
"""What is offered to a neighbour; it takes what it speaks."""

MOST_NEIGHBOURS = 16

_PASSWORD = re.compile(r"[!#-\[\]-z|~]{1,80}")
"""What RFC 2385 and ExaBGP's file take: printable, without quotes, spaces, backslash or braces."""
_COMMUNITY = re.compile(r"[0-9]{1,10}(:[0-9]{1,10}){1,2}")


@frozen
class Peering:
    """A speaker and its neighbours; responders with an equal one share one session.

    Attributes:
        neighbours: Addresses of the routers.
        local_as: Our AS number.
        peer_as: Theirs.
        local_address: Ours; '' for the one that reaches them.
        router_id: Our BGP identifier, as an IPv4 address; '' for our address.
        port: TCP port of the routers.
        hold_s: Seconds without a sign of life after which a session is lost.
        ttl: Time to live of what is sent; 0 for the system's.
        keep_s: Seconds for which routers keep routes when phage stops; 0 withdraws them.
        password_file: File with the password of RFC 2385; '' for none.
        account: Account that ExaBGP runs as when phage is root.
        answer_s: Seconds that ExaBGP may take for an answer.
    """

    neighbours: tuple[str, ...]
    local_as: int
    peer_as: int
    local_address: str = ""
    router_id: str = ""
    port: int = 179
    hold_s: int = 90
    ttl: int = 0
    keep_s: int = 0
    password_file: str = ""
    account: str = "nobody"
    answer_s: float = 2.0

    def check(self) -> None:
        """Raise ValueError that names a setting and what it must be."""
        versions = {_address(text, "neighbours").version for text in self.neighbours}
        if len(set(self.neighbours)) != len(self.neighbours):
            _refuse("neighbours: one is named twice")
        if len(self.neighbours) > MOST_NEIGHBOURS:
            _refuse(f"neighbours: at most {MOST_NEIGHBOURS}")
        for name, number in (("local_as", self.local_as), ("peer_as", self.peer_as)):
            if not (0 if not self.neighbours else 1) <= number <= 0xFFFF_FFFF:
                _refuse(f"{name}: an AS number from 1 to 4294967295 (got {number})")
        if self.local_address and versions - {
            _address(self.local_address, "local_address").version
        }:
            _refuse("local_address: not of the same IP version as the neighbours")
        if self.router_id and _address(self.router_id, "router_id").version != 4:
            _refuse("router_id: must be written as an IPv4 address")
        if 6 in versions and not self.router_id:
            _refuse("router_id: must be set where a neighbour has an IPv6 address")
        self._check_numbers()
        if self.password_file and not self.password_file.startswith("/"):
            _refuse("password_file: must be an absolute path")

    def _check_numbers(self) -> None:
        for name, number, least, most in (
            ("port", self.port, 1, 0xFFFF),
            ("hold_s", self.hold_s, 3, 0xFFFF),
            ("ttl", self.ttl, 0, 255),
            ("keep_s", self.keep_s, 0, 0xFFF),  # 12 bits (RFC 4724, 3).
            ("answer_s", self.answer_s, 0.1, 60),
        ):
            if not least <= number <= most:
                _refuse(f"{name}: must be from {least} to {most} (got {number})")

    def configuration(self, handover: str) -> str:
        """Return ExaBGP's configuration file; `handover` is the command of its API process.

        Raises ConfigError when the password cannot be read or a neighbour cannot be reached.
        """
        blocks = [
            "process phage {",
            f"  run {handover};",
            "  encoder json;",
            "  respawn false;",
            "}",
        ]
        password = self._password()
        for neighbour in self.neighbours:
            blocks += [f"neighbor {neighbour} {{", *self._session(neighbour, password), "}"]
        return "\n".join((*blocks, ""))

    def _session(self, neighbour: str, password: str) -> list[str]:
        local = self.local_address or _local_address(neighbour, self.port)
        return [
            f"  router-id {self.router_id or local};",
            f"  local-address {local};",
            f"  local-as {self.local_as};",
            f"  peer-as {self.peer_as};",
            f"  connect {self.port};",
            f"  hold-time {self.hold_s};",
            "  adj-rib-out true;",
            "  adj-rib-in false;",
            *([f"  outgoing-ttl {self.ttl};"] if self.ttl else ()),
            *([f'  md5-password "{password}";'] if password else ()),
            # After a restart routers keep the old routes until they are told that all have come.
            *(["  manual-eor true;"] if self.keep_s else ()),
            *([f"  capability {{ graceful-restart {self.keep_s}; }}"] if self.keep_s else ()),
            f"  family {{ {' '.join(f'{family};' for family in FAMILIES)} }}",
            "  api { processes [ phage ]; neighbor-changes; negotiated; }",
        ]

    def _password(self) -> str:
        if not self.password_file:
            return ""
        try:
            with Path(self.password_file).open(encoding="ascii") as file:
                password = file.read(100).rstrip("\n")
        except (OSError, ValueError) as error:
            message = f"password_file: {self.password_file} cannot be read: {error}"
            raise ConfigError(message) from error
        if not _PASSWORD.fullmatch(password):
            message = (
                f"password_file: {self.password_file} must hold 1 to 80 printable characters"
                " without spaces, quotes, braces and backslashes"
            )
            raise ConfigError(message)
        return password


def communities_text(communities: tuple[str, ...]) -> tuple[str, str]:
    """Return communities (RFC 1997) and large ones (RFC 8092), in ExaBGP's lists; '' for none.

    Raises ValueError for what is neither.
    """
    plain: list[str] = []
    large: list[str] = []
    for text in communities:
        parts = [int(part) for part in text.split(":")] if _COMMUNITY.fullmatch(text) else []
        most = 0xFFFF if len(parts) == 2 else 0xFFFF_FFFF
        if not parts or max(parts) > most:
            _refuse(f"communities: {text!r} is neither A:B nor A:B:C")
        (plain if len(parts) == 2 else large).append(":".join(map(str, parts)))
    return _list("community", plain), _list("large-community", large)


def next_hop(text: str, version: int, name: str) -> str:
    """Return a next hop: "self" or an address of an IP version. Raises ValueError otherwise."""
    if text != "self" and _address(text, name).version != version:
        _refuse(f"{name}: must be an IPv{version} address or self (got {text!r})")
    return text


def _list(word: str, items: list[str]) -> str:
    return f"{word} [ {' '.join(items)} ]" if items else ""


def _local_address(neighbour: str, port: int) -> str:
    """Return our address towards a neighbour; nothing is sent for that."""
    family = socket.AF_INET6 if ":" in neighbour else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((neighbour, port))
            return str(probe.getsockname()[0])
    except OSError as error:
        message = f"no way to the BGP neighbour {neighbour}: {error.strerror}"
        raise ConfigError(message) from error


def _address(text: str, name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = ipaddress.IPv4Address(0)
    if address.compressed != text or "%" in text:
        _refuse(f"{name}: {text!r} is no IP address in its shortest form")
    return address


def _refuse(message: str) -> None:
    raise ValueError(message)
