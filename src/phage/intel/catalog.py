"""The catalog: what all feeds say, in the shape in which it is asked; made whole, replaced whole.

Networks are one index whose value tells which feeds list it: there are few combinations of feeds,
however many networks. All else is looked up by its value (`valueindex.py`); domains also by the
names above them.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

import numpy as np

from phage.frozen import frozen
from phage.intel.index import prefix_set_of_columns
from phage.intel.known import DOUBT, Known
from phage.intel.networks import Networks, joined, network_text, parse_networks
from phage.intel.valueindex import ValueIndex, Word
from phage.intel.values import canonical, guessed
from phage.records.address import format_address, parse_address
from phage.records.distinct import distinct
from phage.records.indicator import Indicator, IndicatorKind, Mention

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from phage.intel.index import PrefixSet

MAX_SOURCES = 63
"""Feeds with networks: a bit of a number each."""

HALF_LIFE_S = 14 * 86_400.0
"""After so long without a word from a feed its confidence is half: attackers move on."""

NOTHING_KNOWN = Known()

ASKED_AT_ONCE = 1 << 18
"""Networks that are looked up together: what is copied for it stays small."""

_NOTHING = 0xFFFF_FFFF


@frozen
class Source:
    """What one feed says.

    Attributes:
        name: The feed's name.
        networks: The networks that it lists.
        indicators: What it says in particular; read once, and not kept by a catalog.
        confidence: How sure it is where it does not say.
        updated: When it last said so, in nanoseconds since the Unix epoch.
        told: Networks of which it says in particular how sure it is, by that.
    """

    name: str
    networks: Networks
    indicators: Iterable[Indicator] = ()
    confidence: int = 50
    updated: int = 0
    told: Mapping[int, Networks] = field(default_factory=dict)

    def sure(self, now: int, confidence: int | None = None) -> int:
        """Return how sure it is now: confidence decays while a feed is silent."""
        age = max(0.0, (now - self.updated) / 1e9) if self.updated else 0.0
        whole = self.confidence if confidence is None else confidence
        return round(whole * float(0.5 ** (age / HALF_LIFE_S)))


def together(confidences: Sequence[int]) -> int:
    """Return how sure several feeds are together, as if each erred by itself; 99 at most."""
    doubt = 1.0
    for confidence in confidences:
        doubt *= 1.0 - min(confidence, 99) / 100
    return min(99, round(100 * (1.0 - doubt)))


@frozen
class Catalog:
    """What all feeds say. Never changed once made.

    Attributes:
        sources: The feeds.
        prefixes: Networks of all, each with the number of a combination of feeds.
        made: When it was made, in nanoseconds since the Unix epoch.
        alone: The share of each feed's networks that no other feed lists, 0 to 1, by its name.
    """

    sources: tuple[Source, ...] = ()
    prefixes: PrefixSet = field(default_factory=lambda: _index(joined([]), np.empty(0, np.uint32)))
    made: int = 0
    alone: Mapping[str, float] = field(default_factory=dict)
    _combinations: tuple[tuple[int, ...], ...] = ()
    _values: ValueIndex = field(default_factory=ValueIndex)

    def __len__(self) -> int:
        return sum(len(each.networks) for each in self.sources) + len(self._values)

    @property
    def left_out(self) -> int:
        """How many indicators there was no room for."""
        return self._values.left_out

    def address(self, raw: bytes) -> tuple[Mention, ...]:
        """Return who lists an address (16 octets), directly or with a network around it."""
        value = self.prefixes.lookup(raw)
        if value is None:
            return ()
        return tuple(self._mention(number, raw) for number in self._combinations[value])

    def domain(self, name: str) -> tuple[Mention, ...]:
        """Return who lists a domain or one above it."""
        labels = name.rstrip(".").lower().split(".")
        found: list[Mention] = []
        for depth in range(min(len(labels) - 1, 16)):
            found += self.value(IndicatorKind.DOMAIN, ".".join(labels[depth:]))
        return tuple(found)

    def value(self, kind: IndicatorKind, value: str) -> tuple[Mention, ...]:
        """Return who lists a value in canonical form."""
        return tuple(
            Mention(self.sources[each.source].name, kind, value, self._sure(each), *each.said)
            for each in self._values.of(kind, value)
        )

    def check(self, text: str) -> tuple[Mention, ...]:
        """Return who lists a value as a person writes it: an address, a domain, a URL, a hash."""
        known = guessed(text)
        if known is None:
            return ()
        kind, value = known
        if kind is IndicatorKind.NETWORK:
            return self.address(parse_address(value.partition("/")[0]))
        if kind is IndicatorKind.DOMAIN:
            return self.domain(value)
        if kind is IndicatorKind.URL:
            return self.value(kind, value) + self._host(value)
        kinds = (IndicatorKind.HASH, IndicatorKind.JA3, IndicatorKind.CERTIFICATE)
        wanted = kinds if kind is IndicatorKind.HASH else (kind,)
        return tuple(mention for each in wanted for mention in self.value(each, value))

    def _host(self, url: str) -> tuple[Mention, ...]:
        from urllib.parse import urlsplit  # noqa: PLC0415  Rarely asked.

        host = urlsplit(url).hostname or ""
        if network := canonical(IndicatorKind.NETWORK, host):
            return self.address(parse_address(network))
        return self.domain(host)

    def _mention(self, number: int, raw: bytes) -> Mention:
        """Return a feed's word on an address: what it says of the address itself, if it does."""
        text, source = format_address(raw), self.sources[number]
        for each in self._values.of(IndicatorKind.NETWORK, text):
            if each.source == number:
                sure = self._sure(each)
                return Mention(source.name, IndicatorKind.NETWORK, text, sure, *each.said)
        around = _around(source, raw)
        return Mention(source.name, IndicatorKind.NETWORK, around, source.sure(self.made))

    def _sure(self, each: Word) -> int:
        return self.sources[each.source].sure(self.made, each.confidence)


