"""`phage tokens`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.cli.accesses import access, who
from phage.cli.output import Column, emit, output_option, say
from phage.cli.settings import settings_options
from phage.cli.times import Span
from phage.clock import rfc3339

if TYPE_CHECKING:
    from phage.cli.settings import Chosen
    from phage.store.repositories.tokens import Token

COLUMNS = (
    Column("id", "id"),
    Column("name", "name"),
    Column("user", "user"),
    Column("scopes", "scopes"),
    Column("expires", "expires"),
    Column("last used", "last_used"),
    Column("from", "last_address"),
    Column("revoked", "revoked"),
)


@click.group()
def command() -> None:
    """Give programs access to the API, and take it back."""


@command.command("list")
@click.option("--user", default="", help="Only of this user.")
@output_option
@settings_options
def list_(chosen: Chosen, user: str, form: str) -> None:
    """List tokens, the newest first; without their secrets, which nobody keeps."""
    with access(chosen) as own:
        tokens = own.tokens.list(user)
    emit(
        form, map(_shape, tokens), COLUMNS, empty="no tokens; `phage tokens create NAME` makes one"
    )


@command.command()
@click.argument("name")
@click.option("--user", default="", help="Whose it is; it may never do more than he may.")
@click.option(
    "--scope", "scopes", multiple=True, help="What it may do: findings:read, *:read; default *."
)
@click.option("--bouncer", is_flag=True, help="For a remediation component of CrowdSec.")
@click.option("--for", "seconds", type=Span(least=1), default="ever", help="How long it lasts.")
@output_option
@settings_options
def create(
    chosen: Chosen,
    name: str,
    user: str,
    scopes: tuple[str, ...],
    bouncer: bool,  # noqa: FBT001  A flag.
    seconds: float,
    form: str,
) -> None:
    """Create a token that is called NAME, and print its secret, this once."""
    from phage.access.errors import AccessError
    from phage.access.roles import BOUNCER, Role

    if bouncer and scopes:
        message = "--bouncer says what the token may do; leave --scope out"
        raise click.UsageError(message)
    with access(chosen) as own:
        admins = [each.name for each in own.users.list() if each.role == Role.ADMIN]
        owner = user or next(iter(admins), "")
        if not owner:
            message = "there is no user yet; `phage users add NAME --role admin` adds one"
            raise AccessError(message)
        wanted = (BOUNCER,) if bouncer else scopes or ("*",)
        token, secret = own.tokens.create(owner, name, wanted, seconds)
        own.audit.note(who(), "tokens create", token.id, f"{token.name}: {', '.join(wanted)}")
    if form == "table":
        print(secret)
        say(f"token {token.id} of {owner} may {', '.join(wanted)}; its secret is not kept here")
    else:
        emit(form, [_shape(token) | {"secret": secret}], COLUMNS)


@command.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@settings_options
def revoke(chosen: Chosen, ids: tuple[str, ...]) -> None:
    """Revoke tokens at once."""
    with access(chosen) as own:
        for each in ids:
            token = own.tokens.revoke(each)
            own.audit.note(who(), "tokens revoke", token.id, token.name)
    say(f"{len(ids)} revoked")


def _shape(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "user": token.username,
        "scopes": list(token.scopes),
        "created": rfc3339(token.created),
        "expires": rfc3339(token.expires) if token.expires else "",
        "last_used": rfc3339(token.last_used) if token.last_used else "",
        "last_address": token.last_address,
        "revoked": rfc3339(token.revoked) if token.revoked else "",
    }
