"""What is known of devices, as it is answered and printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.devices.alerts import AlertRate
    from phage.records.device import Device, DeviceEvent, Seen


def evidence_shape(device: Device) -> dict[str, Any]:
    """Return why a device is held to be what it is, and its addresses over time."""
    return {
        "guesses": {
            str(attribute): {
                "value": guess.value,
                "confidence": guess.confidence,
                "why": list(guess.why),
                "rivals": [{"value": value, "confidence": sure} for value, sure in guess.rivals],
            }
            for attribute, guess in device.guesses.items()
        },
        "given": {str(name): value for name, value in device.given.items()},
        "traits": [
            {
                "attribute": str(trait.attribute),
                "value": trait.value,
                "weight": trait.weight,
                "source": trait.source,
                "evidence": trait.evidence,
                "seen": rfc3339(trait.seen),
            }
            for trait in device.traits
        ],
        "marks": [{"kind": str(mark.kind), "value": mark.value} for mark in device.marks],
        "joins": [
            {"mac": join.mac, "confidence": join.confidence, "why": join.why,
             "at": rfc3339(join.at), "by": join.by}
            for join in device.joins
        ],
        "apart": list(device.apart),
        "seen": {
            "macs": [_seen(each) for each in device.macs],
            "addresses": [_seen(each) for each in device.addresses],
        },
    }  # fmt: skip


def event_shape(event: DeviceEvent) -> dict[str, Any]:
    """Return something that happened to a device."""
    return {
        "at": rfc3339(event.at),
        "device": event.device,
        "what": event.what,
        "by": event.by,
        "detail": event.detail,
    }


def _seen(seen: Seen) -> dict[str, str]:
    return {"value": seen.value, "first": rfc3339(seen.first), "last": rfc3339(seen.last)}


def alerts_shape(
    found: AlertRate, known: Mapping[str, Device], detector: str, days: int
) -> dict[str, Any]:
    """Return how often devices made a detector tell something; `known` are devices by name."""
    return {
        "detector": detector,
        "days": days,
        "alerts": found.alerts,
        "devices": found.devices,
        "per_device_and_week": found.rate,
        "by_device": [
            {
                "device": known[device].id if device in known else device,
                "name": known[device].shown if device in known else device,
                "alerts": count,
            }
            for device, count in found.by_device
        ],
    }
