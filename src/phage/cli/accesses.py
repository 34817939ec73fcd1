"""What commands about users and tokens share: the store, opened for writing, and who does it."""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.access.access import Access
    from phage.cli.settings import Chosen


@contextlib.contextmanager
def access(chosen: Chosen) -> Iterator[Access]:
    """Give users and tokens; also while the daemon runs, which sees every change at once."""
    from phage.access.access import make_access
    from phage.clock import SystemClock
    from phage.store.store import open_store

    clock = SystemClock()
    with open_store(chosen.location(chosen.settings()), clock) as store:
        yield make_access(store, clock)


def who() -> str:
    """Return who runs this command, as the audit log names him."""
    try:
        return f"user:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"user:{os.getuid()}"


def read_password() -> str:
    """Return a password: asked for twice at a terminal, else the first line of standard input."""
    if sys.stdin.isatty():
        answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return answer
    return sys.stdin.readline().rstrip("\r\n")