def catalog_of(sources: Sequence[Source], now: int, known: Known = NOTHING_KNOWN) -> Catalog:
    """Make a catalog; of feeds beyond MAX_SOURCES the networks are left out.

    Names and hashes that are `known` to be harmless are believed less.
    """
    index = ValueIndex()
    chosen = tuple(
        _read(number, source, index, now, known) for number, source in enumerate(sources)
    )
    index.seal()
    whole = joined(source.networks for source in chosen[:MAX_SOURCES])
    masks = np.zeros(len(whole), np.uint64)
    for number, source in enumerate(chosen[:MAX_SOURCES]):
        masks |= _listed(whole, source.networks).astype(np.uint64) << np.uint64(number)
    kinds, counts = np.unique(masks, return_counts=True)
    values = np.searchsorted(kinds, masks).astype(np.uint32)
    del masks  # With ten million networks every column counts.
    combinations = tuple(
        tuple(number for number in range(MAX_SOURCES) if int(mask) >> number & 1) for mask in kinds
    )
    alone = {
        source.name: float(counts[kinds == bit].sum() / max(1, counts[kinds & bit != 0].sum()))
        for number, source in enumerate(chosen[:MAX_SOURCES])
        if len(source.networks) and (bit := np.uint64(1 << number))
    }
    return Catalog(chosen, _index(whole, values), now, alone, combinations, index)


def _read(number: int, source: Source, index: ValueIndex, now: int, known: Known) -> Source:
    """Take what a source says in particular to the index; return the source without it."""
    told: dict[int, list[str]] = {}
    for each in source.indicators:
        if each.expires and each.expires <= now:
            continue
        if harmless := known.about(each.kind, each.value):
            index.add(number, _doubted(each, harmless))
            continue
        index.add(number, each)
        if each.kind is IndicatorKind.NETWORK:
            told.setdefault(each.confidence, []).append(each.value)
    networks = {confidence: parse_networks(texts) for confidence, texts in told.items()}
    return replace(source, indicators=(), told=networks)


def _doubted(indicator: Indicator, harmless: str) -> Indicator:
    """Return an indicator that a list of the well known names, as it is to be believed."""
    return replace(
        indicator,
        confidence=round(indicator.confidence * DOUBT),
        tags=(*indicator.tags, f"known: {harmless}"),
    )


def _index(networks: Networks, values: npt.NDArray[np.uint32]) -> PrefixSet:
    return prefix_set_of_columns(networks.octets, networks.lengths, values)


def _listed(whole: Networks, own: Networks) -> npt.NDArray[np.bool_]:
    """Return which networks of all lie in one of a feed's own.

    A network is asked for by its first address among the feed's networks that are not longer: of
    those, one that holds the address holds it all.
    """
    found = np.zeros(len(whole), np.bool_)
    if not len(own):
        return found
    for length in distinct(whole.lengths):
        wanted = np.flatnonzero(whole.lengths == length)
        fit = own.select(own.lengths <= length)
        if not len(fit):
            continue
        index = _index(fit, np.zeros(len(fit), np.uint32))
        for start in range(0, len(wanted), ASKED_AT_ONCE):
            asked = wanted[start : start + ASKED_AT_ONCE]
            answers = np.frombuffer(index.lookup_all(whole.octets[asked].tobytes()), "<u4")
            found[asked] = answers != _NOTHING
    return found


def _around(source: Source, raw: bytes) -> str:
    """Return the network of a feed that holds an address, the longest if several do."""
    networks = source.networks
    value = int.from_bytes(raw)
    words = networks.octets
    for length in sorted({int(each) for each in distinct(networks.lengths)}, reverse=True):
        masked = (value >> (128 - length) << (128 - length)).to_bytes(16)
        same = networks.lengths == length
        if (words[same] == np.frombuffer(masked, np.uint8)).all(axis=1).any():
            return network_text(masked, length)
    return format_address(raw)
