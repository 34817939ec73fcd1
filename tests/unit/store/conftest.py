"""A private PostgreSQL server, and stores of both engines."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock
from phage.store.store import Store, StoreLocation, open_store
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator


def _program(name: str) -> Path | None:
    """Return a program of PostgreSQL: Debian keeps them out of the path, by version."""
    found = shutil.which(name)
    if found:
        return Path(found)
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return versions[-1] if versions else None


def _account() -> pwd.struct_passwd | None:
    """Return whom the server runs as: it refuses to run as root."""
    for name in ("postgres", "nobody") if os.geteuid() == 0 else ():
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _run(command: list[str], folder: Path, **more: Any) -> None:
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=folder, timeout=120, **more
    )
    if result.returncode:
        pytest.fail(f"{command[0]} failed: {result.stdout}{result.stderr}")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Path]:
    """Start a server that listens on a socket in a folder of its own; give the folder."""
    initdb, control = _program("initdb"), _program("pg_ctl")
    if initdb is None or control is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="phage-pg-"))
    account = _account()
    more: dict[str, Any] = {}
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
        more = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    data = folder / "data"
    try:
        _run(
            [str(initdb), "-D", str(data), "-U", "phage", "-A", "trust", "-E", "UTF8", "--no-sync"],
            folder,
            **more,
        )
        options = f"-c listen_addresses='' -k {folder} -c fsync=off -c shared_buffers=16MB"
        log = str(folder / "log")
        _run(
            [str(control), "-D", str(data), "-w", "-l", log, "-o", options, "start"], folder, **more
        )
        try:
            yield folder
        finally:
            _run([str(control), "-D", str(data), "-m", "immediate", "stop"], folder, **more)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql(postgresql_server: Path) -> Iterator[StoreLocation]:
    """Give a database of its own in the server."""
    import psycopg

    name = f"test_{os.urandom(6).hex()}"
    admin = f"postgresql:///postgres?host={postgresql_server}&user=phage"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type,unused-ignore]
    yield StoreLocation(f"postgresql:///{name}?host={postgresql_server}&user=phage")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type,unused-ignore]


@pytest.fixture
def clock() -> FixedClock:
    """Give a clock that stands."""
    return FixedClock(EPOCH)


@pytest.fixture
def sqlite(tmp_path: Path) -> StoreLocation:
    """Give a place for an SQLite store."""
    return StoreLocation.of("", "", tmp_path / "state" / "store.sqlite3")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def location(request: pytest.FixtureRequest) -> StoreLocation:
    """Give a place for a store, of one engine after the other."""
    place: StoreLocation = request.getfixturevalue(request.param)
    return place


@pytest.fixture
def store(location: StoreLocation, clock: FixedClock) -> Iterator[Store]:
    """Give an empty store, of one engine after the other."""
    with open_store(location, clock) as opened:
        yield opened
