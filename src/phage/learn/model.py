"""The contract of a model, and the folder in which its states are kept."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from phage.clock import Clock, rfc3339
from phage.errors import StateError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAGIC = b"phage model\n"
FORMAT = 1
# Enough to go back over a week of daily saves; a state is some hundred kilobytes.
VERSIONS_KEPT = 8
# Far above any real state: a limit so that a damaged header cannot ask for all memory.
LARGEST_STATE = 256 << 20


@runtime_checkable
class Model(Protocol):
    """What learns normal behaviour and can be saved, restored and put back to an earlier state."""

    name: str
    """The model's name, as its state files carry it."""

    summary: str
    """What it learns, in one line."""

    def save(self) -> bytes:
        """Return the state."""

    def load(self, state: bytes) -> None:
        """Take over a state. Raises StateError when it is damaged or of another version."""


class CoreModel:
    """A model that learns in the core, where it is used; here its state is taken out and put back.

    Args:
        save: Returns the state.
        load: Takes over a state. Raises StateError when it is damaged or of another version.
    """

    save: Callable[[], bytes]
    load: Callable[[bytes], None]

    def __init__(self, save: Callable[[], bytes], load: Callable[[bytes], None]) -> None:
        self.save = save
        self.load = load


@frozen
class SavedState:
    """One state in the folder."""

    path: Path
    version: int


def packed(state: bytes, now: int) -> bytes:
    """Return a state as it is kept and sent: a line of magic, a line of JSON, the octets.

    The JSON tells format, length, SHA-256 and the time (`now`, nanoseconds since the Unix epoch).
    """
    header = {
        "format": FORMAT,
        "length": len(state),
        "sha256": hashlib.sha256(state).hexdigest(),
        "saved": rfc3339(now),
    }
    return MAGIC + json.dumps(header).encode() + b"\n" + state


def unpacked(octets: bytes, name: str) -> bytes:
    """Return the state in what was packed. Raises StateError naming what is wrong with `name`."""
    magic, _, rest = octets.partition(b"\n")
    if magic + b"\n" != MAGIC:
        message = f"{name} is not a saved model"
        raise StateError(message)
    line, _, state = rest.partition(b"\n")
    try:
        header = json.loads(line[:4096])
    except (ValueError, RecursionError) as error:
        message = f"cannot read {name}: {error}"
        raise StateError(message) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        message = f"{name} was written by another version of phage"
        raise StateError(message)
    if header.get("length") != len(state):
        message = f"{name} is cut short or too long"
        raise StateError(message)
    if header.get("sha256") != hashlib.sha256(state).hexdigest():
        message = f"{name} is damaged: its checksum is wrong"
        raise StateError(message)
    return state


def names_of(folder: Path) -> list[str]:
    """Return the names of the models with states in a folder, the one saved last first."""
    latest: dict[str, int] = {}
    for path in folder.glob("*.*.model"):
        name, _, number = path.name.removesuffix(".model").rpartition(".")
        if number.isdecimal():
            latest[name] = max(latest.get(name, 0), path.stat().st_mtime_ns)
    return sorted(latest, key=lambda name: (-latest[name], name))


class StateFolder:
    """Keeps versioned, checksummed states of one model: `<name>.<version>.model`.

    A file holds what `packed` makes. It is written aside and renamed, so that a crash leaves the
    earlier one. A damaged file is set aside as `*.damaged` and the one before it is used. Of more
    versions than `kept` the oldest go.
    """

    def __init__(self, folder: Path, name: str, clock: Clock, *, kept: int = VERSIONS_KEPT) -> None:
        self.folder = folder
        self.name = name
        self.clock = clock
        self.kept = kept

    def versions(self) -> list[SavedState]:
        """Return the states there are, newest first."""
        found = []
        for path in self.folder.glob(f"{self.name}.*.model"):
            number = path.name[len(self.name) + 1 : -len(".model")]
            if number.isdecimal():
                found.append(SavedState(path, int(number)))
        return sorted(found, key=lambda state: -state.version)

    def save(self, state: bytes) -> Path:
        """Write a new version and drop the oldest ones. Raises StateError when it cannot."""
        existing = self.versions()
        version = existing[0].version + 1 if existing else 1
        path = self.folder / f"{self.name}.{version}.model"
        aside = path.with_suffix(".writing")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                file.write(packed(state, self.clock.now()))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
            for old in existing[self.kept - 1 :]:
                old.path.unlink(missing_ok=True)
        except OSError as error:
            message = f"cannot save the model to {path}: {error.strerror}"
            raise StateError(message) from error
        return path

    def load(self, model: Model, *, skip: int = 0) -> tuple[SavedState | None, list[str]]:
        """Load the newest usable state, `skip` versions back; return it and what was set aside.

        Damaged states are renamed to `*.damaged` and reported in the list, a line each.
        """
        problems = []
        for saved in self.versions()[skip:]:
            try:
                model.load(read_state(saved.path))
            except StateError as error:
                damaged = saved.path.with_suffix(".damaged")
                saved.path.replace(damaged)
                problems.append(f"{error}; set aside as {damaged.name}")
            else:
                return saved, problems
        return None, problems

    def roll_back(self) -> SavedState | None:
        """Remove the newest state, so that the one before it is used; return that one."""
        existing = self.versions()
        if len(existing) < 2:
            return None
        existing[0].path.replace(existing[0].path.with_suffix(".withdrawn"))
        return existing[1]


def read_state(path: Path) -> bytes:
    """Return the state in a file. Raises StateError naming what is wrong with it."""
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST_STATE)
    except OSError as error:
        message = f"cannot read {path}: {error}"
        raise StateError(message) from error
    return unpacked(octets, str(path))
