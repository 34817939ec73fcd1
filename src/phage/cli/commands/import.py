"""`phage import`."""  # noqa: N999  The command's name.

from __future__ import annotations

import importlib
import pkgutil

import click

from phage.cli import importing


class Importers(click.Group):
    """A group whose members are the modules in `importing/`, each with a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of what can be imported."""
        return sorted(module.name for module in pkgutil.iter_modules(importing.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name, loading its module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{importing.__name__}.{cmd_name}")
        command = module.command
        return command if isinstance(command, click.Command) else None


@click.command(cls=Importers)
def command() -> None:
    """Take in reference data: who made a MAC address, known vulnerabilities."""
