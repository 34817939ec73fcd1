"""All that is known of one product, ready to be asked for any version of it."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from phage.devices.vulnerabilities.applicability import Condition, Criterion, Truth
from phage.devices.vulnerabilities.cpe import ANY, NA, Cpe
from phage.devices.vulnerabilities.versions import is_before_release, version_key
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from phage.devices.vulnerabilities.versions import Key
    from phage.records.vulnerability import Vulnerability

KNOWN_NAMES = 4096
"""Versions of one product whose answers are kept."""

_NUMBER = 3
"""The kind of a key's first part where a version begins with a number."""


@frozen
class Entry:
    """A vulnerability, ready to be asked.

    `simple` are the criteria of configurations of which any one is enough; `conditions` the others,
    in which the product that has the fault meets one of `own`.
    """

    vulnerability: Vulnerability
    simple: tuple[int, ...]
    own: tuple[int, ...]
    conditions: tuple[Condition, ...]


class Answer(NamedTuple):
    """Which entry, what the name alone decides, and whether it is what has a condition's fault."""

    entry: int
    alone: Truth
    own: Truth


@dataclass
class Ranges:
    """Ranges of versions, all asked at once.

    The bounds of all ranges, sorted, divide the versions into places: a bound, or what lies between
    two. A range is a first and a last place.

    Attributes:
        bounds: What bounds sort by, ascending, each once.
        first: Place where each range begins: 2n + 1 is bound n, an even number what lies between.
        last: Place where it ends.
        numbers: The criterion that each range is of.
    """

    bounds: list[Key]
    first: npt.NDArray[np.int32]
    last: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int32]

    @classmethod
    def of(cls, criteria: Sequence[tuple[int, Criterion]]) -> Ranges:
        """Return the ranges of criteria, given with their numbers."""
        keys = {bound.key for _, each in criteria for bound in each.bounds if bound.key}
        bounds = sorted(keys)
        place = {key: 2 * at + 1 for at, key in enumerate(bounds)}
        first, last = [], []
        for _, each in criteria:
            low, high = 0, 2 * len(bounds)
            for bound in each.bounds:
                at = place[bound.key] if bound.key else 0
                if 1 in bound.wanted:
                    low = max(low, at if 0 in bound.wanted else at + 1)
                else:
                    high = min(high, at if 0 in bound.wanted else at - 1)
            first.append(low)
            last.append(high)
        numbers = [number for number, _ in criteria]
        return cls(bounds, *(np.array(each, np.int32) for each in (first, last, numbers)))

    def met(self, key: Key) -> list[int]:
        """Return the criteria whose range holds a version."""
        at = bisect_left(self.bounds, key)
        exact = at < len(self.bounds) and self.bounds[at] == key
        place = 2 * at + 1 if exact else 2 * at
        found: list[int] = self.numbers[(self.first <= place) & (place <= self.last)].tolist()
        return found


