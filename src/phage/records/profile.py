"""A profile: the learned normal behaviour of one device."""

from __future__ import annotations

import enum
from dataclasses import field
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_PORT = 0
EPHEMERAL = -1
"""A port that is chosen anew each time."""

POSING = "posing"
"""Kind of a peer that sends with addresses of others: "posing:MAC"."""

INTERNET = "internet"
"""The peer of who talks to anybody outside."""

USUAL_PORTS = frozenset({53, 80, 123, 443, 853, 5353, 8883})
"""Ports by which every thing talks to its maker."""


class Way(enum.StrEnum):
    """Who begins."""

    OUT = "out"
    """The device."""
    IN = "in"
    """Its peer: the device serves."""


@frozen
class ProfileKey:
    """One thing that a device does: with whom, by what service, who begins.

    `peer` is a service's name ("name:tplinkcloud.com"), a network ("net:52.32.0.0/16"), a group
    ("group:224.0.0.251"), or a role at home: "router", "home" (anybody), "device:ID". `port` is the
    service's, NO_PORT or EPHEMERAL.
    """

    way: Way
    protocol: int
    port: int
    peer: str

    def __str__(self) -> str:
        """Return it as people write it: "out 6 443 name:example.org"."""
        return f"{self.way} {self.protocol} {self.port} {self.peer}"


@frozen
class KeyOrder:
    """What a key comes after: its row of a Markov chain over what the device does.

    Attributes:
        trains: How often it was used after a silence of its own; only that counts here.
        about: Nanoseconds for which it was about, which tells what comes after it by chance.
        stray: When it last came out of the blue, after nothing; 0: never.
        after: Shares of its trains, of late, by what they came after.
    """

    trains: int = 0
    about: int = 0
    stray: int = 0
    after: Mapping[ProfileKey, float] = field(default_factory=dict)


@frozen
class KeyUse:
    """How a key was used. Times are nanoseconds since the Unix epoch.

    Attributes:
        first: When it was used first.
        last: When last.
        days: On how many days.
        flows: How often.
        sent: Octets that the device sent.
        received: Octets that it received.
        period: Usual seconds between two uses; 0 where unknown.
        jitter: How much that varies, as a share of the period.
        hours: The hours of the week when it was used, a bit each, Monday 00-01 UTC the lowest.
        most: Most uses within a minute.
        volume: Mean of the logarithm (base 2) of a use's octets.
        spread: Its standard deviation.
        failed: Uses that nobody answered.
        order: What it comes after.
    """

    first: int
    last: int
    days: int = 1
    flows: int = 0
    sent: int = 0
    received: int = 0
    period: float = 0.0
    jitter: float = 0.0
    hours: int = 0
    most: int = 0
    volume: float = 0.0
    spread: float = 0.0
    failed: int = 0
    order: KeyOrder = field(default_factory=KeyOrder)


class Phase(enum.StrEnum):
    """How far a device's profile has come."""

    OBSERVE = "observe"
    PROPOSE = "propose"
    """It hardly does anything new: its profile can be enforced."""
    ENFORCE = "enforce"


@frozen
class Profile:
    """What a device normally does.

    Attributes:
        device: The device's id.
        since: Since when it is observed, in nanoseconds since the Unix epoch.
        until: When it was last.
        phase: How far it has come.
        keys: What it does, and how.
        waiting: What it did that is not held to be normal yet.
        rates: Most of each kind in a minute: "arp_request", "flows", "new_peers", "syn",
            "dns_failures"; "peers" and "ports" that were different; "up_down", how many times as
            much it sent as it received in a minute of much.
        names: Names by address, as name servers told the device.
        claims: Names by address that only its own hellos say.
        dropped: Keys that did not fit.
        renewed: When it last fetched what may be new firmware; 0: never.
    """

    device: str
    since: int
    until: int
    phase: Phase = Phase.OBSERVE
    keys: Mapping[ProfileKey, KeyUse] = field(default_factory=dict)
    waiting: Mapping[ProfileKey, KeyUse] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    dropped: int = 0
    renewed: int = 0


class DeviationKind(enum.StrEnum):
    """How a device deviates from its profile."""

    NEW = "new"
    """It does something that it never did."""
    RATE = "rate"
    """It does something far more often."""
    VOLUME = "volume"
    """It moves far more."""
    HOUR = "hour"
    """It does something at an hour of the week when it never does."""
    ORDER = "order"
    """It does something without what always comes before."""


@frozen
class Deviation:
    """One deviation of a device from its profile.

    Attributes:
        device: The device's id.
        mac: Its MAC address; ''.
        ip: Its address.
        peer_ip: The address at the other end; ''.
        at: When, in nanoseconds since the Unix epoch.
        kind: How it deviates.
        key: What it did; None for rates of the whole device.
        what: For rates of the whole device, which.
        after: What should have come before; None for other deviations.
        share: In which share of cases it did, 0 to 1.
        value: How much.
        usual: How much is usual.
        simple: It is a thing that does few things: not a phone or PC.
        peers_alike: Other devices of its kind do the same.
        fleet: Several devices of its kind began this together.
        renewed: It got new firmware a short while ago.
        known_peer: It has to do with this peer already, by another service.
    """

    device: str
    mac: str
    ip: str
    peer_ip: str
    at: int
    kind: DeviationKind
    key: ProfileKey | None = None
    what: str = ""
    value: float = 0.0
    usual: float = 0.0
    simple: bool = True
    peers_alike: bool = False
    fleet: bool = False
    renewed: bool = False
    known_peer: bool = False
    after: ProfileKey | None = None
    share: float = 0.0
