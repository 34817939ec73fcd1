"""Hooks of mkdocs: the reference pages are made from the program itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from mkdocs.structure.files import File, Files

from phage.cli.main import root
from phage.config.reference import reference

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        "reference/cli.md": "# Commands\n\n" + _command(root, "phage", click.Context(root)),
        "reference/configuration.md": (
            "# Configuration\n\nEvery key with its default.\n\n```yaml\n" + reference() + "```\n"
        ),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def _command(command: click.Command, path: str, context: click.Context) -> str:
    text = f"## `{path}`\n\n```\n{command.get_help(context)}\n```\n\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                own = click.Context(child, info_name=name, parent=context)
                text += _command(child, f"{path} {name}", own)
    return text
