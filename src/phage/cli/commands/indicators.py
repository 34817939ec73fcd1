"""`phage indicators`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phage.cli.output import Column, emit, encode, output_option, say
from phage.cli.settings import settings_options
from phage.errors import ConfigError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.cli.settings import Chosen

COLUMNS = (
    Column("kind", "kind"),
    Column("value", "value"),
    Column("feed", "feed"),
    Column("confidence", "confidence", right=True),
    Column("last seen", "last_seen"),
    Column("tags", "tags"),
    Column("description", "description", wrap=True),
)


@click.group()
def command() -> None:
    """Show, search, import and export indicators of threat intelligence."""


@command.command()
@click.argument("value")
@output_option
@settings_options
def show(chosen: Chosen, value: str, form: str) -> None:
    """Show what every feed says of exactly VALUE; `phage intel check` looks at networks too."""
    from phage.cli.intelstore import indicator_shape
    from phage.intel.values import guessed

    known = guessed(value)
    with chosen.reader() as store:
        found = store.indicators.with_value(known[1] if known else value)
    if not found:
        message = f"no feed names {value!r}; `phage indicators search` looks for a part"
        raise StateError(message)
    emit(form, map(indicator_shape, found), COLUMNS)


@command.command()
@click.argument("text", default="")
@click.option("--kind", default="", help="Only of this kind: network, domain, url, hash, ...")
@click.option("--feed", default="", help="Only of this feed.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@output_option
@settings_options
def search(chosen: Chosen, text: str, kind: str, feed: str, limit: int, form: str) -> None:
    """List indicators whose value, tags or description hold TEXT.

    Networks of plain lists say nothing but that they are listed, and are not among them.
    """
    from phage.cli.intelstore import indicator_shape

    with chosen.reader() as store:
        found = store.indicators.search(text, kind, feed, limit)
    emit(form, map(indicator_shape, found), COLUMNS, empty="no indicators")


@command.command()
@click.option("--kind", default="", help="Only of this kind.")
@click.option("--feed", default="", help="Only of this feed.")
@settings_options
def export(chosen: Chosen, kind: str, feed: str) -> None:
    """Print indicators as JSON lines, as `phage indicators import` reads them."""
    from phage.cli.intelstore import indicator_shape

    with chosen.reader() as store:
        for each in store.indicators.search(kind=kind, feed=feed, limit=100_000):
            print(encode(indicator_shape(each)))


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--confidence", type=click.IntRange(0, 100), default=90, show_default=True)
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and import nothing.")
@settings_options
def import_(chosen: Chosen, file: Path, confidence: int, dry_run: bool) -> None:  # noqa: FBT001
    """Import indicators of your own from FILE: a value a line, or JSON lines of `export`.

    They belong to the feed `own`. For machines without a network: what was exported elsewhere comes
    in here, and is judged like a feed.
    """
    from phage.cli.intelstore import writer
    from phage.intel.entries import Entries
    from phage.intel.update import imported
    from phage.records.indicator import IndicatorKind

    entries = Entries("own", confidence)
    for fields in _read(file):
        _add(entries, fields)
    own = tuple(map(str, chosen.settings().home))
    verdict = imported(entries.found, own)
    if verdict.held:
        message = f"{file}: nothing was imported: {verdict.held}"
        raise ConfigError(message)
    good = set(verdict.networks.texts())
    kept = [
        each
        for each in entries.found
        if each.kind is not IndicatorKind.NETWORK or each.value in good
    ]
    for reason, count in verdict.left_out.items():
        say(f"left out as {reason}: {count}, such as {', '.join(verdict.examples[reason][:3])}")
    if entries.rejected:
        say(f"{entries.rejected} lines are no indicator")
    if dry_run:
        say(f"would import {len(kept)} indicators (--dry-run)")
        return
    with writer(chosen) as store:
        store.indicators.save(kept)
    say(f"imported {len(kept)} indicators")


def _read(file: Path) -> Iterator[dict[str, Any]]:
    from phage.intel.text import decoded

    for number, line in enumerate(decoded(file.read_bytes()).splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if not bare.startswith("{"):
            yield {"value": bare}
            continue
        try:
            fields = json.loads(bare)
        except (ValueError, RecursionError) as error:
            message = f"{file}:{number}: is no JSON: {error}"
            raise ConfigError(message) from error
        yield fields


def _add(entries: Any, fields: dict[str, Any]) -> None:  # noqa: ANN401  Loaded when called.
    from phage.records.indicator import IndicatorKind

    kind = str(fields.get("kind"))
    known = IndicatorKind(kind) if kind in set(IndicatorKind) else None
    entries.add(
        fields.get("value"),
        known,
        first=fields.get("first_seen"),
        last=fields.get("last_seen"),
        expires=fields.get("expires"),
        confidence=fields.get("confidence"),
        tags=fields.get("tags") or (),
        description=fields.get("description"),
        tlp=fields.get("tlp") or "clear",
    )
