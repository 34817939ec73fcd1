"""`phage panic`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from phage.cli.output import say
from phage.cli.settings import settings_options
from phage.errors import PhageError, StateError

if TYPE_CHECKING:
    from phage.cli.settings import Chosen
    from phage.config.statedir import StateDirectory

DAEMON_SECONDS = 2.0
"""How long the daemon may take to answer once the kernel is free of blocks."""


@click.command()
@click.option("--release", is_flag=True, help="Bring blocks back into force.")
@settings_options
def command(chosen: Chosen, release: bool) -> None:  # noqa: FBT001  An option.
    """Take every block out at once, and keep all out until `phage panic --release`.

    Works also when the daemon is dead: then the enforcer is asked, or, as root, the kernel.
    """
    state = chosen.state(chosen.settings())
    if release:
        _release(chosen, state)
    else:
        _panic(chosen, state)


def _panic(chosen: Chosen, state: StateDirectory) -> None:
    from phage.daemon.requests import Panic

    unwritten = _switch_on(state)  # First: nothing is applied from now on.
    done = _emptied(state)
    try:
        chosen.ask(Panic(), DAEMON_SECONDS)
        done.append("the daemon holds everything back")
    except PhageError as error:
        if not done:
            raise
        say(f"phage: {error}")
    for line in done:
        say(line)
    if unwritten:
        message = f"no block is in force, but they come back when phage starts anew: {unwritten}"
        raise StateError(message)
    say("no block is in force; `phage panic --release` brings them back")


def _switch_on(state: StateDirectory) -> str:
    """Leave word that nothing is to be applied; return why that cannot be, '' when it is done.

    A disk that is full or read-only must not keep the blocks in force.
    """
    try:
        # Whoever owns the folder must not have root make a file elsewhere.
        number = os.open(state.panic, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except PermissionError as error:
        message = f"{state.panic}: {error.strerror}; only root and the account that runs phage may"
        raise StateError(message) from error
    except OSError as error:
        return f"{state.panic}: {error.strerror}"
    os.close(number)
    return ""


def _emptied(state: StateDirectory) -> list[str]:
    """Take the blocks out of the kernel without the daemon; return what was done."""
    from phage.enforcer.process import panic

    try:
        by_enforcer = panic(state.enforcer_socket, state.enforcer)
    except PhageError as error:
        if os.geteuid() == 0:
            say(f"phage: {error}")
        return []
    return ["the enforcer removed every block" if by_enforcer else "every block was removed"]


def _release(chosen: Chosen, state: StateDirectory) -> None:
    from phage.daemon.requests import Release

    try:
        state.panic.unlink(missing_ok=True)
    except OSError as error:
        message = f"{state.panic}: {error.strerror}; only root and the account that runs phage may"
        raise StateError(message) from error
    try:
        chosen.ask(Release())
        say("blocks are back in force")
    except PhageError as error:
        say(f"phage: {error}")
        say("blocks come back when phage starts")
