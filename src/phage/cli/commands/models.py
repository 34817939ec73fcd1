"""`phage models`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.cli.output import Column, emit, output_option, say
from phage.cli.settings import settings_options
from phage.clock import SystemClock, rfc3339

if TYPE_CHECKING:
    from pathlib import Path

    from phage.cli.settings import Chosen
    from phage.learn.model import SavedState

COLUMNS = (
    Column("model", "model"),
    Column("version", "version", right=True),
    Column("saved", "saved"),
    Column("octets", "octets", right=True),
)


@click.group()
def command() -> None:
    """Show the saved states of what was learned, and go back to an earlier one."""


def _states(folder: Path) -> list[tuple[str, SavedState]]:
    from phage.learn.model import StateFolder, names_of

    clock = SystemClock()
    return [
        (name, saved)
        for name in sorted(names_of(folder))
        for saved in StateFolder(folder, name, clock).versions()
    ]


def _shape(name: str, saved: SavedState) -> dict[str, Any]:
    told = saved.path.stat()
    return {
        "model": name,
        "version": saved.version,
        "saved": rfc3339(told.st_mtime_ns),
        "octets": told.st_size,
    }


@command.command("list")
@output_option
@settings_options
def list_(chosen: Chosen, form: str) -> None:
    """List saved states, of each model the newest first: that one is used at the next start."""
    states = _states(chosen.state(chosen.settings()).models)
    shapes = [_shape(name, saved) for name, saved in states]
    emit(form, shapes, COLUMNS, empty="no model was saved yet")


@command.command("back")
@click.argument("name", metavar="MODEL")
@settings_options
def back(chosen: Chosen, name: str) -> None:
    """Withdraw the newest state of MODEL, so that the one before is used.

    `phage run` must not run meanwhile. What is withdrawn stays in the folder, as *.withdrawn.
    """
    from phage.errors import StateError
    from phage.learn.model import StateFolder, names_of

    state = chosen.state(chosen.settings())
    folder = StateFolder(state.models, name, SystemClock())
    if name not in names_of(state.models):
        message = f"there is no model {name}; `phage models list` names those there are"
        raise StateError(message)
    with state.lock():
        used = folder.roll_back()
    if used is None:
        message = f"{name} has one saved state only; there is none to go back to"
        raise StateError(message)
    say(f"{used.path.name} will be used, saved {rfc3339(used.path.stat().st_mtime_ns)}")
