"""`phage exporters`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.api.shapes import exporter_shape
from phage.cli.output import Column, emit, output_option
from phage.cli.remote import remote_options
from phage.cli.settings import settings_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.cli.settings import Chosen
    from phage.client.client import Client

COLUMNS = (
    Column("exporter", "address"),
    Column("name", "name"),
    Column("domain", "domain", right=True),
    Column("format", "format"),
    Column("last seen", "last_seen"),
    Column("records", "records", right=True),
    Column("sampling", "sampling_text", right=True),
    Column("clock", "clock", right=True),
    Column("lost", "lost", right=True),
    Column("early", "early", right=True),
    Column("restarts", "restarts", right=True),
    Column("told before", "duplicates", right=True),
    Column("malformed", "malformed", right=True),
)
NONE = "no exporter was heard; `collect.flows` in the settings says where phage listens for them"


@click.group()
def command() -> None:
    """Show the exporters of flows."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True)
@output_option
@remote_options
@settings_options
def list_(chosen: Chosen, remote: Client | None, limit: int, form: str) -> None:
    """List exporters by observation domain, those heard last first.

    Lost are datagrams (of IPFIX records) that the sequence numbers miss; early are data sets that
    came before their template; clock is by how much the exporter's clock is behind; told before are
    records of which another exporter had told all, so that they are not counted again.
    """
    if remote is not None:
        shapes: Iterable[dict[str, Any]] = remote.exporters(limit)
    else:
        with chosen.reader() as store:
            shapes = map(exporter_shape, store.exporters.list(limit))
    emit(form, map(_with_texts, shapes) if form == "table" else shapes, COLUMNS, empty=NONE)


def _with_texts(shape: dict[str, Any]) -> dict[str, Any]:
    behind = shape["clock_behind_seconds"]
    return shape | {
        "sampling_text": f"1:{shape['sampling']}" if shape["sampling"] else "",
        "clock": f"{behind:+.1f} s" if abs(behind) >= 1 else "",
    }
