"""Lists of hashes: sorted files, searched without loading them.

A list of a hundred million files known to be good takes 2 GB of disk, some pages of memory and 27
reads a question.
"""

from __future__ import annotations

import json
import mmap
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from phage.scan.content import Hashes

LENGTHS = {32: "md5", 40: "sha1", 64: "sha256"}
LABELS = 500_000
"""Names that are kept of a list; what is beyond is "listed"."""

_HEX = re.compile(
    r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})(?![0-9A-Fa-f])"
)


@dataclass
class DigestSet:
    """Sorted digests in files of a folder: NAME.md5, NAME.sha1, NAME.sha256, names in NAME.json."""

    folder: Path
    name: str
    _maps: dict[str, mmap.mmap] = field(default_factory=dict, init=False, repr=False)
    _labels: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def open(self) -> None:
        """Map the files that are there."""
        for kind in LENGTHS.values():
            path = self.folder / f"{self.name}.{kind}"
            if path.exists() and path.stat().st_size:
                with path.open("rb") as file:
                    self._maps[kind] = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        labels = self.folder / f"{self.name}.json"
        if labels.exists():
            self._labels = json.loads(labels.read_text(encoding="utf-8"))

    def find(self, hashes: Hashes) -> str:
        """Return the name under which a file is listed, "listed" without one; '' if it is not."""
        for kind in ("sha256", "sha1", "md5"):
            digest = getattr(hashes, kind)
            if kind in self._maps and _has(self._maps[kind], bytes.fromhex(digest)):
                return self._labels.get(digest, "listed")
        return ""

    def __len__(self) -> int:
        sizes = {"md5": 16, "sha1": 20, "sha256": 32}
        return sum(len(each) // sizes[kind] for kind, each in self._maps.items())

    def close(self) -> None:
        """Let go of the files."""
        for each in self._maps.values():
            each.close()
        self._maps.clear()


def _has(sorted_: mmap.mmap, digest: bytes) -> bool:
    size = len(digest)
    low, high = 0, len(sorted_) // size
    while low < high:
        middle = (low + high) // 2
        found = sorted_[middle * size : (middle + 1) * size]
        if found == digest:
            return True
        if found < digest:
            low = middle + 1
        else:
            high = middle
    return False


def write(folder: Path, name: str, entries: Iterable[tuple[str, str]]) -> int:
    """Write digests (in hexadecimal) with their names ('' for none), sorted; return how many."""
    found: dict[str, list[str]] = {kind: [] for kind in LENGTHS.values()}
    labels: dict[str, str] = {}
    for digest, label in entries:
        kind = LENGTHS.get(len(digest))
        if kind is None:
            continue
        digest = digest.lower()  # noqa: PLW2901  One form.
        found[kind].append(digest)
        if label and len(labels) < LABELS:
            labels[digest] = label[:200]
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for kind, digests in found.items():
        if not digests:  # Nor are those of before listed any more.
            (folder / f"{name}.{kind}").unlink(missing_ok=True)
            continue
        raw = np.frombuffer(bytes.fromhex("".join(digests)), dtype=f"V{len(digests[0]) // 2}")
        ordered = _unique(raw)
        _replace(folder / f"{name}.{kind}", ordered)
        total += len(ordered) // raw.dtype.itemsize
    _replace(folder / f"{name}.json", json.dumps(labels).encode())
    return total


def _replace(path: Path, data: bytes) -> None:
    """Write a file at once: who has the old one mapped keeps it."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(data)
    new.replace(path)


def _unique(raw: np.ndarray[tuple[int], np.dtype[np.void]]) -> bytes:
    """Return digests in order, each once."""
    octets = raw.view(np.uint8).reshape(len(raw), raw.dtype.itemsize)
    ordered = octets[np.lexsort(octets.T[::-1])]
    keep = np.ones(len(ordered), bool)
    keep[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return ordered[keep].tobytes()


def read_list(path: Path) -> Iterator[tuple[str, str]]:
    """Yield digests and names of a list.

    Plain lines ("HASH" or "HASH,name" or "HASH  name"), CSV of NSRL or MISP (every hash of a line),
    ClamAV's .hdb and .hsb (HASH:size:name). Raises PhageError when no line has a hash.
    """
    found = False
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(("#", ";", "//")):
                continue
            digests = _HEX.findall(line[:10_000])
            label = _label(line, digests) if digests else ""
            for digest in digests:
                found = True
                yield digest, label
    if not found:
        message = f"{path}: has no MD5, SHA-1 or SHA-256"
        raise PhageError(message)


def _label(line: str, digests: list[str]) -> str:
    rest = line.strip()
    for digest in digests:
        rest = rest.replace(digest, "")
    parts = [part.strip(' "*\t') for part in re.split(r"[,;:|\t]| {2,}", rest)]
    words = [part for part in parts if part and not part.isdigit()]
    return words[-1] if words else rest.strip(' ",;:|*\t')
