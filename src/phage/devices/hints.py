r"""Hints: patterns in what devices say, and what follows from them; compiled by us, none copied.

A table of hints is a tuple; the first that matches a text counts, so the particular stands before
the general. A hint is a pattern (searched, case ignored), a weight, and what it tells by attribute;
`\1` in a value is the pattern's group.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from phage.devices.identifier import cleaned
from phage.records.device import Attribute, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER = re.compile(r"\d+")
_IDENTITY = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # RFC 9562
    r"|(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}"  # a MAC address
    r"|(?<![0-9a-z])(?=[a-f]*\d)[0-9a-f]{6,}(?![0-9a-z])"  # a serial number
    r"|(?<=[-_])(?=[a-f]*\d)[0-9a-f]{4,5}(?![0-9a-z])"  # the end of a MAC address
)


@dataclass(frozen=True)
class Hint:
    """What follows from a pattern."""

    pattern: str
    weight: float
    vendor: str = ""
    product: str = ""
    category: str = ""
    system: str = ""
    software: str = ""
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", re.compile(self.pattern, re.IGNORECASE))

    def match(self, text: str) -> re.Match[str] | None:
        """Search a text."""
        return self._compiled.search(text)

    def tells(self) -> Iterable[tuple[Attribute, str]]:
        """Yield what it tells."""
        for attribute, value in (
            (Attribute.VENDOR, self.vendor),
            (Attribute.PRODUCT, self.product),
            (Attribute.CATEGORY, self.category),
            (Attribute.SYSTEM, self.system),
            (Attribute.SOFTWARE, self.software),
        ):
            if value:
                yield attribute, value


def traits_of(
    hints: Iterable[Hint], text: str, source: str, at: int, what: str, *, every: bool = False
) -> tuple[Trait, ...]:
    """Return what follows from a text by the first hint that matches, or by every one.

    `what` names the text for people: "vendor class".
    """
    found: list[Trait] = []
    for hint in hints:
        match = hint.match(text)
        if match is None:
            continue
        evidence = f"{what} {cleaned(text, 80)!r}"
        for attribute, value in hint.tells():
            told = cleaned(match.expand(value)).replace("_", " ") if "\\" in value else value
            if attribute is Attribute.SOFTWARE:
                told = cleaned(match.expand(value)).casefold()
            if told:
                found.append(Trait(attribute, told, hint.weight, source, evidence, at))
        if not every:
            break
    return tuple(found)


@lru_cache(maxsize=8192)
def blurred(text: str) -> str:
    """Return a text without what tells one unit from another: serials, addresses, counters.

    Two units of a kind give the same: "Philips hue - 2476FF" is "philips hue - #".
    """
    text = _IDENTITY.sub("#", text[:160].casefold())
    return cleaned(_NUMBER.sub("#", text), 96)


def without_unit(text: str, mac: str) -> str:
    """Return a text without the parts of the sender's own MAC address that names are made of."""
    digits = mac.replace(":", "").casefold()
    text = text.casefold()
    for length in (12, 8, 6, 4):
        if digits and (tail := digits[-length:]) in text:
            return text.replace(tail, "#")
    return text


def word(kind: str, text: str, mac: str) -> tuple[str, ...]:
    """Return the features of a text for the classifier: as it is but for serials, and blurred.

    `mac` is the sender's, of which nothing may be learned.
    """
    text = without_unit(text, mac)
    said = blurred(text)
    plain = cleaned(_IDENTITY.sub("#", text[:160].casefold()), 96)
    if not said:
        return ()
    return (f"{kind}:{said}",) if plain == said else (f"{kind}:{said}", f"{kind}={plain}")
