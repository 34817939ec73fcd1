"""Files that Suricata has taken off the wire: who got them, from whom (file-store, version 2).

With `write-fileinfo: yes` it writes a record beside each file, HASH.TIME.NUMBER.json: an EVE event
of type `fileinfo`.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import re
from typing import TYPE_CHECKING, Any

from phage.records.scanjob import Origin

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 65_536
"""Octets of a record."""

_RECORD = re.compile(r"[0-9a-f]{64}\.\d+\.\d+\.json")
_FILE = re.compile(r"[0-9a-f]{64}")


def is_record(path: Path) -> bool:
    """Tell whether a file is a record of Suricata, and no sample."""
    return _RECORD.fullmatch(path.name) is not None


def origin_of(path: Path) -> Origin | None:
    """Return who got a file, by the latest record beside it; None where there is none."""
    if _FILE.fullmatch(path.name) is None:
        return None
    records = sorted(each for each in path.parent.glob(f"{path.name}.*.json") if is_record(each))
    for record in reversed(records):
        try:
            with record.open("rb") as file:
                event = json.loads(file.read(LONGEST))
            return _origin(event)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return None


def _origin(event: dict[str, Any]) -> Origin:
    """Return the origin that an event tells: the file went from its source to its destination."""
    about = event.get("fileinfo", {})
    return Origin(
        address=str(ipaddress.ip_address(event["dest_ip"])),
        mac=str((event.get("ether") or {}).get("dest_mac", "")).lower()[:17],
        peer=str(ipaddress.ip_address(event["src_ip"])),
        protocol=str(event.get("app_proto", ""))[:20],
        name=str(about.get("filename", ""))[:300],
        time=_nanoseconds(str(event.get("timestamp", ""))),
    )


def _nanoseconds(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    return round(moment.timestamp() * 1_000_000) * 1000
