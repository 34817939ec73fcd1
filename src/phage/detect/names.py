"""Names: which addresses were looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.detect.tables import Recent
from phage.records.address import parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.records import Observation


def answered_addresses(observation: Observation) -> Iterator[bytes]:
    """Yield the addresses that a DNS answer gives."""
    answers = observation.fields.get("answer", ())
    if not isinstance(answers, tuple):
        return
    for line in answers:
        kind, _, rest = line.partition(" ")
        if kind not in {"A", "AAAA"}:
            continue
        try:
            yield parse_address(rest)
        except ValueError:
            continue


class NamesTable:
    """The addresses that names were resolved to, the latest ones; and the name of each."""

    # Some hours of a home's look-ups; each entry is about 250 bytes.
    CAPACITY = 8192

    def __init__(self) -> None:
        self._names: Recent[bytes, str] = Recent(self.CAPACITY)

    @property
    def dropped(self) -> int:
        """How many addresses were dropped to stay under the cap."""
        return self._names.dropped

    def observe(self, observation: Observation) -> None:
        """Take in a DNS answer."""
        if observation.fields.get("response") is not True:
            return
        query = observation.fields.get("query")
        name = query if isinstance(query, str) else ""
        for address in answered_addresses(observation):
            self._names.put(address, name)

    def set_name(self, address: bytes, name: str) -> None:
        """Take in a name that a client gave for an address."""
        self._names.put(address, name)

    def name(self, address: bytes) -> str | None:
        """Return the name that was resolved to an address; None when none was."""
        return self._names.get(address)
