"""Checks that every identifier passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.devices.identifier import MAX_TEXT, Identifier
from phage.records.device import CATEGORIES, Attribute, Reading
from phage.testing.conformance.plugins import expect
from phage.testing.conformance.quiet import no_input_or_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.records.observation import Observation

MAX_URL = 500
"""Addresses of descriptions are longer than names."""


class OneMaker:
    """Reference data that knows one maker, for every address."""

    def vendor_of(self, mac: str) -> str:
        """Return it."""
        return "Acme Inc." if mac else ""


def read(identifier: Identifier, observations: Sequence[Observation]) -> list[Reading]:
    """Return all that an identifier reads in observations of its kinds, without input or output."""
    with no_input_or_output(identifier.name):
        return [
            reading
            for observation in observations
            if observation.kind in identifier.reads
            for reading in identifier.read(observation, OneMaker())
        ]


def check_reading(identifier: Identifier, reading: Reading) -> None:
    """What is read is bounded, printable, weighed, and says who said it."""
    name = identifier.name
    for trait in reading.traits:
        expect(trait.source == name, f"{name}: a trait of {trait.source!r}")
        expect(trait.value, f"{name}: a trait without a value")
        expect(0 < trait.weight < 1, f"{name}: weight {trait.weight}")
        most = MAX_URL if trait.attribute is Attribute.MUD else MAX_TEXT * 4
        expect(len(trait.value) <= most, f"{name}: a value of {len(trait.value)} characters")
        expect(trait.value.isprintable(), f"{name}: a value that steers a terminal")
        expect(trait.evidence.isprintable(), f"{name}: evidence that steers a terminal")
        if trait.attribute is Attribute.CATEGORY:
            expect(trait.value in CATEGORIES, f"{name}: there is no category {trait.value!r}")
    for mark in reading.marks:
        expect(0 < len(mark.value) <= MAX_TEXT, f"{name}: a mark of {len(mark.value)} characters")
    for word in reading.words:
        expect(0 < len(word) <= MAX_TEXT * 2, f"{name}: a word of {len(word)} characters")


def check_same(identifier: Identifier, observations: Sequence[Observation]) -> None:
    """The same observations give the same readings, whatever was read before."""
    first, second = read(identifier, observations), read(identifier, observations)
    expect(first == second, f"{identifier.name} reads something else the second time")
    for reading in first:
        check_reading(identifier, reading)
