"""Things by prefix: which of them are around another prefix, in a look-up for each length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Prefixes(Generic[T]):
    """Things at prefixes among the addresses of 128 bits; several may be at one prefix."""

    __slots__ = ("_by_length",)

    def __init__(self) -> None:
        self._by_length: dict[int, dict[int, list[T]]] = {}

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._by_length)

    def add(self, number: int, length: int, thing: T) -> None:
        """Put a thing at a prefix."""
        if length not in self._by_length:
            self._by_length[length] = {}
            self._by_length = dict(sorted(self._by_length.items(), reverse=True))
        self._by_length[length].setdefault(number >> (128 - length), []).append(thing)

    def around(self, number: int, length: int = 128) -> Iterator[T]:
        """Yield the things at all prefixes that hold another or are it, the longest first."""
        for mine, things in self._by_length.items():
            if mine <= length:
                yield from things.get(number >> (128 - mine), ())
