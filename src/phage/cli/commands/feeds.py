"""`phage feeds`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phage.cli.output import Column, emit, output_option, say
from phage.cli.settings import settings_options
from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.cli.settings import Chosen
    from phage.config.document import Key
    from phage.intel.update import Subscription
    from phage.records.feedstate import FeedState

COLUMNS = (
    Column("name", "name"),
    Column("type", "type"),
    Column("enabled", "enabled"),
    Column("entries", "entries", right=True),
    Column("left out", "left_out_text"),
    Column("updated", "updated"),
    Column("next", "due"),
    Column("fault", "fault", wrap=True),
)
TRIED = (
    Column("name", "name"),
    Column("entries", "entries", right=True),
    Column("left out", "left_out_text"),
    Column("fault", "fault", wrap=True),
)


@click.group()
def command() -> None:
    """List, add, switch and update feeds of threat intelligence."""


@command.command("list")
@click.option(
    "--overlap", is_flag=True, help="Say how much of each no other feed lists; takes a moment."
)
@output_option
@settings_options
def list_(chosen: Chosen, overlap: bool, form: str) -> None:  # noqa: FBT001  An option.
    """List the feeds of the settings: what they gave, when, and what is wrong."""
    from phage.cli.intelstore import catalog
    from phage.errors import StoreError

    settings = chosen.settings()
    states: dict[str, FeedState] = {}
    try:
        with chosen.reader() as store:
            states = store.indicators.states()
    except StoreError:  # Nothing was got yet.
        pass
    shapes = [
        {"name": name, "type": each.type, "enabled": each.enabled, **_shape(states.get(name))}
        for name, each in settings.intel.feeds.items()
    ]
    columns: tuple[Column, ...] = COLUMNS
    if overlap and states:
        alone = catalog(chosen).alone
        for shape in shapes:
            share = alone.get(str(shape["name"]))
            shape["only_here"] = "" if share is None else f"{share:.0%}"
        columns = (*COLUMNS[:-1], Column("only here", "only_here", right=True), COLUMNS[-1])
    emit(form, shapes, columns, empty="no feeds; `phage feeds add` adds one")


@command.command()
@click.argument("name")
@click.argument("kind", metavar="TYPE")
@click.option(
    "--set", "values", multiple=True, metavar="KEY=VALUE", help="A setting of the feed; repeat."
)
@click.option("--every", default="", help="How often it is got, such as 6h.")
@settings_options
def add(chosen: Chosen, name: str, kind: str, values: tuple[str, ...], every: str) -> None:
    """Add the feed NAME of TYPE to the settings; `phage plugins list feeds` names the types.

    For example: phage feeds add drop spamhaus; phage feeds add mine netset --set url=/etc/my.list
    """
    entry: dict[str, Any] = {"type": kind}
    if values:
        entry["settings"] = dict(_pair(text) for text in values)
    if every:
        entry["every"] = every
    if name in chosen.settings(may_be_made=True).intel.feeds:
        message = f"there is a feed {name!r} already; `phage feeds list` shows it"
        raise ConfigError(message)
    from phage.daemon.feededits import added

    _change(chosen, added(name, entry))
    say(f"added {name}; `phage run` uses it from its next start")


@command.command()
@click.argument("name")
@click.option("--off", is_flag=True, help="Disable it: it is not got, and not used.")
@settings_options
def enable(chosen: Chosen, name: str, off: bool) -> None:  # noqa: FBT001  A flag.
    """Enable the feed NAME, or disable it with --off."""
    _require(chosen, name)
    from phage.daemon.feededits import enabled

    _change(chosen, enabled(name, on=not off))
    say(f"{name} is {'disabled' if off else 'enabled'}; `phage run` knows from its next start")


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@output_option
@settings_options
def update(chosen: Chosen, names: tuple[str, ...], form: str) -> int:
    """Get feeds now, all or by NAME; their makers' intervals are kept even so."""
    from phage.cli.intelstore import writer
    from phage.clock import SystemClock
    from phage.daemon.intel import intel_folder, make_updater

    for name in names:
        _require(chosen, name)
    settings = chosen.settings()
    folder = intel_folder(chosen.state(settings))
    with writer(chosen) as store:
        updater = make_updater(settings, folder, store, SystemClock())
        shapes = [
            {"name": each.name, **_shape(updater.update(each, always=True))}
            for each in _wanted(chosen, names)
        ]
    emit(form, shapes, TRIED, empty="no feeds")
    return 1 if any(shape["fault"] for shape in shapes) else 0


