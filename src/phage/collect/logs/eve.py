"""Alerts in the shape of Suricata's eve.json (Suricata user guide, section "Eve JSON Format")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phage.collect.logs.parser import KEPT_MESSAGE, KEPT_NAME, canonical
from phage.records import LogEvent, LogKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.collect.logs.parser import Context
    from phage.records.observation import Value

ENGINE = "suricata"

# Only these lines are read as JSON: most are flows and DNS. Suricata writes no spaces, others do.
_MARK = '"alert"'
# Ethernet with a VLAN, IPv4 and TCP with all options: a packet that is longer carries data.
_LONGEST_HEADERS = 18 + 60 + 60


class EveParser:
    """Reads a line of eve.json; lines that are no alerts give nothing.

    What a line says of packets came from the network: every field may be missing, of another type,
    or as long as the line.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def parse(self, line: str, now: int) -> tuple[LogEvent, ...]:
        """Return the event of a line, if it is an alert of somebody."""
        if _MARK not in line:
            return ()
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            self._context.counters.malformed += 1
            return ()
        if not isinstance(record, dict) or record.get("event_type") != "alert":
            return ()
        alert = _part(record, "alert")
        # A rule may say which end attacks (`target:`); else it is the packet's source.
        source = _text(_part(alert, "source"), "ip") or _text(record, "src_ip")
        target = _text(_part(alert, "target"), "ip") or _text(record, "dest_ip")
        address = canonical(source[:KEPT_NAME])
        signature = _text(alert, "signature")
        if not address or not signature:
            self._context.counters.malformed += 1
            return ()
        fields: dict[str, Value] = {
            "signature": signature[:KEPT_NAME],
            "signature_id": _number(alert, "signature_id"),
            "category": _text(alert, "category")[:KEPT_NAME],
            "severity": _number(alert, "severity"),
            "action": _text(alert, "action")[:16],
            "community_id": _text(record, "community_id")[:64],
            "target": canonical(target[:KEPT_NAME]),
            "target_port": _number(record, "dest_port"),
            "protocol": _text(record, "proto")[:16].lower(),
        }
        event = LogEvent(
            kind=LogKind.ALERT,
            time=self._context.stamps.parse(_text(record, "timestamp")[:40], now),
            source=self._context.source,
            service=ENGINE,
            address=address,
            path=_text(_part(record, "http"), "url")[:KEPT_NAME],
            message=signature[:KEPT_MESSAGE],
            spoofable=not _is_proven(record),
            fields=fields,
        )
        return (event,)


def _is_proven(record: Mapping[str, object]) -> bool:
    """Tell whether a TCP handshake was completed: then the source is nobody else's.

    A SYN in another's name is answered too, each time it is sent. Only who got the answer can
    complete the handshake, and only then Suricata reads an application, and the server sends data.
    """
    if _text(record, "proto").upper() != "TCP":
        return False
    if _text(record, "app_proto") not in {"", "failed", "unknown"}:
        return True
    flow = _part(record, "flow")
    packets, octets = _number(flow, "pkts_toclient"), _number(flow, "bytes_toclient")
    return octets > packets * _LONGEST_HEADERS


def _part(record: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _text(record: Mapping[str, object], name: str) -> str:
    """Return a text; halves of characters, which JSON allows, could not be written anywhere."""
    value = record.get(name)
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _number(record: Mapping[str, object], name: str) -> int:
    value = record.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if abs(value) < 2**53 else 0
