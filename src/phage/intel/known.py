"""Lists of what is well known and harmless: MISP's warning lists, and plain lists of one's own.

What such a list names on a feed is a mistake of the feed, or something that thousands share.
Networks are left out of feeds; of names and hashes the confidence is lowered. A list is a JSON
object with `name`, `type` and `list` (MISP's format), or a text with a value a line; a folder is
searched for files `list.json` below it, as MISP's collection has them.
"""

from __future__ import annotations

import json
from dataclasses import field
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from phage.errors import PhageError
from phage.frozen import frozen
from phage.intel.text import decoded, first_fields
from phage.intel.values import canonical_domain, guessed
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

MAX_FILES = 1000
MAX_OCTETS = 64 * 2**20
"""Of one file; MISP's lists of a million names take 20 MB."""

DOUBT = 0.25
"""What is left of the confidence in a name or hash that is well known."""

_NOT_READ = frozenset({"regex", "substring"})
"""Types of lists that would have every value tried against every entry."""


class KnownError(PhageError):
    """A list of the well known cannot be read; names the file and why."""


@frozen
class Known:
    """What is well known, by the names of the lists that say so.

    Attributes:
        networks: Networks by list.
        names: Domains by what lists them; one that begins with a dot stands for all below it.
        hashes: Hashes of files by what lists them.
    """

    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)

    def about(self, kind: IndicatorKind, value: str) -> str:
        """Return the list that names a value, or the host of a URL; '' for none."""
        if kind is IndicatorKind.HASH:
            return self.hashes.get(value, "")
        if kind is IndicatorKind.URL:
            value = urlsplit(value).hostname or ""
        elif kind is not IndicatorKind.DOMAIN:
            return ""
        if not self.names:
            return ""
        if found := self.names.get(value):
            return found
        labels = value.split(".")
        above = ("." + ".".join(labels[depth:]) for depth in range(len(labels) - 1))
        return next((self.names[each] for each in above if each in self.names), "")


def known_of(paths: Iterable[Path]) -> Known:
    """Read lists; what did not change since is not read again. Raises KnownError."""
    files = tuple(sorted(chain.from_iterable(map(_files, paths))))
    if len(files) > MAX_FILES:
        message = f"intel.known: more than {MAX_FILES} files"
        raise KnownError(message)
    return _read(files)


def _files(path: Path) -> list[tuple[Path, int, int]]:
    try:
        found = sorted(path.rglob("list.json")) if path.is_dir() else [path]
        states = [(each, each.stat()) for each in found]
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise KnownError(message) from error
    return [(each, state.st_mtime_ns, state.st_size) for each, state in states]


@lru_cache(maxsize=2)
def _read(files: tuple[tuple[Path, int, int], ...]) -> Known:
    networks: dict[str, tuple[str, ...]] = {}
    names: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for path, _, octets in files:
        if octets > MAX_OCTETS:
            message = f"{path}: larger than {MAX_OCTETS // 2**20} MiB"
            raise KnownError(message)
        try:
            name, kind, values = _entries(path)
        except (OSError, PhageError) as error:
            message = f"{path}: {getattr(error, 'strerror', None) or error}"
            raise KnownError(message) from error
        if kind in _NOT_READ:
            continue
        own = []
        for found, value in _canonical(kind, values):
            if found is IndicatorKind.NETWORK:
                own.append(value)
            elif found is IndicatorKind.DOMAIN:
                names[value] = name
            elif found is IndicatorKind.HASH:
                hashes[value] = name
        if own:
            networks[name] = tuple(own)
    return Known(networks, names, hashes)


def _canonical(kind: str, values: Iterable[str]) -> Iterator[tuple[IndicatorKind, str]]:
    """Yield what entries are, by the type of their list or as they look."""
    for value in values:
        text = value.strip().lower()
        bare = text.removeprefix(".")
        if kind == "cidr":
            yield IndicatorKind.NETWORK, text
        elif kind == "hostname":
            if name := canonical_domain(bare):
                yield IndicatorKind.DOMAIN, text[: len(text) - len(bare)] + name
        elif known := guessed(bare):
            yield known[0], text[: len(text) - len(bare)] + known[1]


def _entries(path: Path) -> tuple[str, str, list[str]]:
    """Return the name, the type and the entries of a list. Raises OSError, PhageError."""
    text = decoded(path.read_bytes())
    if not text.lstrip().startswith("{"):
        return path.stem, "", list(first_fields(text))
    try:
        found = json.loads(text)
        values = [each for each in found["list"] if isinstance(each, str)]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        message = "is no warning list: an object with a name and a list"
        raise KnownError(message) from error
    return str(found.get("name") or path.stem)[:100], str(found.get("type") or ""), values
