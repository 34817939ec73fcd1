"""What stands where in phage's own table: names, priorities, and who writes what.

One table `inet phage`; nothing outside it is ever touched. Two writers share it:

* **bans** (`phage.respond.responders.nftables`): the sets of banned, quarantined and listed
  addresses, and the chains `INGRESS` to `BAN_OUTPUT` below, base chains of their own. They need
  nothing of the static rules.
* **static rules** (`phage.respond.nft`): the base chains `STATIC` and whatever they jump to, all of
  whose names begin with `RULE_PREFIX`, and sets whose names begin with `RULE_PREFIX`.

Each replaces its own in one transaction and leaves the other's alone. Both declare the table and
the allow sets (that is idempotent); `allow4` and `allow6` hold the allow-list, and what stands in
it is asked before any ban takes effect. The allow-list shields the *target*: a ban of packets from
a source asks whether the source is allowed, a ban of packets to a destination asks whether the
destination is.

A packet meets, in this order: `INGRESS` (only on interfaces that are named; before the kernel's IP
layer, the cheapest place to drop), `PREROUTING` (every interface, before conntrack), `CONNECTIONS`
(after conntrack), then `BAN_FORWARD` or `BAN_OUTPUT` and the static chain of the hook.
"""

from __future__ import annotations

import ipaddress

FAMILY = "inet"
TABLE = "phage"

# Static rules.

STATIC = {"input": "input", "forward": "forward", "output": "output"}
"""Base chains of the static rules, by hook."""

STATIC_PRIORITY = -10
"""After conntrack (-200), mangle (-150) and DNAT (-100); before the filter chains of others (0)."""

RULE_PREFIX = "rule_"
"""How chains, sets, maps and counters of static rules begin, the three base chains aside."""

# The allow-list, of both.

ALLOW = {4: "allow4", 6: "allow6"}
"""Interval sets (`flags interval`), small, by IP version."""

# Base chains of the bans.

INGRESS = "ingress"
INGRESS_PRIORITY = -450
PREROUTING = "prerouting"
PREROUTING_PRIORITY = -310
"""Before raw (-300) and conntrack (-200): a banned packet makes no connection."""
CONNECTIONS = "connections"
CONNECTIONS_OUT = "connections_out"
CONNECTIONS_PRIORITY = -160
"""After conntrack (-200): limits of new connections are asked here."""
BAN_FORWARD = "ban_forward"
BAN_OUTPUT = "ban_output"
BAN_PRIORITY = -310

# Sets of the bans.

BAN_FROM = {4: "ban4", 6: "ban6"}
BAN_TO = {4: "to4", 6: "to6"}
BAN_FROM_64 = "ban6_64"
BAN_TO_64 = "to6_64"
"""IPv6 networks of 64 bits, one household each: keys are the first 64 bits, the rest zeros."""

HOST_BITS = {4: 32, 6: 128}


def prefix_set(version: int, length: int, *, to: bool = False) -> str:
    """Name the hash set of banned networks of one prefix length."""
    if to and (version, length) == (6, 64):
        return BAN_TO_64
    if (version, length) == (6, 64):
        return BAN_FROM_64
    if length == HOST_BITS[version]:
        return (BAN_TO if to else BAN_FROM)[version]
    return f"{'to_' if to else ''}net{version}_{length}"


def list_set(name: str, version: int, length: int) -> str:
    """Name the hash set of one prefix length of a bulk list.

    A list is matched when one of its sets holds the address, cut to the set's length.
    """
    return f"list_{name}_{version}_{length}"


def mask(version: int, length: int) -> bytes:
    """Return the mask of a prefix length in network order."""
    text = f"0.0.0.0/{length}" if version == 4 else f"::/{length}"
    return ipaddress.ip_network(text).netmask.packed
