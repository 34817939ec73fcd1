"""The SYN proxy's part of a rule set.

The kernel answers a client's SYN with a cookie, untracked, and opens the connection to the service
in the client's name when the cookie comes back; from then on it translates sequence numbers. A SYN
and the answer to its cookie go through the rules like any packet that opens a connection; the proxy
takes over those that a rule, or the default, accepts.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from phage.respond.nft.names import RuleSetError, owned
from phage.respond.nft.ranges import IP, addresses_text, any_of, checked, numbers_text, of_networks
from phage.respond.nft.rendering import Definition, Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phage.records.packetrule import SynProxy
    from phage.respond.nft.ranges import Range

PREROUTING_PRIORITY = -300
"""Raw: before connection tracking (-200), which must not see the SYNs that the proxy answers."""

LARGEST_SCALE = 14
"""RFC 7323, section 2.3."""


def proxied_set(proxies: Sequence[SynProxy], version: int) -> Definition | None:
    """Return the set of address and port of what is behind the proxy; None if nothing is.

    Raises RuleSetError when two proxies stand for one service.
    """
    _check(proxies)
    elements = tuple(
        f"{address} . {port}"
        for proxy in proxies
        for address in addresses_text(of_networks(proxy.services, version), version)
        for port in numbers_text(checked(proxy.ports, 0xFFFF, "port"))
    )
    if not elements:
        return None
    name = owned(f"proxied{version}", "services", *elements)
    body = (f"type ipv{version}_addr . inet_service", "flags interval")
    return Definition("set", name, body, elements)


def untracked(proxies: Sequence[SynProxy]) -> Iterator[Line]:
    """Yield what keeps SYNs to services from connection tracking."""
    for _, text in _services(proxies):
        yield Line(f"{text} tcp flags & (fin|syn|rst|ack) == syn notrack")


def answered(proxies: Sequence[SynProxy]) -> Iterator[Line]:
    """Yield what answers a SYN, and takes the answer to it, in a service's name."""
    for proxy, text in _services(proxies):
        yield Line(f"{text} ct state invalid,untracked {_statement(proxy)}")
        yield Line(f"{text} ct state invalid drop")


def opened(proxies: Sequence[SynProxy]) -> Iterator[Line]:
    """Yield what lets the proxy open the connection to a service in a client's name."""
    for _, text in _services(proxies):
        yield Line(f"fib saddr type != local {text} accept")


def _services(proxies: Sequence[SynProxy]) -> Iterator[tuple[SynProxy, str]]:
    for proxy in proxies:
        ports = any_of(numbers_text(checked(proxy.ports, 0xFFFF, "port")))
        for version, ip in IP.items():
            if ranges := of_networks(proxy.services, version):
                there = any_of(addresses_text(ranges, version))
                yield proxy, f"{ip} daddr {there} tcp dport {ports}"


def _statement(proxy: SynProxy) -> str:
    options = [f"synproxy mss {proxy.mss} wscale {proxy.window_scale}"]
    options += ["timestamp"] if proxy.timestamps else []
    options += ["sack-perm"] if proxy.selective_acks else []
    return " ".join(options)


def _check(proxies: Sequence[SynProxy]) -> None:
    for proxy in proxies:
        if not proxy.services or not proxy.ports:
            message = "a SYN proxy needs the addresses and ports of its services"
            raise RuleSetError(message)
        if not (0 < proxy.mss <= 0xFFFF and 0 <= proxy.window_scale <= LARGEST_SCALE):
            message = (
                f"a SYN proxy cannot promise mss {proxy.mss}, window scale {proxy.window_scale}"
            )
            raise RuleSetError(message)
    for one, other in combinations(proxies, 2):
        if _meet(one.ports, other.ports) and any(
            _meet(of_networks(one.services, version), of_networks(other.services, version))
            for version in IP
        ):
            message = "two SYN proxies stand for one service"
            raise RuleSetError(message)


def _meet(some: Sequence[Range], others: Sequence[Range]) -> bool:
    return any(first <= until and start <= last for first, last in some for start, until in others)
