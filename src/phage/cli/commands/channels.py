"""`phage channels`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phage.cli.output import Column, emit, output_option, say
from phage.cli.settings import settings_options

if TYPE_CHECKING:
    from phage.cli.settings import Chosen

COLUMNS = (
    Column("channel", "name"),
    Column("type", "type"),
    Column("least", "least"),
    Column("told", "told", right=True),
    Column("messages", "messages", right=True),
    Column("failed", "failed", right=True),
    Column("fault", "fault", wrap=True),
)

TEST_SECONDS = 60.0
"""A slow mail server is waited for."""


@click.group()
def command() -> None:
    """Show whom the running phage tells, and test it."""


@command.command("list")
@output_option
@settings_options
def list_(chosen: Chosen, form: str) -> None:
    """List channels, and what became of their notices since the start."""
    from phage.daemon.requests import ListChannels

    channels = chosen.ask(ListChannels())["channels"]
    emit(form, channels, COLUMNS, empty="nobody is told; `notify` in the settings names channels")


@command.command("test")
@click.argument("name", metavar="CHANNEL")
@settings_options
def test_(chosen: Chosen, name: str) -> None:
    """Tell one channel that this is a test, past digest and quiet hours."""
    from phage.daemon.requests import ProbeChannel, checked

    chosen.ask(checked(ProbeChannel, name=name), seconds=TEST_SECONDS)
    say(f"{name} was told; look whether it arrived")
