"""Whether a configuration applies to the products of a device (NVD CVE API 2.0, schema 2.0).

A configuration is a tree of AND, OR and negation over match strings. Each answers with one of three
truths: what is needed is there, is not, or cannot be told from what is known of the device.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from phage.devices.vulnerabilities.cpe import (
    ANY,
    NA,
    Cpe,
    CpeError,
    Relation,
    compare_field,
    parse_cpe,
    plain,
)
from phage.devices.vulnerabilities.versions import (
    compare_keys,
    compare_versions,
    is_before_release,
    version_key,
)
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phage.devices.vulnerabilities.versions import Key
    from phage.records.vulnerability import MatchString, Node

MAX_DEPTH = 16
"""Nodes within nodes; those that are published have two."""

_SEPARATORS = str.maketrans("", "", "_- ")


class Truth(enum.IntEnum):
    """What can be said: AND is the least, OR the most of several."""

    NO = 0
    UNKNOWN = 1
    YES = 2


@frozen
class Bound:
    """One end of a range of versions.

    Attributes:
        version: The version at the end, without escapes.
        key: What it sorts by; None for what has no order.
        wanted: What a comparison with it has to give: of -1, 0 and 1.
        has_letters: It tells updates of one version apart.
    """

    version: str
    key: Key | None
    wanted: tuple[int, ...]
    has_letters: bool


@frozen
class Criterion:
    """A match string, ready to be compared.

    `fields` are those besides part, vendor, product, version and update that are not ANY, by place.
    """

    name: Cpe
    vulnerable: bool
    bounds: tuple[Bound, ...]
    fields: tuple[int, ...]

    @classmethod
    def of(cls, match: MatchString) -> Criterion:
        """Return the criterion of a match string. Raises CpeError.

        A bound without a digit ("master") is none: nothing can be compared with it.
        """
        end = match.end_including or match.end_excluding
        bounds = (
            (_lowered(match.start_including, end), (0, 1)),
            (match.start_excluding, (1,)),
            (match.end_including, (-1, 0)),
            (match.end_excluding, (-1,)),
        )
        name = parse_cpe(match.criteria)
        return cls(
            name,
            match.vulnerable,
            tuple(
                Bound(
                    plain(version).lower(),
                    version_key(version),
                    wanted,
                    any(map(str.isalpha, version)),
                )
                for version, wanted in bounds
                if any(map(str.isdecimal, version))
            ),
            tuple(at for at in range(_UPDATE + 1, len(name)) if name[at] != ANY),
        )

    def applies(self, name: Cpe) -> Truth:
        """Tell whether a product of a device is among those that are meant."""
        truth = self.fits(name)
        if truth is Truth.NO:
            return truth
        return min(truth, self._in_range(name) if self.bounds else self._exactly(name))

    def fits(self, name: Cpe) -> Truth:
        """Tell the same of all but version and update."""
        mine, truth = self.name, Truth.YES
        differ = self.fields
        if mine.product != name.product or mine.part != name.part or mine.vendor != name.vendor:
            differ = (*range(_VERSION), *differ)
        for at in differ:
            relation = compare_field(mine[at], name[at])
            if relation is Relation.DISJOINT:
                return Truth.NO
            if relation is Relation.SUBSET:
                truth = Truth.UNKNOWN
        return truth

    def _exactly(self, name: Cpe) -> Truth:
        mine = self.name
        if mine.version == NA and name.version == ANY and mine.part == "h":
            return Truth.YES  # Hardware has no version: that none is known is no gap.
        version = compare_field(mine.version, name.version)
        update = compare_field(mine.update, name.update)
        if min(version, update) >= Relation.EQUAL:
            return Truth.YES
        has_update = mine.update not in {ANY, NA} or mine.version[-1:].isdigit()
        if has_update and mine.version != ANY and _joined(mine) == _joined(name):
            return Truth.YES  # 6.7:p1 is what a banner calls 6.7p1.
        return Truth.UNKNOWN if min(version, update) is Relation.SUBSET else Truth.NO

    def _in_range(self, name: Cpe) -> Truth:
        if name.version in {ANY, NA}:
            return Truth.UNKNOWN if name.version == ANY else Truth.NO
        key = version_key(name.version)
        updated = name.update not in {ANY, NA}
        for bound in self.bounds:
            its = version_key(_effective(name, bound)) if updated else key
            order = compare_keys(its, bound.key)
            if order not in bound.wanted and not self._is_bound(name, order):
                return Truth.NO
        if self.name.version == ANY and self.name.update == ANY:
            return Truth.YES
        version = compare_field(self.name.version, name.version)
        update = compare_field(self.name.update, name.update)
        if Relation.DISJOINT in {version, update}:
            return Truth.NO
        return Truth.UNKNOWN if update is Relation.SUBSET else Truth.YES

    def _is_bound(self, name: Cpe, order: int | None) -> bool:
        """Tell whether a version without order, as a commit, is the very one that is named."""
        if order is not None:
            return False
        version = plain(name.version)
        return any(0 in bound.wanted and bound.version == version for bound in self.bounds)


_VERSION, _UPDATE = Cpe._fields.index("version"), Cpe._fields.index("update")


def _lowered(start: str, end: str) -> str:
    """Return where a range begins: "from 3.3 before 3.3.0-beta2" means all before 3.3 too."""
    if end and compare_versions(start, end) == 1 and compare_versions(f"{start}-dev", end) == -1:
        return f"{start}-dev"
    return start


def _joined(name: Cpe) -> str:
    update = "" if name.update in {ANY, NA} else name.update
    return plain(name.version + update).translate(_SEPARATORS)


def _effective(name: Cpe, bound: Bound) -> str:
    """Return the version that is compared with a bound.

    The update belongs to it where it comes before the release, or where the bound has one too: 8.0
    is no bound for 8.0:p1, but 8.0p2 is.
    """
    if name.update in {ANY, NA}:
        return name.version
    if bound.has_letters or is_before_release(name.update):
        return f"{name.version}-{name.update}"
    return name.version


@frozen
class Condition:
    """A node with all below it, ready to be asked."""

    needs_all: bool
    negate: bool
    criteria: tuple[Criterion, ...]
    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, node: Node) -> Condition:
        """Return the condition of a node; raises CpeError for a name that is none.

        A criterion of a name that cannot be read stands for a product that nobody has.
        """
        return cls(
            node.operator == "AND",
            node.negate,
            tuple(_readable(node.matches)),
            tuple(cls.of(each) for each in node.nodes),
        )

    def holds(self, truths: Mapping[Criterion, Truth]) -> Truth:
        """Tell whether it holds, given what each criterion says of the device."""
        parts = [truths.get(each, Truth.NO) for each in self.criteria]
        parts += [each.holds(truths) for each in self.conditions]
        if not parts:
            return Truth.NO
        truth = min(parts) if self.needs_all else max(parts)
        return Truth(Truth.YES - truth) if self.negate else truth

    def all_criteria(self) -> Iterator[Criterion]:
        """Yield every criterion, at any depth."""
        yield from self.criteria
        for each in self.conditions:
            yield from each.all_criteria()


_NOBODY = Criterion(Cpe("a", NA, NA, NA), vulnerable=False, bounds=(), fields=())


def _readable(matches: Sequence[MatchString]) -> Iterator[Criterion]:
    for match in matches:
        try:
            yield Criterion.of(match)
        except CpeError:
            yield _NOBODY
