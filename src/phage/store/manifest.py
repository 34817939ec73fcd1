"""The manifest of a backup: what is in it, with checksums."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from phage.errors import StateError
from phage.frozen import frozen

NAME = "manifest.json"
FORMAT = 1
"""Version of the archive's layout."""

STORE = "store.sqlite3"
"""The store in its portable form, whatever the engine: an SQLite file."""

FOLDERS = ("models", "captures", "rules")
"""Folders of the state that go into a backup."""

MAX_MANIFEST = 16 * 2**20
"""Octets; some hundred thousand files."""


@frozen
class Entry:
    """One file of a backup: its name in the archive, its octets, its SHA-256."""

    name: str
    octets: int
    sha256: str


@frozen
class Manifest:
    """What a backup says of itself."""

    created: str
    version: str
    engine: str
    schema: int
    files: tuple[Entry, ...]
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Return the manifest as it stands in the archive."""
        fields = {
            "format": self.format,
            "created": self.created,
            "version": self.version,
            "engine": self.engine,
            "schema": self.schema,
            "files": [{"name": e.name, "octets": e.octets, "sha256": e.sha256} for e in self.files],
        }
        return json.dumps(fields, indent=1).encode()


def read_manifest(data: bytes, source: str) -> Manifest:
    """Read a manifest. Raises StateError when it is none, or of a later layout."""
    try:
        fields: dict[str, Any] = json.loads(data)
        layout = int(fields["format"])
        if layout > FORMAT:
            message = f"{source}: was written by a later phage (layout {layout}); update phage"
            raise StateError(message)
        files = tuple(
            Entry(str(e["name"]), int(e["octets"]), str(e["sha256"])) for e in fields["files"]
        )
        return Manifest(
            created=str(fields["created"]),
            version=str(fields["version"]),
            engine=str(fields["engine"]),
            schema=int(fields["schema"]),
            files=files,
            format=layout,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = (
            f"{source}: its manifest is damaged; this is no backup of phage, or not a whole one"
        )
        raise StateError(message) from error


def is_expected(name: str) -> bool:
    """Tell whether a file of this name belongs in a backup: no path leads out of the folders."""
    path = PurePosixPath(name)
    if name in {NAME, STORE}:
        return True
    return (
        len(path.parts) >= 2
        and path.parts[0] in FOLDERS
        and all(part not in {".", "..", ""} and "\0" not in part for part in path.parts)
        and str(path) == name
    )
