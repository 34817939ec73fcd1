"""The hits of a rule: how many packets met it, and when the last one did."""

from __future__ import annotations

from phage.frozen import frozen


@frozen
class RuleHits:
    """What was counted of one rule, from counters alone, never by listing sets.

    Times are nanoseconds since the Unix epoch.

    Attributes:
        rule: The rule's name.
        packets: Packets that met all its conditions; for a rule about findings, findings.
        octets: Octets of these packets.
        last_hit: When its counter was last seen to have moved; 0 for never.
        since: Since when it is counted; 0 where that is unknown.
    """

    rule: str
    packets: int = 0
    octets: int = 0
    last_hit: int = 0
    since: int = 0
