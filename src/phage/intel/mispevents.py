"""MISP's JSON (the MISP core format): attributes of events to indicators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.intel.entries import KINDS, Entries
from phage.intel.jsontext import objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def take_event(entries: Entries, event: dict[str, Any]) -> None:
    """Take the attributes of an event that are marked for detection."""
    for item in _attributes(event):
        take_attribute(entries, item, event)


def take_attribute(entries: Entries, item: dict[str, Any], event: Mapping[str, Any]) -> None:
    """Take an attribute if it is marked for detection; `event` says where it is from."""
    kind = KINDS.get(str(item.get("type")).partition("|")[0].lower())
    if kind is None or item.get("to_ids") is not True:
        return
    marks = [*_marks(event), *_marks(item)]
    tlp = next((mark[4:] for mark in marks if mark.lower().startswith("tlp:")), "clear")
    entries.add(
        str(item.get("value")).partition("|")[0],
        kind,
        first=str(item.get("timestamp") or ""),
        tags=marks,
        description=event.get("info"),
        tlp=tlp,
    )


def _marks(of: Mapping[str, Any]) -> list[str]:
    return [str(tag.get("name")) for tag in objects(of.get("Tag") or [], "Tag")]


def _attributes(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from objects(event.get("Attribute") or [], "Attribute")
    for each in objects(event.get("Object") or [], "Object"):
        yield from objects(each.get("Attribute") or [], "Attribute")
