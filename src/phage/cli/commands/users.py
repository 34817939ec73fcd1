"""`phage users`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.cli.accesses import access, read_password, who
from phage.cli.output import Column, emit, output_option, say
from phage.cli.settings import settings_options
from phage.clock import rfc3339

if TYPE_CHECKING:
    from phage.cli.settings import Chosen
    from phage.store.repositories.users import User

ROLES = ("viewer", "operator", "admin")

COLUMNS = (
    Column("name", "name"),
    Column("role", "role"),
    Column("password", "has_password"),
    Column("second factor", "second_factor"),
    Column("created", "created"),
    Column("last login", "last_login"),
)


@click.group()
def command() -> None:
    """Say who may log in to the dashboard and the API, and as what."""


@command.command("list")
@output_option
@settings_options
def list_(chosen: Chosen, form: str) -> None:
    """List users."""
    with access(chosen) as own:
        users = own.users.list()
    emit(form, map(_shape, users), COLUMNS, empty="no users; `phage users add NAME` adds one")


@command.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
@click.option("--link", is_flag=True, help="Print a link to set the password by, and ask none.")
@settings_options
def add(chosen: Chosen, name: str, role: str, link: bool) -> None:  # noqa: FBT001  A flag.
    """Add a user; his password is asked for, or read from standard input."""
    from phage.access.roles import Role

    password = "" if link else read_password()
    with access(chosen) as own:
        user = own.users.add(name, Role(role), password)
        own.audit.note(who(), "users add", user.name, user.role)
        say(f"{user.name} is {user.role}")
        if link:
            _print_link(chosen, own.users.make_link(user.name))


@command.command()
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@settings_options
def role(chosen: Chosen, name: str, role: str) -> None:
    """Give a user another role; there is always an admin left."""
    from phage.access.roles import Role

    with access(chosen) as own:
        user = own.users.set_role(name, Role(role))
        own.audit.note(who(), "users role", user.name, user.role)
    say(f"{user.name} is {user.role}")


@command.command()
@click.argument("name")
@click.option("--link", is_flag=True, help="Print a link to set it by, and ask for none.")
@click.option("--no-second-factor", is_flag=True, help="Turn the second factor off as well.")
@settings_options
def password(chosen: Chosen, name: str, link: bool, no_second_factor: bool) -> None:  # noqa: FBT001
    """Give a user another password, and end his sessions: the way back in for who forgot it."""
    new = "" if link else read_password()
    with access(chosen) as own:
        user = own.users.set_password(name, new) if new else own.users.get(name)
        if no_second_factor:
            own.users.clear_totp(user.name)
        own.sessions.end_all(user.name)
        own.audit.note(who(), "users password", user.name)
        if link:
            _print_link(chosen, own.users.make_link(user.name))
    say(f"the sessions of {user.name} are ended")


@command.command()
@click.argument("name")
@settings_options
def remove(chosen: Chosen, name: str) -> None:
    """Remove a user with sessions and tokens."""
    with access(chosen) as own:
        user = own.users.remove(name)
        own.audit.note(who(), "users remove", user.name)
    say(f"{user.name} is removed")


def _print_link(chosen: Chosen, secret: str) -> None:
    from phage.daemon.serving import link_of

    print(link_of(chosen.settings().api, secret))


def _shape(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role,
        "has_password": bool(user.password),
        "second_factor": bool(user.totp),
        "created": rfc3339(user.created),
        "last_login": rfc3339(user.last_login) if user.last_login else "",
    }
