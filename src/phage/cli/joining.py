"""--join: a role of this machine belongs to the phage on another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phage.client.work import WorkClient


def masters(
    url: str, token_file: Path | None, token: str, ca_file: str
) -> Callable[[], WorkClient]:
    """Return what makes connections to a master. Raises ConfigError, UsageError."""
    from phage.client.client import Client
    from phage.client.work import WorkClient
    from phage.config.load import read_secret

    secret = read_secret(token_file, "--token-file") if token_file is not None else token
    if not secret:
        message = (
            "--join needs --token-file, or PHAGE_TOKEN; there, "
            "`phage tokens create NAME --scope work:write` makes a token"
        )
        raise click.UsageError(message)

    def make() -> Client:
        return Client(url, secret, ca_file, 10.0, repeats=True)

    return lambda: WorkClient(make(), make())
