"""The command `phage`.

Finds its subcommands in `commands/` and loads only the one that is called.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from typing import TYPE_CHECKING

import click

from phage.cli import commands
from phage.errors import PhageError
from phage.telemetry.escape import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

# NumPy's OpenBLAS starts a thread for each core when it is imported. phage has no use for them:
# they take memory, and would keep the privileges that `phage run` gives up (capabilities(7): they
# are a thread's).
os.environ["OPENBLAS_NUM_THREADS"] = "1"

DONE, FAILED, USAGE, FOUND = 0, 1, 2, 3
"""Exit codes: done, failed, wrong usage, something was found."""

INTERRUPTED = 130
"""What shells expect after Ctrl-C: 128 + SIGINT."""


class Commands(click.Group):
    """A group whose members are the modules in `commands/`, each with a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        modules = pkgutil.iter_modules(commands.__path__)
        return sorted(module.name for module in modules if not module.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name, loading its module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"phage.cli.commands.{cmd_name}")
        command = module.command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            message = f"{error.message}{hint}"
            raise click.UsageError(message, ctx) from error


def _tell_commands(error: click.ClickException) -> None:
    """Name the commands of a noun to whoever asked it for one that it has not."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None and isinstance(context.command, click.Group) and context.parent:
        names = ", ".join(context.command.list_commands(context))
        click.echo(f"`{context.command_path}` has: {names}", err=True)


def _tell_version(context: click.Context) -> None:
    from phage.telemetry.version import package_version

    click.echo(f"phage {package_version()}")
    context.exit()


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Data goes to standard output, talk to standard error. "
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something was found.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, wanted: _tell_version(ctx) if wanted else None,
    help="Print the version; `phage version` says more.",
)
def root() -> None:
    """Watch a network, learn what is normal, and report what is not."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(invoke(arguments))


def invoke(arguments: Sequence[str] | None = None) -> int:  # noqa: PLR0911  One a kind of end.
    """Run the command line; return the exit code."""
    try:
        result = root.main(
            args=None if arguments is None else list(arguments),
            prog_name="phage",
            standalone_mode=False,
        )
        _flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        _tell_commands(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except PhageError as error:
        for line in str(error).splitlines():
            click.echo(f"phage: {escape(line)}", err=True)
        return FAILED
    except (BrokenPipeError, SystemExit):  # click makes the latter of the former.
        return _closed_pipe()
    except OSError as error:
        where = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        click.echo(f"phage: {escape(where)}", err=True)
        return FAILED
    return result if isinstance(result, int) else DONE


def _flush() -> None:
    """Write what is buffered, so that a full disk or closed pipe is met here and not at exit."""
    sys.stdout.flush()


def _closed_pipe() -> int:
    """The reader of standard output (`| head`) has enough: end without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
