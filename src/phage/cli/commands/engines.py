"""`phage engines`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phage.cli.output import Column, emit, output_option, say
from phage.cli.settings import settings_options
from phage.clock import SystemClock

if TYPE_CHECKING:
    from phage.cli.settings import Chosen

COLUMNS = (
    Column("engine", "name"),
    Column("kind", "kind"),
    Column("runs in", "place"),
    Column("state", "state"),
    Column("version", "version"),
    Column("definitions", "definitions"),
    Column("made", "built"),
    Column("reason", "reason", wrap=True),
)
TESTED = (
    Column("engine", "engine"),
    Column("passed", "passed"),
    Column("ms", "milliseconds", right=True),
    Column("fault", "fault", wrap=True),
)


@click.group()
def command() -> None:
    """List engines that scan files, test them, and take new definitions."""


@command.command("list")
@output_option
@settings_options
def list_(chosen: Chosen, form: str) -> None:
    """List engines: versions, age of definitions, and why one cannot be used."""
    from phage.api.sampleshapes import engine_shape
    from phage.daemon.scanfolders import ScanFolders
    from phage.scan.enginelist import engine_states
    from phage.scan.engineset import find_engines

    settings = chosen.settings()
    engines = find_engines(settings.scan, ScanFolders.of(chosen.state(settings)).engines)
    emit(form, map(engine_shape, engine_states(engines)), COLUMNS, empty="no engines")


@command.command("test")
@click.argument("names", nargs=-1, metavar="[ENGINE]...")
@output_option
@settings_options
def test_(chosen: Chosen, names: tuple[str, ...], form: str) -> int:
    """Test engines in the sandbox: something each finds, something good, garbage.

    Says how well the sandbox isolates. Exit code 1 when an engine fails.
    """
    from phage.daemon.scanfolders import ScanFolders
    from phage.daemon.scanning import make_scanner
    from phage.scan.selftest import self_test

    settings = chosen.settings()
    folders = ScanFolders.of(chosen.state(settings))
    with make_scanner(settings.scan, folders, SystemClock(), engines=names) as scanner:
        isolation = scanner.start()
        worker = scanner.worker()
        tested = self_test(worker, scanner.engines)
        scanner.give_back(worker)
    shapes = [
        {
            "engine": each.engine,
            "passed": not each.fault,
            "fault": each.fault,
            "trials": each.trials,
            "milliseconds": round(each.seconds * 1000, 1),
        }
        for each in tested
    ]
    emit(form, shapes, TESTED, empty="no engine is ready; `phage engines list` says why")
    reason = f": {isolation.reason}" if isolation.reason else ""
    say(f"isolation: {isolation.level} by {isolation.means}{reason}")
    return 1 if any(each.fault for each in tested) else 0


@command.command()
@click.argument("name", metavar="ENGINE")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, path_type=Path),
    help="File or folder with definitions.",
)
@click.option(
    "--canary",
    "canaries",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A good file; definitions that find something in it are refused.",
)
@click.option("--back", is_flag=True, help="Go back to the definitions before.")
@settings_options
def update(
    chosen: Chosen,
    name: str,
    source: Path | None,
    canaries: tuple[Path, ...],
    back: bool,  # noqa: FBT001  A flag of the command line.
) -> None:
    """Take definitions from a file: copied, self-tested, tried on good files, then put in force."""
    from phage.daemon.scanfolders import ScanFolders
    from phage.scan.definitions import roll_back
    from phage.scan.definitions import update as take

    settings = chosen.settings()
    folder = ScanFolders.of(chosen.state(settings)).engines
    if back:
        say(f"{name}: back to the definitions of {roll_back(name, folder)}")
        return
    if source is None:
        message = "name a file or folder: --from PATH (or --back)"
        raise click.UsageError(message)
    done = take(name, source, settings.scan, folder, SystemClock(), canaries)
    say(f"{name}: definitions {done.after.definitions or done.after.engine} are in force")
