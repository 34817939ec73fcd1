"""New firmware: a device that tells another version than before, or fetches much from far.

What a device never did is less odd then: its maker changed it. It counts less for a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.records.device import Attribute

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from phage.records.device import Trait

KNOWN_NS = 86_400 * 1_000_000_000
"""How long a device must be known: at first it tells the versions of all that runs on it."""

_VERSIONED = frozenset({Attribute.VERSION, Attribute.SOFTWARE})


def renewal(known: Collection[Trait], told: Iterable[Trait]) -> str:
    """Return which version of what a device tells that it never told, and which before; ''.

    Args:
        known: Its traits until now.
        told: What it tells.
    """
    seen = {(each.attribute, each.value) for each in known}
    for trait in told:
        if trait.attribute not in _VERSIONED or (trait.attribute, trait.value) in seen:
            continue
        before = [
            each for each in known if each.source == trait.source and _thing(each) == _thing(trait)
        ]
        if before:
            latest = max(before, key=lambda each: each.seen)
            return f"{latest.value} -> {trait.value}"[:200]
    return ""


def _thing(trait: Trait) -> tuple[str, ...]:
    """Return what a version is of: a device, or a product (part, vendor, name of a CPE name)."""
    if trait.attribute is Attribute.SOFTWARE:
        return tuple(trait.value.split(":")[:5])
    return (str(trait.attribute),)
