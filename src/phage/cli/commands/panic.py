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

    try:
        state.panic.touch(mode=0o600)  # First: nothing is applied from now on.
    except OSError as error:
        message = f"{state.panic}: {error.strerror}; only root and the account that runs phage may"
        raise StateError(message) from error
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
    say("no block is in force; `phage panic --release` brings them back")


def _emptied(state: StateDirectory) -> list[str]:
    """Take the blocks out of the kernel without the daemon; return what was done."""
    from phage.enforcer.process import panic, panic_directly

    try:
        by_enforcer = panic(state.enforcer_socket, state.enforcer)
    except PhageError as error:
        if os.geteuid() == 0:
            say(f"phage: {error}")
        return []
    if os.geteuid() == 0 and by_enforcer:
        panic_directly(state.enforcer)  # An enforcer that lies or hangs has no say in this.
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
