"""The one folder where all state lives."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from phage.errors import StateError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SYSTEM_FOLDER = Path("/var/lib/phage")


def default_state_dir(environment: Mapping[str, str], home: Path, user: int) -> Path:
    """Return the folder of state by the platform's convention.

    /var/lib/phage for root (Filesystem Hierarchy Standard 3.0, section 5.8), else
    $XDG_STATE_HOME/phage or ~/.local/state/phage (XDG Base Directory Specification).
    """
    if user == 0:
        return SYSTEM_FOLDER
    base = environment.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else home / ".local" / "state") / "phage"


@frozen
class StateDirectory:
    """Names of what lies in the folder of state."""

    path: Path

    @property
    def store(self) -> Path:
        """The SQLite store."""
        return self.path / "store.sqlite3"

    @property
    def models(self) -> Path:
        """Saved states of the model."""
        return self.path / "models"

    @property
    def captures(self) -> Path:
        """Packets saved with findings."""
        return self.path / "captures"

    @property
    def templates(self) -> Path:
        """Templates of flow exporters."""
        return self.path / "templates"

    @property
    def push_key(self) -> Path:
        """The key that messages to browsers are signed with."""
        return self.path / "push.key"

    @property
    def feed_keys(self) -> Path:
        """Keys of feeds that were added by the API, each in a file with the feed's name."""
        return self.path / "intel" / "keys"

    @property
    def rules(self) -> Path:
        """Rule files, *.yaml, in the order of their names."""
        return self.path / "rules"

    @property
    def fences(self) -> Path:
        """Rule files that fence devices in; they are asked besides all other rules."""
        return self.path / "fences"

    @property
    def eve(self) -> Path:
        """EVE JSON lines, unless the settings say another place."""
        return self.path / "eve.json"

    @property
    def control(self) -> Path:
        """The socket by which `phage run` is told what to do."""
        return self.path / "control.sock"

    @property
    def enforcer_socket(self) -> Path:
        """The socket of the enforcer."""
        return self.path / "enforcer.sock"

    @property
    def enforcer(self) -> Path:
        """The enforcer's own folder: beside this one, since it runs under another account."""
        return self.path.with_name(f"{self.path.name}-enforcer")

    @property
    def confirmed_rules(self) -> Path:
        """Copies of the rule files that were confirmed last."""
        return self.path / "rules-confirmed"

    @property
    def oui(self) -> Path:
        """To whom MAC addresses were assigned, as imported."""
        return self.path / "devices" / "oui.registry"

    @property
    def kinds(self) -> Path:
        """What kinds of devices look like, as learned from examples."""
        return self.path / "devices" / "kinds.model"

    @property
    def panic(self) -> Path:
        """The file that keeps every block out of force while it is there (`phage panic`)."""
        return self.path / "panic"

    def create(self) -> None:
        """Make the folder and those in it, readable by the owner only.

        They tell who talks to whom.
        """
        try:
            for folder in (
                self.path, self.models, self.captures, self.rules, self.fences, self.templates,
            ):  # fmt: skip
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            message = (
                f"{self.path}: cannot make the folder of state: {error.strerror}; "
                "name another with --state-dir or PHAGE_STATE_DIR"
            )
            raise StateError(message) from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one writing process. Raises StateError when another one has it."""
        try:
            file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"{self.path}: cannot be written: {error.strerror}"
            raise StateError(message) from error
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                owner = os.pread(file, 32, 0).decode("ascii", "replace").strip()
                message = (
                    f"{self.path} is in use by process {owner or 'unknown'}; stop `phage run` first"
                )
                raise StateError(message) from error
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(file)
