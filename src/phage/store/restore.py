"""Restoring a backup.

Everything is verified before anything is touched, and the old state is set aside.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

from phage.clock import Clock, rfc3339
from phage.errors import StateError, StoreError
from phage.frozen import frozen
from phage.store.backup import export
from phage.store.connect import open_database
from phage.store.copy import copy_rows, empty
from phage.store.databases.sqlite import SqliteDatabase
from phage.store.manifest import (
    FOLDERS,
    MAX_MANIFEST,
    NAME,
    STORE,
    Manifest,
    is_expected,
    read_manifest,
)
from phage.store.schema import migrate, require_known

if TYPE_CHECKING:
    from phage.config.statedir import StateDirectory
    from phage.store.store import StoreLocation

CHUNK = 2**20
"""Octets copied at a time."""

MAX_FILES = 200_000
"""Files in one backup; captures are bounded by their settings far below."""

MAX_PADDING = 2**20
"""Octets after the last member; tar pads to some kilobytes."""

RESERVE = 64 * 2**20
"""Octets that unpacking leaves free on the disk."""


@frozen
class RestoreReport:
    """What was restored, and where the state before it lies ('' if there was none)."""

    manifest: Manifest
    aside: str


def verify(archive: Path, folder: Path) -> Manifest:
    """Unpack a backup into an empty folder and check every file against the manifest.

    Raises:
        StateError: It is no backup, is damaged, was written by a later phage, or does not fit on
            the disk.
    """
    try:
        with gzip.open(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                sums = _unpack(tar, folder, str(archive))
            _finish(stream, str(archive))
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        message = f"{archive}: cannot be read as a backup: {reason}"
        raise StateError(message) from error
    manifest_file = folder / NAME
    if not manifest_file.exists():
        message = f"{archive}: has no manifest; this is no backup of phage, or not a whole one"
        raise StateError(message)
    manifest = read_manifest(manifest_file.read_bytes(), str(archive))
    sums.pop(NAME)
    promised = {entry.name: (entry.octets, entry.sha256) for entry in manifest.files}
    for name in sorted(promised.keys() | sums.keys()):
        if promised.get(name) != sums.get(name):
            message = f"{archive}: {name} is damaged (wrong checksum); use another backup"
            raise StateError(message)
    if STORE not in sums:
        message = f"{archive}: has no store"
        raise StateError(message)
    _verify_store(folder / STORE, archive)
    return manifest


def _unpack(tar: tarfile.TarFile, folder: Path, source: str) -> dict[str, tuple[int, str]]:
    """Write the members of an archive below a folder; return their octets and sums by name."""
    sums: dict[str, tuple[int, str]] = {}
    for member in tar:
        name = member.name
        if not member.isreg() or not is_expected(name) or name in sums or len(sums) >= MAX_FILES:
            message = (
                f"{source}: holds {name[:100]!r}, which belongs in no backup; it was not unpacked"
            )
            raise StateError(message)
        free = shutil.disk_usage(folder).free
        if member.size > free - RESERVE or (name == NAME and member.size > MAX_MANIFEST):
            message = (
                f"{source}: {name} takes {member.size} octets, and {free} are free; free some space"
            )
            raise StateError(message)
        content = tar.extractfile(member)
        assert content is not None  # noqa: S101
        target = folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sums[name] = (member.size, _save(content, target))
    return sums


def _finish(stream: gzip.GzipFile, source: str) -> None:
    """Read the padding after the last member: the checksum of gzip stands behind it."""
    if len(stream.read(MAX_PADDING + 1)) > MAX_PADDING:
        message = f"{source}: holds more after its end; this is no backup of phage"
        raise StateError(message)


def _save(content: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while data := content.read(CHUNK):
            digest.update(data)
            file.write(data)
    target.chmod(0o600)
    return digest.hexdigest()


def _verify_store(file: Path, archive: Path) -> None:
    try:
        database = SqliteDatabase(file)
        try:
            faults = database.check()
            require_known(database)
        finally:
            database.close()
    except StoreError as error:
        message = f"{archive}: its store cannot be used: {error}"
        raise StateError(message) from error
    if faults:
        message = f"{archive}: its store is damaged: {faults[0]}"
        raise StateError(message)


def restore(
    archive: Path,
    location: StoreLocation,
    state: StateDirectory,
    clock: Clock,
    *,
    dry_run: bool = False,
) -> RestoreReport:
    """Put a backup in place of the state there is; phage must not run meanwhile.

    Raises:
        StateError: The backup is not whole, or the folder of state is in use or cannot be written.
        StoreError: The store cannot be written.
    """
    state.create()
    with state.lock(), tempfile.TemporaryDirectory(prefix=".restore-", dir=state.path) as name:
        unpacked = Path(name)
        manifest = verify(archive, unpacked)
        if dry_run:
            return RestoreReport(manifest, "")
        try:
            return _replace(unpacked, manifest, location, state, clock)
        except OSError as error:
            reason = error.strerror or error
            message = f"{state.path}: {reason}; the state before lies in {state.path}/aside-*"
            raise StateError(message) from error


def _replace(
    unpacked: Path, manifest: Manifest, location: StoreLocation, state: StateDirectory, clock: Clock
) -> RestoreReport:
    staged = SqliteDatabase(unpacked / STORE)
    try:
        migrate(staged, clock.now())
    finally:
        staged.close()
    aside = state.path / f"aside-{rfc3339(clock.now()).replace(':', '')}"
    aside.mkdir(mode=0o700)
    if location.file is None:
        _replace_rows(unpacked / STORE, location, aside, clock)
    else:
        _replace_file(unpacked / STORE, location.file, aside)
    for folder in FOLDERS:
        old, new = state.path / folder, unpacked / folder
        if old.is_dir() and any(old.iterdir()):
            old.rename(aside / folder)
        if new.is_dir():
            shutil.rmtree(old, ignore_errors=True)  # Empty, or set aside above.
            new.rename(old)
    state.create()
    if not any(aside.iterdir()):
        aside.rmdir()
        return RestoreReport(manifest, "")
    return RestoreReport(manifest, str(aside))


def _replace_file(new: Path, file: Path, aside: Path) -> None:
    """Put an SQLite file in place of another, which is set aside with its log."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-shm"):
        part = file.with_name(file.name + suffix)
        if part.exists():
            shutil.move(part, aside / (STORE + suffix))
    shutil.move(new, file)
    file.chmod(0o600)


def _replace_rows(new: Path, location: StoreLocation, aside: Path, clock: Clock) -> None:
    """Put the rows of an SQLite file in place of a server's, which are set aside as such a file."""
    target = open_database(location.url, location.password)
    source = SqliteDatabase(new)
    try:
        migrate(target, clock.now())
        if any(
            target.query(f"SELECT 1 FROM {table} LIMIT 1")
            for table in ("findings", "flows", "devices")
        ):
            export(target, aside / STORE, clock)
        with target.transaction():
            empty(target)
            copy_rows(source, target)
    finally:
        source.close()
        with contextlib.suppress(StoreError):
            target.close()
