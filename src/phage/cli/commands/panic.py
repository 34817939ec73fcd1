"""`phage panic`."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click

from phage.cli.output import say
from phage.cli.settings import settings_options
from phage.errors import ConfigError, PhageError, StateError

if TYPE_CHECKING:
    from pathlib import Path

    from phage.cli.settings import Chosen
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory

DAEMON_SECONDS = 2.0
"""How long the daemon may take to answer once the kernel is free of blocks."""

RELEASE_SECONDS = 10.0

MAX_OCTETS = 1 << 20
"""Of a settings file that is wrong."""

_STATE_DIR = re.compile(r"""^["']?state_dir["']?[ \t]*:[ \t]*["']?([^"'#\n]+)""", re.MULTILINE)


@click.command()
@click.option("--release", is_flag=True, help="Bring blocks back into force.")
@settings_options
def command(chosen: Chosen, release: bool) -> None:  # noqa: FBT001  An option.
    """Take every block out at once, and keep all out until `phage panic --release`.

    Works also when the daemon is dead: then the enforcer is asked, or, as root, the kernel.
    """
    settings = _settings(chosen)
    state = chosen.state(settings)
    if release:
        _release(state)
    else:
        _panic(settings, state)


def _settings(chosen: Chosen) -> Settings:
    """Return the settings; of those that are wrong only where the state is.

    Whoever is cut off must not first have to mend a file.
    """
    from phage.config.settings import Settings

    try:
        return chosen.settings()
    except ConfigError as error:
        say(f"phage: {error}")
    told = chosen.state_dir or os.environ.get("PHAGE_STATE_DIR") or _state_dir_in(chosen.file)
    settings = Settings.model_validate({"state_dir": told} if told else {})
    say(f"going on with the folder of state {settings.state_folder}")
    return settings


def _state_dir_in(file: Path | None) -> str:
    """Return what a settings file that cannot be read says of the folder of state; '' for none."""
    try:
        text = file.read_text("utf-8", "replace")[:MAX_OCTETS] if file is not None else ""
    except OSError:
        return ""
    found = _STATE_DIR.search(text)
    return found[1].strip() if found else ""


def _panic(settings: Settings, state: StateDirectory) -> None:
    from phage.daemon.control import ask
    from phage.daemon.requests import Panic

    unwritten = _switch_on(state)  # First: nothing is applied from now on.
    done = _emptied(state)
    try:
        ask(state.control, Panic(), DAEMON_SECONDS)
        done.append("the daemon holds everything back")
    except PhageError as error:
        done += _dns_file_emptied(settings, state)
        if not done:
            raise
        say(f"phage: {error}")
        if settings.respond.scripts:
            say("what scripts were run for is ended when phage runs again")
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


def _dns_file_emptied(settings: Settings, state: StateDirectory) -> list[str]:
    """Take the domains out of the DNS server's file, if there is one; return what was done."""
    from phage.clock import SystemClock
    from phage.daemon.responders import empty_dns_file

    try:
        owner = state.path.stat().st_uid
        fault = empty_dns_file(settings.respond, owner, SystemClock().now())
    except (PhageError, OSError) as error:
        fault = str(error)
    if fault:
        say(f"phage: domains are still blocked: {fault}")
    return ["every domain was taken out of the DNS server's file"] if fault == "" else []


def _release(state: StateDirectory) -> None:
    from phage.daemon.control import ask
    from phage.daemon.requests import Release

    try:
        state.panic.unlink(missing_ok=True)
    except OSError as error:
        message = f"{state.panic}: {error.strerror}; only root and the account that runs phage may"
        raise StateError(message) from error
    try:
        ask(state.control, Release(), RELEASE_SECONDS)
        say("blocks are back in force")
    except PhageError as error:
        say(f"phage: {error}")
        say("blocks come back when phage starts")
