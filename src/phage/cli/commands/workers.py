"""`phage workers`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phage.cli.output import Column, emit, emit_one, output_option, say
from phage.cli.remote import remote_options
from phage.cli.settings import settings_options
from phage.clock import SystemClock
from phage.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.cli.settings import Chosen
    from phage.client.client import Client
    from phage.store.store import Store

COLUMNS = (
    Column("worker", "name"),
    Column("state", "state"),
    Column("host", "host"),
    Column("isolation", "isolation"),
    Column("processes", "processes", right=True),
    Column("last heard of", "seen"),
    Column("engines", "serves", wrap=True),
    Column("failed", "failed", wrap=True),
)
ENGINES = (
    Column("engine", "name"),
    Column("passed", "passed"),
    Column("version", "version"),
    Column("definitions", "definitions"),
    Column("made", "built"),
    Column("files", "files", right=True),
    Column("ms", "median_ms", right=True),
    Column("p95", "p95_ms", right=True),
    Column("fault", "fault", wrap=True),
)
QUEUES = (
    Column("engine", "engine"),
    Column("waiting", "waiting", right=True),
    Column("at work", "at_work", right=True),
    Column("workers", "serving", wrap=True),
)
FLEETS = (
    Column("fleet", "name"),
    Column("launcher", "launcher"),
    Column("machines", "there", right=True),
    Column("wanted", "wanted", right=True),
    Column("by hand", "fixed", right=True),
    Column("most", "most", right=True),
    Column("fault", "fault", wrap=True),
)
RELEASES = (
    Column("release", "id"),
    Column("engine", "engine"),
    Column("state", "state"),
    Column("file", "name"),
    Column("canary", "canary"),
    Column("made", "made"),
    Column("fault", "fault", wrap=True),
)


@click.group()
def command() -> None:
    """Show workers that scan files, their queues, and definitions on their way to them."""


@command.command("list")
@output_option
@remote_options
@settings_options
def list_(chosen: Chosen, remote: Client | None, form: str) -> None:
    """List workers, with the engines that passed their self-test and those that did not."""
    shapes = [_with_engines(each) for each in _workers(chosen, remote)]
    emit(form, shapes, COLUMNS, empty="no workers; `phage worker --join URL` starts one")


@command.command()
@click.argument("name")
@output_option
@remote_options
@settings_options
def show(chosen: Chosen, remote: Client | None, name: str, form: str) -> None:
    """Show a worker with its engines: versions, definitions, self-test, latencies."""
    found = next((each for each in _workers(chosen, remote) if each["name"] == name), None)
    if found is None:
        message = f"there is no worker {name!r}; `phage workers list` names them"
        raise StateError(message)
    emit_one(form, found, _told(found))
    if form == "table":
        emit(form, found["engines"], ENGINES, empty="no engines")


@command.command()
@output_option
@remote_options
@settings_options
def queues(chosen: Chosen, remote: Client | None, form: str) -> None:
    """Show what waits for each engine, what is at work, and who serves it."""
    if remote is not None:
        shapes = remote.ask("GET", "/api/v1/queues")
    else:
        from phage.api.workershapes import queue_shapes

        with chosen.reader() as store:
            shapes = queue_shapes(
                store.scan_workers.list(), store.scan_tasks.open(), SystemClock().now()
            )
    rows = [each | {"serving": ", ".join(each["workers"])} for each in shapes]
    emit(form, rows, QUEUES, empty="no engine was heard of yet")


@command.command()
@click.argument("name")
@remote_options
@settings_options
def end(chosen: Chosen, remote: Client | None, name: str) -> None:
    """Have a worker finish what it is at, and end."""
    if remote is not None:
        remote.ask("POST", f"/api/v1/workers/{name}/end")
    else:
        with _writer(chosen) as store:
            if not store.scan_workers.end(name, SystemClock().now()):
                raise _unknown(name)
    say(f"{name} ends when what it is at is done")


@command.command()
@click.argument("name")
@remote_options
@settings_options
def forget(chosen: Chosen, remote: Client | None, name: str) -> None:
    """Forget a worker that is gone, so that its engines are not waited for any more."""
    if remote is not None:
        remote.ask("DELETE", f"/api/v1/workers/{name}")
    else:
        with _writer(chosen) as store:
            if not store.scan_workers.forget(name):
                raise _unknown(name)
    say(f"{name} is forgotten")


@command.command()
@output_option
@remote_options
@settings_options
def fleets(chosen: Chosen, remote: Client | None, form: str) -> None:
    """List fleets of machines that are started and ended as they are needed."""
    if remote is not None:
        shapes = remote.ask("GET", "/api/v1/fleets")
    else:
        from phage.api.workershapes import fleet_shape

        with chosen.reader() as store:
            shapes = [fleet_shape(each) for each in store.scan_fleets.list()]
    rows = [each | {"there": len(each["machines"])} for each in shapes]
    emit(form, rows, FLEETS, empty="none; scan.workers.fleets names them")


@command.command()
@click.argument("fleet")
@click.argument("copies", metavar="COPIES|auto")
@remote_options
@settings_options
def scale(chosen: Chosen, remote: Client | None, fleet: str, copies: str) -> None:
    """Have so many machines in a fleet, or with `auto` as many as the queue needs."""
    if copies != "auto" and not (copies.isdecimal() and int(copies) <= 1000):
        message = f"{copies}: write a number up to 1000, or auto"
        raise click.UsageError(message)
    wanted = None if copies == "auto" else int(copies)
    if remote is not None:
        remote.ask("PUT", f"/api/v1/fleets/{fleet}", {"copies": wanted})
    else:
        with _writer(chosen) as store:
            if not store.scan_fleets.fix(fleet, wanted):
                message = f"there is no fleet {fleet!r}; `phage workers fleets` names them"
                raise StateError(message)
    say(f"{fleet}: {'as many machines as are needed' if wanted is None else copies}")


@command.command()
@output_option
@remote_options
@settings_options
def releases(chosen: Chosen, remote: Client | None, form: str) -> None:
    """List definitions that are rolled out to workers, the latest first."""
    if remote is not None:
        shapes = remote.ask("GET", "/api/v1/releases")
    else:
        from phage.api.workershapes import release_shape

        with chosen.reader() as store:
            shapes = [release_shape(each) for each in store.scan_releases.list()]
    emit(form, shapes, RELEASES, empty="none")


@command.command()
@click.argument("engine")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="File with definitions, carried over where the network is isolated.",
)
@click.option("--canary", default="", metavar="WORKER", help="Who tries it first.")
@settings_options
def release(chosen: Chosen, engine: str, source: Path, canary: str) -> None:
    """Roll definitions out: a canary takes, tests and uses them for a while, then all workers."""
    from phage.daemon.releases import Releases
    from phage.daemon.scanfolders import ScanFolders
    from phage.scan.content import Content

    settings = chosen.settings()
    folders = ScanFolders.of(chosen.state(settings))
    with _writer(chosen) as store, Content.of_file(source) as content:
        desk = Releases(settings.scan.workers, folders, store, SystemClock())
        made = desk.begin(engine, content, "user:local", canary)
    say(f"{made.id}: {engine} of {source.name}, tried by {made.canary}")


@command.command()
@click.argument("id_", metavar="RELEASE")
@remote_options
@settings_options
def withdraw(chosen: Chosen, remote: Client | None, id_: str) -> None:
    """Take definitions back: workers return to those before."""
    if remote is not None:
        remote.ask("POST", f"/api/v1/releases/{id_}/withdraw")
    else:
        from phage.daemon.releases import Releases
        from phage.daemon.scanfolders import ScanFolders

        settings = chosen.settings()
        folders = ScanFolders.of(chosen.state(settings))
        with _writer(chosen) as store:
            Releases(settings.scan.workers, folders, store, SystemClock()).withdraw(id_)
    say(f"{id_} is withdrawn")


def _workers(chosen: Chosen, remote: Client | None) -> list[dict[str, Any]]:
    if remote is not None:
        found: list[dict[str, Any]] = remote.ask("GET", "/api/v1/workers")
        return found
    from phage.api.workershapes import worker_shape

    now = SystemClock().now()
    with chosen.reader() as store:
        return [worker_shape(each, now) for each in store.scan_workers.list()]


def _with_engines(shape: dict[str, Any]) -> dict[str, Any]:
    engines = shape["engines"]
    return shape | {
        "serves": ", ".join(each["name"] for each in engines if each["passed"]),
        "failed": "; ".join(
            f"{each['name']}: {each['fault']}" for each in engines if not each["passed"]
        ),
    }


def _told(shape: dict[str, Any]) -> Iterator[str]:
    yield f"{shape['name']}: {shape['state']}, on {shape['host']} ({shape['address']})"
    yield f"since {shape['started']}, last heard of {shape['seen']}, phage {shape['version']}"
    reason = f": {shape['reason']}" if shape["reason"] else ""
    yield f"isolation {shape['isolation']}{reason}; {shape['processes']} files at a time"
    for kind, count in shape["faults"].items():
        yield f"{kind}: {count}"


def _writer(chosen: Chosen) -> Store:
    from phage.store.store import open_store

    return open_store(chosen.location(chosen.settings()), SystemClock())


def _unknown(name: str) -> StateError:
    message = f"there is no worker {name!r}; `phage workers list` names them"
    return StateError(message)
