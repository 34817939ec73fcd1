"""A threshold: how much traffic a host or a group of networks may receive or send."""

from __future__ import annotations

from phage.frozen import frozen
from phage.records.watched import GROUP

MEASURES = ("packets", "bits", "flows")
"""What is measured, a second."""

VECTORS = (
    "any", "tcp", "syn", "syn-ack", "rst", "udp", "reply", "query", "icmp", "fragment", "other",
)  # fmt: skip
"""Which packets are: all, or one class of them ("reply" is UDP from ports that amplify)."""


@frozen
class Threshold:
    """How much is too much.

    Attributes:
        value: So many a second.
        measure: One of MEASURES.
        vector: One of VECTORS.
        incoming: Whether what is received is measured, or what is sent.
        group: Name of the group, for reports; "default" for all that is in no group.
        networks: Whom it is about; () for everybody.
        length: Length of the prefixes that are measured among mapped addresses: 128 for hosts, 120
            for each /24 of IPv4.
        seconds: Over how long the mean is taken: 1 or 5.
        strict: Whether it holds for what looks harmless too: transfers, answered traffic.
        service: To which service packets go, "tcp/80"; '' for all.
    """

    value: float
    measure: str = "packets"
    vector: str = "any"
    incoming: bool = True
    group: str = "default"
    networks: tuple[str, ...] = ()
    length: int = 128
    seconds: int = 1
    strict: bool = False
    service: str = ""

    def __str__(self) -> str:
        """Return it as people read it: "20,000 packets/s to a host"."""
        what = self.measure if self.vector == "any" else f"{self.vector} {self.measure}"
        where = "to" if self.incoming else "from"
        service = f" to {self.service}" if self.service else ""
        return f"{self.value:,.0f} {what}/s{service} {where} {self.whom}"

    @property
    def whom(self) -> str:
        """Whom it is about, in words."""
        if self.length == GROUP:
            return f"all of group {self.group}"
        short = self.length - 96 if self.length > 96 else self.length
        each = "a host" if self.length == 128 else f"a /{short}"
        return each if self.group == "default" else f"{each} of group {self.group}"