@dataclass
class KnownProduct:
    """All that is known of one vendor and product, for part a, o and h together.

    Entries refer to criteria by number: many vulnerabilities end with the same version.
    """

    criteria: list[Criterion]
    entries: list[Entry]
    _ranges: list[tuple[Criterion, Ranges]] = field(init=False)
    """Ranges by what else is asked of a product, each with one criterion that asks for it."""
    _others: list[int] = field(init=False)
    _of_criterion: list[list[int]] = field(init=False)
    _kept: OrderedDict[Cpe, list[Answer]] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        ranged: defaultdict[Cpe, list[tuple[int, Criterion]]] = defaultdict(list)
        self._others = []
        for number, each in enumerate(self.criteria):
            if _is_plain_range(each):
                ranged[each.name].append((number, each))
            else:
                self._others.append(number)
        self._ranges = [(each[0][1], Ranges.of(each)) for each in ranged.values()]
        self._of_criterion = [[] for _ in self.criteria]
        for at, entry in enumerate(self.entries):
            for number in (*entry.simple, *entry.own):
                self._of_criterion[number].append(at)

    @classmethod
    def of(cls, known: Iterable[Vulnerability], product: tuple[str, str]) -> KnownProduct:
        """Return what is known of a vendor and product."""
        numbers: dict[Criterion, int] = {}

        def numbered(criteria: Iterable[Criterion]) -> tuple[int, ...]:
            wanted = (
                each
                for each in criteria
                if each.vulnerable
                and _meant(each.name.vendor, product[0])
                and _meant(each.name.product, product[1])
            )
            return tuple(dict.fromkeys(numbers.setdefault(each, len(numbers)) for each in wanted))

        entries = []
        for vulnerability in known:
            simple: list[Criterion] = []
            conditions: list[Condition] = []
            for node in vulnerability.configurations:
                condition = Condition.of(node)
                alternatives = _alternatives(condition)
                if alternatives is None:
                    conditions.append(condition)
                else:
                    simple += alternatives
            own = [each for condition in conditions for each in condition.all_criteria()]
            entries.append(Entry(vulnerability, numbered(simple), numbered(own), tuple(conditions)))
        return cls(list(numbers), entries)

    def answers(self, name: Cpe) -> list[Answer]:
        """Return which entries a product of this name may be meant by."""
        kept = self._kept.get(name)
        if kept is None:
            truths = self._truths(name)
            entries = {at for number in truths for at in self._of_criterion[number]}
            kept = [
                Answer(
                    at,
                    _most(truths, self.entries[at].simple),
                    _most(truths, self.entries[at].own),
                )
                for at in sorted(entries)
            ]
            self._kept[name] = kept
            if len(self._kept) > KNOWN_NAMES:
                self._kept.popitem(last=False)
        return kept

    def _truths(self, name: Cpe) -> dict[int, Truth]:
        """Return the criteria that a name meets, or may."""
        key = version_key(name.version)
        early = name.update not in {ANY, NA} and is_before_release(name.update)
        if key is None or key[0][0] != _NUMBER or early:
            return self._asked(name, range(len(self.criteria)))
        truths = self._asked(name, self._others)
        for criterion, ranges in self._ranges:
            truth = criterion.fits(name)
            if truth is not Truth.NO:
                truths |= dict.fromkeys(ranges.met(key), truth)
        return truths

    def _asked(self, name: Cpe, numbers: Iterable[int]) -> dict[int, Truth]:
        """Return the same of some criteria, asked one by one."""
        truths: dict[int, Truth] = {}
        for number in numbers:
            truth = self.criteria[number].applies(name)
            if truth is not Truth.NO:
                truths[number] = truth
        return truths


def _is_plain_range(criterion: Criterion) -> bool:
    """Tell whether what a criterion asks of a version is to be between numbers."""
    name = criterion.name
    return (
        bool(criterion.bounds)
        and name.version == ANY
        and name.update == ANY
        and not any(sign in name.vendor + name.product + name.part for sign in "*?")
        and all(
            bound.key is not None and bound.key[0][0] == _NUMBER and not bound.has_letters
            for bound in criterion.bounds
        )
    )


def _most(truths: dict[int, Truth], numbers: Iterable[int]) -> Truth:
    most = Truth.NO
    for number in numbers:
        most = max(most, truths.get(number, Truth.NO))
    return most


def _meant(pattern: str, value: str) -> bool:
    return pattern == value or "*" in pattern or "?" in pattern


def _alternatives(condition: Condition) -> list[Criterion] | None:
    """Return the criteria of which any one is enough; None where it takes more than one."""
    parts = len(condition.criteria) + len(condition.conditions)
    if condition.negate or (condition.needs_all and parts > 1):
        return None
    found = list(condition.criteria)
    for each in condition.conditions:
        inner = _alternatives(each)
        if inner is None:
            return None
        found += inner
    return found
