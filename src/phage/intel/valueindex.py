"""An index of values - domains, URLs, hashes, fingerprints - of tens of millions of indicators.

All that is said of the first MAX_DETAILED is kept as it is. Of further ones only who says so and
how sure he is: ten octets each, found by a hash of 64 bits. Two values with one hash are taken for
one another; with ten million that happens once in some 10**12 look-ups, and the store, which has
the values themselves, tells who asks (`phage indicators show`).
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from phage.records.indicator import Indicator, IndicatorKind

MAX_DETAILED = 200_000
"""Indicators of which everything is in memory, some 600 octets each."""

MAX_COMPACT = 30_000_000
"""Further ones, ten octets each."""


@frozen
class Word:
    """What one source says of a value.

    Attributes:
        source: The source's number.
        confidence: How sure it is, 0 to 100.
        tags: As it tags it.
        description: As it describes it.
    """

    source: int
    confidence: int
    tags: tuple[str, ...] = ()
    description: str = ""

    @property
    def said(self) -> tuple[tuple[str, ...], str]:
        """Tags and description."""
        return self.tags, self.description


@dataclass(slots=True)
class ValueIndex:
    """Filled by `add`, then sealed, then asked.

    Attributes:
        left_out: Indicators for which there was no room.
    """

    left_out: int = 0
    _detailed: dict[tuple[IndicatorKind, str], tuple[Word, ...]] = field(default_factory=dict)
    _hashes: array[int] = field(default_factory=lambda: array("q"))
    _sources: bytearray = field(default_factory=bytearray)
    _confidences: bytearray = field(default_factory=bytearray)
    _sealed: tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = (
        None
    )

    def __len__(self) -> int:
        return len(self._detailed) + (len(self._sealed[0]) if self._sealed else 0)

    def add(self, source: int, indicator: Indicator) -> None:
        """Take an indicator of a source, which has a number below 256."""
        key = (indicator.kind, indicator.value)
        if len(self._detailed) < MAX_DETAILED or key in self._detailed:
            word = Word(source, indicator.confidence, indicator.tags, indicator.description)
            self._detailed[key] = (*self._detailed.get(key, ()), word)
        elif len(self._hashes) < MAX_COMPACT and source < 256:
            self._hashes.append(hash(key))
            self._sources.append(source)
            self._confidences.append(indicator.confidence)
        else:
            self.left_out += 1

    def seal(self) -> None:
        """Sort what was added; nothing is added any more."""
        hashes = np.frombuffer(self._hashes, np.int64)
        order = np.argsort(hashes, kind="stable")
        self._sealed = (
            hashes[order],
            np.frombuffer(self._sources, np.uint8)[order],
            np.frombuffer(self._confidences, np.uint8)[order],
        )
        del hashes
        self._hashes, self._sources, self._confidences = array("q"), bytearray(), bytearray()

    def of(self, kind: IndicatorKind, value: str) -> Iterator[Word]:
        """Yield what sources say of a value in canonical form."""
        key = (kind, value)
        yield from self._detailed.get(key, ())
        if self._sealed is None or not len(self._sealed[0]):
            return
        hashes, sources, confidences = self._sealed
        wanted = np.int64(hash(key))
        first = int(np.searchsorted(hashes, wanted))
        while first < len(hashes) and hashes[first] == wanted:
            yield Word(int(sources[first]), int(confidences[first]))
            first += 1
