"""A decision: what is to be done to whom, until when, and why; and the receipt that it was done."""

from __future__ import annotations

import enum
from dataclasses import field

from phage.frozen import frozen


class TargetKind(enum.StrEnum):
    """What a decision can be about."""

    IP = "ip"
    PREFIX = "prefix"
    MAC = "mac"
    DEVICE = "device"
    DOMAIN = "domain"


@frozen
class Target:
    """Whom a decision is about, in canonical text: "192.0.2.7", "2001:db8::/64", "02:00:5e:…"."""

    kind: TargetKind
    value: str


class Action(enum.StrEnum):
    """What is done to the packets of a decision's target."""

    BAN = "ban"
    """Drop them, and cut the connections that stand."""
    REJECT = "reject"
    """Refuse them with an answer (TCP reset, ICMP unreachable)."""
    LIMIT = "limit"
    """Let through as many as `rate` allows and drop the rest."""
    QUARANTINE = "quarantine"
    """Let a device reach only what it needs to be mended: DHCP, DNS and ping of the router."""


class Direction(enum.StrEnum):
    """Which packets of the target are meant."""

    FROM = "from"
    TO = "to"
    BOTH = "both"


@frozen
class Rate:
    """How much is let through.

    Attributes:
        count: How many in a unit of time, at least 1.
        unit: "packets", "octets" or "connections".
        seconds: The unit of time.
        burst: How many at once; 0 lets the responder choose.
    """

    count: int
    unit: str = "packets"
    seconds: int = 1
    burst: int = 0


@frozen
class Pattern:
    """Which of the target's packets are meant; everything that is set must hold.

    Attributes:
        protocol: IP protocol number; None for any.
        ports: Ranges of destination ports, both ends included; () for any.
        source_ports: The same of source ports, as in amplification.
        tcp_flags: (mask, value) of the TCP flags octet; None for any.
        lengths: Ranges of the length of the IP packet in octets; () for any.
        fragments: Only fragments.
    """

    protocol: int | None = None
    ports: tuple[tuple[int, int], ...] = ()
    source_ports: tuple[tuple[int, int], ...] = ()
    tcp_flags: tuple[int, int] | None = None
    lengths: tuple[tuple[int, int], ...] = ()
    fragments: bool = False

    @property
    def is_everything(self) -> bool:
        """Tell whether every packet of the target is meant."""
        return self == Pattern()


@frozen
class Decision:
    """What is to be done, as the ledger keeps it.

    Times are nanoseconds since the Unix epoch. A decision is in force while `start` <= now <
    `until`, `ended` is 0 and `dry_run` is false.

    Attributes:
        id: Given by the ledger: 26 characters that sort by time (as a ULID).
        target: Whom it is about.
        action: What is done.
        reason: Why, in one sentence for people.
        start: Since when.
        until: When it expires; 0 for never, which only a person may decide.
        rule: The rule that decided; '' when a person did.
        finding: The finding behind it, or ''.
        by: Who decided: "rule", "user:NAME", "feed:NAME".
        direction: Which of the target's packets.
        pattern: Which of these.
        rate: What LIMIT lets through.
        responders: Names of the responders that are to carry it out; () for all that can.
        dry_run: Recorded and shown, never carried out.
        spoofable: The evidence is one-way packets whose source anyone can forge.
        ended: When it was revoked or expired; 0 while it stands.
        ended_by: "expiry", "user:NAME", "allow-list", "panic".
    """

    target: Target
    action: Action
    reason: str
    start: int
    until: int = 0
    id: str = ""
    rule: str = ""
    finding: str = ""
    by: str = "rule"
    direction: Direction = Direction.FROM
    pattern: Pattern = field(default_factory=Pattern)
    rate: Rate | None = None
    responders: tuple[str, ...] = ()
    dry_run: bool = False
    spoofable: bool = False
    ended: int = 0
    ended_by: str = ""

    def is_in_force(self, now: int) -> bool:
        """Tell whether it is to be carried out at a time."""
        return (
            not self.dry_run
            and not self.ended
            and self.start <= now
            and (not self.until or now < self.until)
        )


class ReceiptState(enum.StrEnum):
    """What became of a decision at a responder."""

    APPLIED = "applied"
    WITHDRAWN = "withdrawn"
    UNSUITED = "unsuited"
    """The responder cannot carry out this kind of decision."""
    FAILED = "failed"


@frozen
class Receipt:
    """The proof of what a responder did with a decision.

    Attributes:
        decision: The decision's id.
        responder: Name of the responder.
        state: What became of it.
        at: When, in nanoseconds since the Unix epoch.
        detail: Where it is in force ("set ban4"), or why not, for people.
    """

    decision: str
    responder: str
    state: ReceiptState
    at: int
    detail: str = ""
