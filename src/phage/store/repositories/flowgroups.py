"""Flows in groups: those that no rule can tell apart are counted together, by the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.frozen import frozen
from phage.store.repositories.counters import MINUTE
from phage.store.repositories.text import MAX_INTEGER, storable_integer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.store.database import Database, Row


_TYPE = "CASE WHEN protocol IN (1, 58) THEN src_port ELSE 0 END"
"""ICMP has no ports: the columns hold its type and code."""


@frozen
class FlowGroup:
    """Flows with the same ends and service.

    Attributes:
        src: Address of the initiators.
        dst: Address of the responders.
        protocol: IP protocol number.
        dst_port: Destination port; of ICMP, the code.
        src_port: Source port, where groups are told apart by it, else 0; of ICMP, always the type.
        src_mac: MAC address of the initiators, as seen on the link.
        vlan: VLAN id; 0 for none.
        minute: The minute in which they began, where groups are told apart by it, else 0; in
            nanoseconds since the Unix epoch.
        flows: How many.
        octets: Of both directions.
        last: When a packet of them was last seen, in nanoseconds since the Unix epoch.
    """

    src: str
    dst: str
    protocol: int
    dst_port: int
    src_port: int = 0
    src_mac: str = ""
    vlan: int = 0
    minute: int = 0
    flows: int = 0
    octets: int = 0
    last: int = 0


class FlowGroupRepository:
    """Groups of flows in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stream(
        self, since: int, until: int, *, source_ports: bool = False, minutes: bool = False
    ) -> Iterator[FlowGroup]:
        """Yield the groups of all flows seen in a time; memory does not grow with their number.

        Args:
            since: Flows whose last packet came at this time or later, in nanoseconds since the
                Unix epoch.
            until: Flows that began before.
            source_ports: Tell flows apart by their source port.
            minutes: Tell flows apart by the minute in which they began.
        """
        port = "src_port" if source_ports else _TYPE
        minute = f"begun / {MINUTE} * {MINUTE}" if minutes else "0"
        ends = [max(0, storable_integer(moment)) for moment in (since, until)]
        sql = (
            f"SELECT src, dst, protocol, dst_port, {port} AS port, src_mac, vlan, "
            f"{minute} AS minute, count(*), sum(octets_sent + octets_received), max(last_seen) "
            f"FROM flows WHERE last_seen >= {ends[0]} AND begun < {ends[1]} "
            "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"
        )
        yield from map(_group, self._database.stream(sql))


def _group(row: Row) -> FlowGroup:
    values: tuple[Any, ...] = row
    return FlowGroup(
        src=values[0],
        dst=values[1],
        protocol=values[2],
        dst_port=values[3],
        src_port=values[4],
        src_mac=values[5],
        vlan=values[6],
        minute=values[7],
        flows=values[8],
        octets=min(int(values[9]), MAX_INTEGER),  # PostgreSQL's sums are of any length.
        last=values[10],
    )
