"""Backups: the store as of one moment, saved models and captures, in one .tar.gz with checksums."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from phage.clock import Clock, rfc3339
from phage.errors import StateError
from phage.frozen import frozen
from phage.store.copy import copy_rows
from phage.store.databases.sqlite import SqliteDatabase
from phage.store.manifest import FOLDERS, NAME, STORE, Entry, Manifest
from phage.store.schema import migrate, version
from phage.store.store import StoreLocation, open_reader

if TYPE_CHECKING:
    from phage.config.statedir import StateDirectory
    from phage.store.database import Database

CHUNK = 2**20
"""Octets read at a time."""

Progress = Callable[[str], None]
"""Told the name of each file before it is written."""


def _say_nothing(name: str) -> None:
    pass


@frozen
class BackupReport:
    """What a backup holds."""

    path: Path
    octets: int
    manifest: Manifest


def back_up(
    target: Path,
    location: StoreLocation,
    state: StateDirectory,
    clock: Clock,
    program: str,
    progress: Progress = _say_nothing,
) -> BackupReport:
    """Write a backup while phage goes on running. The file appears whole or not at all.

    Args:
        target: The archive to write, a .tar.gz.
        location: Where the store is.
        state: The folder of state, for models and captures.
        clock: Tells when the backup was made.
        program: The version of phage that makes it.
        progress: Told how far it has come.

    Raises:
        StateError: The archive cannot be written, or is there already.
        StoreError: The store cannot be read.
    """
    if target.exists():
        message = f"{target}: is there already; name another file"
        raise StateError(message)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as folder:
            copy = Path(folder) / STORE
            engine, schema = _copy_store(location, copy, clock)
            manifest = _write(
                partial,
                copy,
                state,
                Manifest(rfc3339(clock.now()), program, engine, schema, ()),
                progress,
            )
        partial.rename(target)
        return BackupReport(target, target.stat().st_size, manifest)
    except OSError as error:
        reason = error.strerror or error
        message = f"{target}: cannot be written: {reason}; free some space, or name another place"
        raise StateError(message) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _copy_store(location: StoreLocation, copy: Path, clock: Clock) -> tuple[str, int]:
    """Copy the store into an SQLite file.

    Return the engine it came from and the schema's version.
    """
    with open_reader(location) as store:
        database = store.database
        if isinstance(database, SqliteDatabase):
            database.copy_to(copy)
        else:
            export(database, copy, clock)
        return database.dialect, version(database)


def export(source: Database, copy: Path, clock: Clock) -> None:
    """Write a store of any engine into a new SQLite file, as of one moment."""
    target = SqliteDatabase(copy)
    try:
        migrate(target, clock.now())
        with target.transaction():
            copy_rows(source, target)
        target.query("PRAGMA wal_checkpoint(TRUNCATE)")
        target.query("PRAGMA journal_mode = DELETE")
    finally:
        target.close()


def _write(
    partial: Path, copy: Path, state: StateDirectory, about: Manifest, progress: Progress
) -> Manifest:
    entries: list[Entry] = []
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(
            fileobj=file, mode="w:gz", compresslevel=6, format=tarfile.PAX_FORMAT
        ) as archive:
            for name, path in ((STORE, copy), *_state_files(state)):
                progress(name)
                if (entry := _add(archive, name, path)) is not None:
                    entries.append(entry)
            manifest = Manifest(
                about.created, about.version, about.engine, about.schema, tuple(entries)
            )
            data = manifest.to_json()
            archive.addfile(_info(NAME, len(data), 0), io.BytesIO(data))
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _state_files(state: StateDirectory) -> Iterator[tuple[str, Path]]:
    for folder in FOLDERS:
        base = state.path / folder
        for path in sorted(base.rglob("*")) if base.is_dir() else ():
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(state.path)), path


class _Hashing:
    """Reads exactly so many octets of a file, and sums them up."""

    def __init__(self, file: BinaryIO, octets: int) -> None:
        self._file = file
        self._left = octets
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return the next octets."""
        size = self._left if size < 0 else min(size, self._left)
        data = self._file.read(size)
        self._left -= len(data)
        self.digest.update(data)
        return data


def _add(archive: tarfile.TarFile, name: str, path: Path) -> Entry | None:
    """Add a file as long as it is now; None when it is gone (rotated away) meanwhile."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        about = os.fstat(file.fileno())
        reader = _Hashing(file, about.st_size)
        archive.addfile(_info(name, about.st_size, int(about.st_mtime)), cast("BinaryIO", reader))
        return Entry(name, about.st_size, reader.digest.hexdigest())


def _info(name: str, size: int, modified: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = modified
    info.mode = 0o600
    return info
