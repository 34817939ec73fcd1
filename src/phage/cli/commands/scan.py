"""`phage scan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phage.cli.output import FORMS, encode, output_option, say
from phage.cli.settings import settings_options
from phage.telemetry.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from phage.cli.settings import Chosen
    from phage.records.sample import Verdict

CLEAN, FOUND, INCOMPLETE = 0, 3, 4
"""Exit codes of `phage scan`, the gravest over all files."""


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, readable=False))
@click.option(
    "--engine", "engines", multiple=True, metavar="NAME", help="Only this engine; again for more."
)
@click.option("--password", "passwords", multiple=True, help="Tried on what is encrypted.")
@click.option("--force", is_flag=True, help="Scan also what is known.")
@click.option(
    "--keep/--no-keep",
    default=True,
    show_default=True,
    help="Keep verdicts and samples in the store.",
)
@click.option("--all", "show_all", is_flag=True, help="Name clean files too.")
@output_option
@settings_options
def command(
    chosen: Chosen,
    paths: tuple[str, ...],
    engines: tuple[str, ...],
    passwords: tuple[str, ...],
    force: bool,  # noqa: FBT001  A flag of the command line.
    keep: bool,  # noqa: FBT001  A flag of the command line.
    show_all: bool,  # noqa: FBT001  A flag of the command line.
    form: str,
) -> int:
    """Scan files, and folders with all below them, with every engine; no server is needed.

    Exit codes: 0 all clean, 3 something infected or suspicious, 4 something could not be looked at
    wholly, 1 a file could not be read.
    """
    from phage.cli.scanfiles import files_below, scan_files
    from phage.clock import SystemClock
    from phage.daemon.scanning import open_scanner

    clock = SystemClock()
    settings = chosen.settings()
    files, failed = files_below(paths)
    with open_scanner(
        settings,
        chosen.state(settings),
        chosen.location(settings),
        clock,
        engines=engines,
        keep=keep,
    ) as (scanner, _store):
        isolation = scanner.start()
        if isolation.reason:
            say(f"isolation is {isolation.level}: {isolation.reason}")
        verdicts = scan_files(scanner, files, passwords=passwords, force=force, failed=failed)
        code = _print(form, verdicts, show_all=show_all or len(files) == 1)
    for path, why in failed:
        say(escape(f"{path}: {why}"))
    return code or (1 if failed else CLEAN)


def _print(form: str, verdicts: Iterable[tuple[Path, Verdict]], *, show_all: bool) -> int:
    """Print verdicts as they come; return the exit code."""
    from phage.api.sampleshapes import verdict_shape
    from phage.records.sample import Outcome

    outcomes: dict[str, int] = {}
    shapes = []
    for path, verdict in verdicts:
        outcomes[verdict.outcome] = outcomes.get(verdict.outcome, 0) + 1
        if form == FORMS[0]:
            if show_all or verdict.outcome is not Outcome.CLEAN:
                print(escape(f"{path}: {verdict.outcome} {verdict.positives}/{verdict.judged}"))
                for reason in verdict.reasons[:20]:
                    print(escape(f"  {reason.outcome}: {reason.text}"))
        elif form == "jsonl":
            print(encode(verdict_shape(verdict, str(path))))
        else:
            shapes.append(verdict_shape(verdict, str(path)))
    if form == "json":
        print(encode(shapes, indent=2))
    elif form == FORMS[0]:
        total = sum(outcomes.values())
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        say(f"{total} file{'s' if total != 1 else ''}: {told or 'none'}")
    if outcomes.get(Outcome.INFECTED) or outcomes.get(Outcome.SUSPICIOUS):
        return FOUND
    return INCOMPLETE if outcomes.get(Outcome.INCOMPLETE) else CLEAN
