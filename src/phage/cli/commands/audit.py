"""`phage audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.cli.accesses import access
from phage.cli.output import Column, emit, emit_one, output_option
from phage.cli.settings import settings_options
from phage.clock import rfc3339

if TYPE_CHECKING:
    from phage.cli.settings import Chosen
    from phage.store.repositories.audit import ChainedEntry

COLUMNS = (
    Column("number", "number", right=True),
    Column("at", "at"),
    Column("actor", "actor"),
    Column("act", "act"),
    Column("subject", "subject"),
    Column("detail", "detail", wrap=True),
)


@click.group()
def command() -> None:
    """Show who changed what, and check that nobody changed that log."""


@command.command("list")
@click.option("--actor", default="", help="Only of this actor, as user:ada.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@output_option
@settings_options
def list_(chosen: Chosen, actor: str, limit: int, form: str) -> None:
    """List changes, the newest first."""
    with access(chosen) as own:
        entries = own.audit.list(actor, limit=limit)
    emit(form, map(_shape, entries), COLUMNS, empty="nothing was changed")


@command.command()
@output_option
@settings_options
def verify(chosen: Chosen, form: str) -> int:
    """Check the chain of the whole log. Ends with 1 where an entry was altered or is missing.

    Note the head elsewhere: who could write to the database could make a whole new log, but none
    that has the same head.
    """
    with access(chosen) as own:
        found = own.audit.verify()
    shape = {
        "whole": not found.fault,
        "entries": found.entries,
        "head": found.head,
        "fault": found.fault,
        "number": found.number,
    }
    verdict = f"entry {found.number} {found.fault}" if found.fault else "the log is whole"
    emit_one(form, shape, (verdict, f"{found.entries} entries, head {found.head}"))
    return 1 if found.fault else 0


def _shape(entry: ChainedEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at": rfc3339(entry.happened),
        "actor": entry.actor,
        "act": entry.act,
        "subject": entry.subject,
        "detail": entry.detail,
        "hash": entry.hash,
    }
