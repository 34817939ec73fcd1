"""--url, --token and --ca-file: the command asks a phage elsewhere, by its REST API."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.client.client import Client

F = TypeVar("F", bound="Callable[..., Any]")


def remote_options(function: F) -> F:
    """Add --url, --token-file and --ca-file to a command; it gets a client as `remote`, or None."""

    @click.option("--url", envvar="PHAGE_URL", default="", help="Ask the phage there, over REST.")
    @click.option(
        "--token-file",
        envvar="PHAGE_TOKEN_FILE",
        type=click.Path(path_type=Path),
        help="File whose first line is a token for --url; else PHAGE_TOKEN.",
    )
    @click.option("--token", envvar="PHAGE_TOKEN", default="", help="The token itself.")
    @click.option("--ca-file", envvar="PHAGE_CA_FILE", default="", help="Certificates to trust.")
    @functools.wraps(function)
    def wrapped(
        *args: Any, url: str, token_file: Path | None, token: str, ca_file: str, **kwargs: Any
    ) -> object:
        if not url:
            return function(*args, remote=None, **kwargs)
        with _client(url, token_file, token, ca_file) as remote:
            return function(*args, remote=remote, **kwargs)

    return wrapped  # type: ignore[return-value]  # It takes other arguments, for click.


def _client(url: str, token_file: Path | None, token: str, ca_file: str) -> Client:
    from phage.client.client import Client
    from phage.config.load import read_secret

    secret = read_secret(token_file, "--token-file") if token_file is not None else token
    if not secret:
        message = "--url needs --token-file, or PHAGE_TOKEN; `phage tokens create` makes a token"
        raise click.UsageError(message)
    return Client(url, secret, ca_file)
