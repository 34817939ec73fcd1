"""Which vulnerabilities concern a device, given the products that were seen on it."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from phage.devices.vulnerabilities.applicability import Condition, Criterion, Truth
from phage.devices.vulnerabilities.cpe import ANY, Cpe, CpeError, parse_cpe, plain
from phage.devices.vulnerabilities.product import Entry, KnownProduct
from phage.records.vulnerability import Affected, Exploited, Likelihood, Software, Vulnerability

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MAX_PRODUCTS = 8192
"""Products whose vulnerabilities are kept ready; a network has hundreds."""

MAX_SOFTWARE = 256
"""Products of one device that are looked at; a device that names more is not believed."""

MAX_KNOWN = 500_000
"""Vulnerabilities whose places in lists are kept; there are not as many yet."""

MAX_AFFECTED = 2000
"""Vulnerabilities that are told of one device, the worst first; an old kernel has some thousand."""

_PATCHED = re.compile(r"(\d[\d.]*)(p\d+)")
"""OpenSSH's 6.7p1, ntpd's 4.2.8p12."""


class Catalog(Protocol):
    """Where vulnerabilities are kept."""

    def of_product(self, vendor: str, product: str) -> Sequence[Vulnerability]:
        """Return vulnerabilities whose configurations name a product; each once, sources joined."""

    def exploited(self, cves: Iterable[str]) -> Mapping[str, Exploited]:
        """Return which of these are known to be used in attacks."""

    def likelihoods(self, cves: Iterable[str]) -> Mapping[str, Likelihood]:
        """Return the likelihood of each of these that has one."""


@dataclass
class Matcher:
    """Finds the vulnerabilities of devices; keeps ready what it has read, within a bound.

    Attributes:
        catalog: Where vulnerabilities are kept.
        unreadable: Names of products that are none.
    """

    catalog: Catalog
    unreadable: int = 0
    _products: OrderedDict[tuple[str, str], KnownProduct] = field(default_factory=OrderedDict)
    _exploited: dict[str, Exploited | None] = field(default_factory=dict)
    _likelihoods: dict[str, Likelihood | None] = field(default_factory=dict)
    _ranks: dict[str, tuple[bool, tuple[float, ...]]] = field(default_factory=dict)

    def affected(self, software: Iterable[Software]) -> list[Affected]:
        """Return what concerns a device with these products, the most urgent first.

        Known to be exploited before all others, then by likelihood (EPSS), then by base score.
        """
        seen = self._names(software)
        found: dict[str, tuple[Vulnerability, Software, Truth]] = {}
        for name, each in seen.items():
            for vulnerability, truth in self._of(name, seen):
                known = found.get(vulnerability.id)
                if known is None or truth > known[2]:
                    found[vulnerability.id] = vulnerability, each, truth
        return self._ordered(found)

    def _names(self, software: Iterable[Software]) -> dict[Cpe, Software]:
        seen: dict[Cpe, Software] = {}
        for each in software:
            try:
                name = parse_cpe(each.cpe)
            except CpeError:
                self.unreadable += 1
                continue
            if ANY in {name.vendor, name.product}:
                continue
            seen.setdefault(_parted(name), each)
            if len(seen) >= MAX_SOFTWARE:
                break
        return seen

    def _of(self, name: Cpe, seen: Mapping[Cpe, Software]) -> Iterator[tuple[Vulnerability, Truth]]:
        product = self._product(name)
        for at, alone, own in product.answers(name):
            entry, truth = product.entries[at], alone
            if own > alone:
                truth = max(alone, min(own, self._conditions(entry, name, seen)))
            if truth is not Truth.NO:
                yield entry.vulnerability, truth

    @staticmethod
    def _conditions(entry: Entry, name: Cpe, seen: Mapping[Cpe, Software]) -> Truth:
        """Tell whether a configuration holds in which this product is what has the fault."""
        best = Truth.NO
        for condition in entry.conditions:
            own = _own(condition, name)
            if own > best:
                truths = {
                    each: max(_present(each, other) for other in seen)
                    for each in condition.all_criteria()
                }
                best = max(best, min(own, condition.holds(truths)))
        return best

    def _product(self, name: Cpe) -> KnownProduct:
        key = (name.vendor, name.product)
        product = self._products.get(key)
        if product is None:
            known = self.catalog.of_product(plain(name.vendor), plain(name.product))
            product = KnownProduct.of(known, key)
            self._products[key] = product
            if len(self._products) > MAX_PRODUCTS:
                self._products.popitem(last=False)
        else:
            self._products.move_to_end(key)
        return product

    def _ordered(
        self, found: Mapping[str, tuple[Vulnerability, Software, Truth]]
    ) -> list[Affected]:
        self._learn(found)
        ranks = self._ranks

        def rank(cve: str) -> tuple[object, ...]:
            unlisted, rest = ranks[cve]
            return unlisted, found[cve][2] is not Truth.YES, rest

        return [
            Affected(
                vulnerability,
                software,
                truth is Truth.YES,
                self._exploited[cve],
                self._likelihoods[cve],
                _caveat(software, certain=truth is Truth.YES),
            )
            for cve in sorted(found, key=rank)[:MAX_AFFECTED]
            for vulnerability, software, truth in (found[cve],)
        ]

    def _learn(self, found: Mapping[str, tuple[Vulnerability, Software, Truth]]) -> None:
        """Get what lists say of vulnerabilities that were not met yet."""
        if len(self._ranks) > MAX_KNOWN:
            self._ranks.clear()
            self._exploited.clear()
            self._likelihoods.clear()
        new = [cve for cve in found if cve not in self._ranks]
        if not new:
            return
        exploited, likelihoods = self.catalog.exploited(new), self.catalog.likelihoods(new)
        for cve in new:
            kev, epss = exploited.get(cve), likelihoods.get(cve)
            self._exploited[cve], self._likelihoods[cve] = kev, epss
            self._ranks[cve] = kev is None, _rest(found[cve][0], epss)


def _own(condition: Condition, name: Cpe) -> Truth:
    """Tell whether a product is one of those that have the fault."""
    vulnerable = (each for each in condition.all_criteria() if each.vulnerable)
    return max((each.applies(name) for each in vulnerable), default=Truth.NO)


def urgency(affected: Affected) -> tuple[object, ...]:
    """Return what vulnerabilities are sorted by: KEV, EPSS, CVSS, then the newest."""
    rest = _rest(affected.vulnerability, affected.likelihood)
    return affected.exploited is None, not affected.certain, rest


def _rest(vulnerability: Vulnerability, likelihood: Likelihood | None) -> tuple[float, ...]:
    score = likelihood.score if likelihood is not None else 0.0
    year, _, number = vulnerability.id.removeprefix("CVE-").partition("-")
    newest = (-int(year), -int(number)) if year.isdecimal() and number.isdecimal() else (0, 0)
    return -score, -(vulnerability.cvss or 0.0), *newest


def _present(criterion: Criterion, name: Cpe) -> Truth:
    """Tell whether a criterion is met by a product, or by the hardware that its firmware implies.

    `o:VENDOR:MODEL_firmware` runs on `h:VENDOR:MODEL`: whether it does on this device is not seen,
    and hardly in doubt, so the answer is "cannot be told".
    """
    truth = criterion.applies(name)
    if truth is Truth.NO and criterion.name.part == "h" and name.part == "o":
        model = name.product.removesuffix("_firmware")
        if model != name.product and criterion.applies(Cpe("h", name.vendor, model)) is Truth.YES:
            return Truth.UNKNOWN
    return truth


def _parted(name: Cpe) -> Cpe:
    """Return a name with the level of patches, which banners join to the version, as its update."""
    joined = _PATCHED.fullmatch(name.version) if name.update == ANY else None
    return name if joined is None else name._replace(version=joined[1], update=joined[2])


def _caveat(software: Software, *, certain: bool) -> str:
    if software.distribution:
        return (
            f"{software.distribution} mends old versions without renaming them: the upstream "
            "version is affected, this one may be patched"
        )
    if not certain:
        return "what it needs besides this product is not known of the device"
    return ""