@command.command()
@click.argument("name")
@output_option
@settings_options
def test(chosen: Chosen, name: str, form: str) -> int:
    """Get the feed NAME and say what would be used of it; nothing is kept."""
    from phage.clock import SystemClock
    from phage.daemon.intel import try_feed

    _require(chosen, name)
    settings, clock = chosen.settings(), SystemClock()
    shapes = [
        {"name": each.name, **_shape(try_feed(settings, each, clock))}
        for each in _wanted(chosen, (name,))
    ]
    emit(form, shapes, TRIED, empty=f"{name} is disabled")
    return 1 if any(shape["fault"] for shape in shapes) else 0


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("names", nargs=-1, metavar="[NAME...]")
@settings_options
def export(chosen: Chosen, file: Path, names: tuple[str, ...]) -> None:
    """Write what feeds gave to FILE, all or by NAME, for a machine without a network."""
    import hashlib

    from phage.clock import SystemClock
    from phage.daemon.feedparcel import write_parcel
    from phage.daemon.intel import intel_folder
    from phage.errors import StateError

    for name in names:
        _require(chosen, name)
    settings = chosen.settings()
    kinds = {name: each.type for name, each in settings.intel.feeds.items()}
    wanted = {name: kind for name, kind in kinds.items() if not names or name in names}
    folder = intel_folder(chosen.state(settings))
    try:
        with chosen.reader() as store:
            done = write_parcel(file, wanted, folder, store.indicators, SystemClock().now())
        with file.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise StateError(message) from error
    say(f"wrote {', '.join(done) or 'nothing: no feed gave anything yet'} to {file}")
    say(f"SHA-256 {digest}")


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what the file holds, and import nothing.")
@output_option
@settings_options
def import_(chosen: Chosen, file: Path, dry_run: bool, form: str) -> int:  # noqa: FBT001  A flag.
    """Take what feeds gave elsewhere from FILE, as `phage feeds export` writes it.

    It is judged as if it were got here. A feed that is not in the settings is added to them, and is
    never got from here.
    """
    from phage.cli.intelstore import writer
    from phage.clock import SystemClock
    from phage.daemon.feededits import added
    from phage.daemon.feedparcel import read_parcel
    from phage.daemon.intel import intel_folder, make_updater

    parcel = list(read_parcel(file))
    known = chosen.settings().intel.feeds
    new = [(name, kind) for name, kind, _, _ in parcel if name not in known]
    if dry_run:
        say(f"{file}: {', '.join(f'{name} ({len(what)})' for name, _, _, what in parcel)}")
        say("imported nothing (--dry-run)")
        return 0
    if new:
        changes = [one for name, kind in new for one in added(name, {"type": kind, "get": False})]
        _change(chosen, changes)
    settings = chosen.settings()
    subscribed = {each.name: each for each in _wanted(chosen, ())}
    folder = intel_folder(chosen.state(settings))
    with writer(chosen) as store:
        updater = make_updater(settings, folder, store, SystemClock())
        shapes = [
            {"name": name, **_shape(updater.bring(subscribed[name], harvest, updated))}
            for name, _, updated, harvest in parcel
            if name in subscribed
        ]
    for name, *_ in parcel:
        if name not in subscribed:
            say(f"{name} is disabled here, and was left out")
    emit(form, shapes, TRIED, empty="no feeds")
    return 1 if any(shape["fault"] for shape in shapes) else 0


def _shape(state: FeedState | None) -> dict[str, Any]:
    from phage.clock import rfc3339

    if state is None:
        return {"entries": None, "left_out": {}, "updated": None, "due": None, "fault": ""}
    left_out = dict(state.left_out)
    return {
        "entries": state.entries,
        "left_out": left_out,
        "left_out_text": ", ".join(f"{count} {reason}" for reason, count in left_out.items()),
        "examples": {reason: list(some) for reason, some in state.examples.items()},
        "updated": rfc3339(state.updated) if state.updated else None,
        "due": rfc3339(state.due) if state.due else None,
        "failures": state.failures,
        "fault": state.fault,
    }


def _wanted(chosen: Chosen, names: tuple[str, ...]) -> list[Subscription]:
    from phage.daemon.intel import subscriptions

    return [each for each in subscriptions(chosen.settings()) if not names or each.name in names]


def _require(chosen: Chosen, name: str) -> None:
    known = chosen.settings().intel.feeds
    if name not in known:
        message = f"there is no feed {name!r}; there are {', '.join(known) or 'none'}"
        raise ConfigError(message)


def _pair(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE; a value is JSON where it can be, else text."""
    key, sign, value = text.partition("=")
    if not key or not sign:
        message = f"{text!r}: write KEY=VALUE"
        raise click.BadParameter(message, param_hint="--set")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _change(chosen: Chosen, changes: Sequence[tuple[Key, object]]) -> None:
    import os

    from phage.daemon.feededits import change_feeds

    if chosen.names_only_state:
        message = "a folder of state is named, and no settings file: name it with --config"
        raise ConfigError(message)
    change_feeds(chosen.file_to_write, changes, os.environ)
    say(f"changed {chosen.file_to_write}")
