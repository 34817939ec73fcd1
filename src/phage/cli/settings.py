"""What every command shares: --config and --state-dir, and the settings that follow from them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phage.frozen import frozen

if TYPE_CHECKING:
    from phage.config.document import Key
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.daemon.requests import Request
    from phage.store.store import Store, StoreLocation

F = TypeVar("F", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)


@frozen
class Chosen:
    """What the person chose on the command line."""

    config: Path | None
    state_dir: Path | None

    @property
    def file(self) -> Path | None:
        """The settings file in use; None for none."""
        from phage.config.load import find_file

        return self.config or find_file(os.environ, Path.home(), Path.cwd())

    @property
    def file_to_write(self) -> Path:
        """The settings file in use, or the one to be made where there is none."""
        from phage.config.load import default_file

        return self.file or default_file(os.environ, Path.home(), os.geteuid())

    @property
    def names_only_state(self) -> bool:
        """Tell whether a folder of state was named, and no settings file is there to change.

        Whoever keeps phage's state apart does not mean the machine's settings.
        """
        named = self.state_dir is not None or bool(os.environ.get("PHAGE_STATE_DIR"))
        return named and self.file is None

    def settings(
        self, overrides: Mapping[Key, object] | None = None, *, may_be_made: bool = False
    ) -> Settings:
        """Return the settings in force. Raises ConfigError.

        `may_be_made`: the settings file need not be there yet.
        """
        from phage.config.load import load_settings

        file = self.file
        if may_be_made and file is not None and not file.exists():
            file = None
        wanted = dict(overrides or {})
        if self.state_dir is not None:
            wanted["state_dir",] = str(self.state_dir)
        return load_settings(file, os.environ, wanted)

    def state(self, settings: Settings) -> StateDirectory:
        """Return the folder of state."""
        from phage.config.statedir import StateDirectory

        return StateDirectory(settings.state_folder)

    def location(self, settings: Settings) -> StoreLocation:
        """Return where the store is."""
        from phage.store.store import StoreLocation

        password = settings.store.password.get_secret_value()
        return StoreLocation.of(settings.store.url, password, self.state(settings).store)

    def ask(self, request: Request, seconds: float = 10.0) -> dict[str, Any]:
        """Ask the running daemon; return its answer. Raises ControlError."""
        from phage.daemon.control import ask

        return ask(self.state(self.settings()).control, request, seconds)

    def reader(self) -> Store:
        """Open the store for reading. Raises StoreError when there is none."""
        from phage.store.store import open_reader

        return open_reader(self.location(self.settings()))


def settings_options(function: F) -> F:
    """Add --config and --state-dir to a command; it gets them as `chosen`."""

    @click.option(
        "--config", "config", type=_PATH, metavar="FILE", help="Settings file (phage.yaml)."
    )
    @click.option(
        "--state-dir",
        "state_dir",
        type=_PATH,
        metavar="FOLDER",
        help="Folder of all state; PHAGE_STATE_DIR names it too.",
    )
    @functools.wraps(function)
    def wrapped(*args: Any, config: Path | None, state_dir: Path | None, **kwargs: Any) -> object:
        return function(*args, chosen=Chosen(config, state_dir), **kwargs)

    return wrapped  # type: ignore[return-value]  # It takes other arguments, for click.
