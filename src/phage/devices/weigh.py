"""From traits to a conclusion: evidence is weighed, the first match never wins by itself.

Each source has one voice for a value, its strongest trait; voices of different sources for the same
value add up as independent evidence does (noisy or). Values contend by their odds, with the unknown
among them at even odds: a single trait of weight w gives a confidence of w, two that contradict
each other weaken both, and weak evidence leaves the unknown ahead.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from phage.devices.vendors import canonical
from phage.records.device import CONCLUDED, Attribute, Guess, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNKNOWN_BELOW = 0.5
"""A conclusion that is more likely wrong than right is not drawn."""

HALF_LIFE_NS = 90 * 86_400 * 1_000_000_000
"""After a quarter of a year evidence counts half: firmware changes, addresses are given anew."""

MOST_WEIGHT = 0.995
"""Nothing that a device says of itself is beyond doubt."""

MAX_SHOWN = 5
"""Pieces of evidence and rivals that are told."""


def conclude(
    traits: Iterable[Trait], given: Mapping[Attribute, str], now: int
) -> dict[Attribute, Guess]:
    """Return what follows from traits for each attribute of `CONCLUDED`; a person's word stands.

    `now` is the time against which traits age, in nanoseconds since the Unix epoch.
    """
    by_attribute: dict[Attribute, list[Trait]] = defaultdict(list)
    for trait in traits:
        by_attribute[trait.attribute].append(trait)
    guesses = {}
    for attribute in CONCLUDED:
        if attribute in given:
            guesses[attribute] = Guess(given[attribute], 1.0, ("a person said so",))
        elif attribute in by_attribute:
            guesses[attribute] = _weigh(attribute, by_attribute[attribute], now)
    return guesses


def _weigh(attribute: Attribute, traits: Iterable[Trait], now: int) -> Guess:
    voices: dict[str, dict[str, tuple[float, Trait]]] = defaultdict(dict)
    names: dict[str, str] = {}
    for trait in traits:
        key = canonical(trait.value) if attribute is Attribute.VENDOR else trait.value.casefold()
        names.setdefault(key, trait.value)
        weight = _aged(trait, now)
        known = voices[key].get(trait.source)
        if known is None or weight > known[0]:
            voices[key][trait.source] = weight, trait
    odds = {key: _odds(weight for weight, _ in heard.values()) for key, heard in voices.items()}
    whole = 1.0 + sum(odds.values())
    ranked = sorted(odds, key=lambda key: (-odds[key], key))
    best = ranked[0]
    confidence = odds[best] / whole
    rivals = tuple((names[key], round(odds[key] / whole, 4)) for key in ranked[:MAX_SHOWN])
    if confidence < UNKNOWN_BELOW:
        return Guess("", round(confidence, 4), (), rivals)
    heard_best = sorted(voices[best].values(), key=lambda voice: (-voice[0], voice[1].source))
    why = tuple(f"{trait.source}: {trait.evidence or trait.value}" for _, trait in heard_best)
    return Guess(names[best], round(confidence, 4), why[:MAX_SHOWN], rivals[1:])


def _aged(trait: Trait, now: int) -> float:
    age = max(0, now - trait.seen) if trait.seen else 0
    fading: float = 0.5 ** (age / HALF_LIFE_NS)
    return min(MOST_WEIGHT, max(0.0, trait.weight)) * fading


def _odds(weights: Iterable[float]) -> float:
    miss = 1.0
    for weight in weights:
        miss *= 1.0 - weight
    right = min(MOST_WEIGHT, 1.0 - miss)
    return right / (1.0 - right)
