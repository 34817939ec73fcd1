"""How devices are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.api.deviceshapes import evidence_shape
from phage.cli.output import Column
from phage.clock import rfc3339
from phage.records.device import CONCLUDED, Attribute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phage.records.device import Device, DeviceEvent

LIST_COLUMNS = (
    Column("id", "id"),
    Column("name", "shown"),
    Column("address", "ip"),
    Column("vendor", "vendor"),
    Column("product", "product"),
    Column("category", "category"),
    Column("system", "system"),
    Column("here", "present"),
    Column("last seen", "last_seen"),
)

ALERT_COLUMNS = (
    Column("device", "name"),
    Column("id", "device"),
    Column("findings", "alerts", right=True),
)

EVENT_COLUMNS = (
    Column("at", "at"),
    Column("device", "device"),
    Column("what", "what"),
    Column("by", "by"),
    Column("detail", "detail", wrap=True),
)


def device_shape(device: Device, *, whole: bool = False) -> dict[str, Any]:
    """Return a device as it is printed; `whole` with all evidence."""
    shape: dict[str, Any] = {
        "id": device.id,
        "name": device.name,
        "shown": device.shown,
        "labels": list(device.labels),
        "vendor": device.vendor,
        "product": device.product,
        "category": device.category,
        "system": device.system,
        "kind": device.kind,
        "mac": device.mac,
        "ip": device.ip,
        "macs": [seen.value for seen in device.macs],
        "addresses": [seen.value for seen in device.addresses],
        "present": device.present,
        "first_seen": rfc3339(device.first_seen),
        "last_seen": rfc3339(device.last_seen),
        "packets": device.packets,
        "octets": device.octets,
        "vlan": device.vlan,
        "confidence": {
            str(attribute): guess.confidence for attribute, guess in device.guesses.items()
        },
    }
    if whole:
        shape |= evidence_shape(device)
    return shape


def explain(device: Device, events: Sequence[DeviceEvent]) -> Iterator[str]:
    """Yield the lines that tell a person about a device."""
    yield device.shown
    yield ""
    yield f"device     {device.id}"
    yield f"here       {'yes' if device.present else 'no'}, last seen {rfc3339(device.last_seen)}"
    yield f"first seen {rfc3339(device.first_seen)}"
    if device.labels:
        yield f"labels     {', '.join(device.labels)}"
    for attribute in CONCLUDED:
        yield from _guess(device, attribute)
    for title, several in (("MAC addresses", device.macs), ("IP addresses", device.addresses)):
        yield ""
        yield title
        for seen in several:
            yield f"  {seen.value}  last seen {rfc3339(seen.last)}"
    for join in device.joins:
        yield f"  {join.mac} is held to be this device ({join.confidence:.0%}): {join.why}"
    if events:
        yield ""
        yield "history"
        for event in events:
            yield f"  {rfc3339(event.at)}  {event.what}  {event.detail}".rstrip()


def _guess(device: Device, attribute: Attribute) -> Iterator[str]:
    guess = device.guess(attribute)
    sure = f" ({guess.confidence:.0%})" if guess.value else ""
    yield f"{attribute:10} {guess.value or 'unknown'}{sure}"
    for why in guess.why:
        yield f"             {why}"
    if guess.rivals:
        rivals = ", ".join(f"{value} ({confidence:.0%})" for value, confidence in guess.rivals)
        yield f"             or {rivals}"


def explain_row(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that tell a person about a device, of what the API answers of it."""
    yield row["name"]
    yield ""
    for name in ("id", "present", "first_seen", "last_seen", "vendor", "product", "category"):
        yield f"{name.replace('_', ' '):<11}{row[name]}"
    for name, guess in row["guesses"].items():
        yield f"{name:<11}{guess['value']} ({guess['confidence']:.0%}): {'; '.join(guess['why'])}"
    for kind, several in row["seen"].items():
        yield ""
        yield kind
        for seen in several:
            yield f"  {seen['value']}  last seen {seen['last']}"
    if row["history"]:
        yield ""
        yield "history"
        for event in row["history"]:
            yield f"  {event['at']}  {event['what']}  {event['detail']}"
