"""Networks of feeds in files: a million are written and read in a tenth of a second."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from phage.intel.networks import Networks

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = b"phage networks 1"
_DIGEST = 32


def place(folder: Path, feed: str) -> Path:
    """Return the file of a feed; its name may be anything."""
    return folder / f"{quote(feed, safe='')}.networks"


def save(folder: Path, feed: str, networks: Networks) -> None:
    """Write the networks of a feed, whole or not at all. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place(folder, feed)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(packed(networks))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def packed(networks: Networks) -> bytes:
    """Return networks as a file of them holds them."""
    body = networks.lengths.tobytes() + np.ascontiguousarray(networks.octets).tobytes()
    return _MAGIC + hashlib.sha256(body).digest() + body


def load(folder: Path, feed: str) -> Networks | None:
    """Read the networks of a feed; None where there are none, or they are damaged."""
    try:
        return unpacked(place(folder, feed).read_bytes())
    except OSError:
        return None


def unpacked(raw: bytes) -> Networks | None:
    """Return the networks of a file; None where it is damaged."""
    head = len(_MAGIC) + _DIGEST
    body = raw[head:]
    sound = raw.startswith(_MAGIC) and hashlib.sha256(body).digest() == raw[len(_MAGIC) : head]
    if not sound or len(body) % 17:
        return None
    count = len(body) // 17
    columns = np.frombuffer(body, np.uint8)
    return Networks(columns[count:].reshape(-1, 16), columns[:count])


def forget(folder: Path, feed: str) -> None:
    """Delete the networks of a feed."""
    with contextlib.suppress(OSError):
        place(folder, feed).unlink()
