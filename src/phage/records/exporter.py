"""An exporter: a device that tells of flows, by one of its observation domains."""

from __future__ import annotations

from phage.frozen import frozen

VERSIONS = {
    1: "NetFlow 1",
    5: "NetFlow 5",
    7: "NetFlow 7",
    9: "NetFlow 9",
    10: "IPFIX",
    105: "sFlow 5",
}
"""What versions are called, by their number in records."""


@frozen
class Exporter:
    """What is known of one observation domain of an exporter, and what was counted of it.

    Attributes:
        address: Its address; of sFlow the agent's.
        domain: Observation domain, source identifier, engine or sub-agent.
        version: Number of the format, a key of VERSIONS.
        name: What people call it.
        first_seen: When it was first heard, nanoseconds since the Unix epoch.
        last_seen: When it was last heard.
        sampling: One packet in so many is looked at; 0 where it does not tell.
        drift: How far its clock is behind ours, nanoseconds.
        datagrams: Datagrams, or messages of a connection.
        octets: Their octets.
        records: Flow records and sampled packets.
        options: Records of options, samples of counters.
        templates: Templates that were learnt or changed.
        withdrawn: Templates that were withdrawn.
        early: Sets that came before their template.
        lost: Datagrams or records that the sequence numbers miss.
        reordered: Datagrams that came after a later one.
        restarts: Times that it began anew.
        unknown_elements: Fields of templates that have no name.
        duplicates: Records of which another exporter had told all.
        duplicate_packets: Packets that another one had told of, of these and of others.
        malformed: What was malformed.
    """

    address: str
    domain: int
    version: int
    name: str = ""
    first_seen: int = 0
    last_seen: int = 0
    sampling: int = 0
    drift: int = 0
    datagrams: int = 0
    octets: int = 0
    records: int = 0
    options: int = 0
    templates: int = 0
    withdrawn: int = 0
    early: int = 0
    lost: int = 0
    reordered: int = 0
    restarts: int = 0
    unknown_elements: int = 0
    duplicates: int = 0
    duplicate_packets: int = 0
    malformed: int = 0

    @property
    def key(self) -> tuple[str, int, int]:
        """What names it: address, domain, version."""
        return self.address, self.domain, self.version


COUNTS = (
    "datagrams", "octets", "records", "options", "templates", "withdrawn", "early", "lost",
    "reordered", "restarts", "unknown_elements", "duplicates", "duplicate_packets", "malformed",
)  # fmt: skip
"""The attributes that are counted."""
