"""Records of exporters as tables show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.cli.output import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DECODED = (
    Column("source", "source"),
    Column("destination", "destination"),
    Column("protocol", "proto", right=True),
    Column("packets", "packets", right=True),
    Column("octets", "bytes", right=True),
    Column("sampling", "sampling", right=True),
    Column("domain", "odid", right=True),
)


def decoded(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Shape records for a table; a count that was not sent may stand in its total."""
    for record in records:
        yield {
            "source": endpoint(record.get("src", ""), record.get("sport", 0)),
            "destination": endpoint(record.get("dst", ""), record.get("dport", 0)),
            "proto": record.get("proto", ""),
            "packets": record.get("packets", record.get("packets_total", "")),
            "bytes": record.get("bytes", record.get("bytes_total", "")),
            "sampling": record["sampling"] or "" if "sampling" in record else "",
            "odid": record.get("odid", ""),
        }


def endpoint(address: str, port: int) -> str:
    """Return an address with its port, where there is one."""
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
