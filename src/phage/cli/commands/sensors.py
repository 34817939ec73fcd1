"""`phage sensors`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.cli.accesses import access, who
from phage.cli.output import Column, emit, output_option, say
from phage.cli.settings import settings_options
from phage.clock import SystemClock, rfc3339

if TYPE_CHECKING:
    from phage.cli.settings import Chosen
    from phage.store.repositories.tokens import Token

COLUMNS = (
    Column("name", "name"),
    Column("state", "state"),
    Column("since", "since"),
    Column("last seen", "last_seen"),
    Column("from", "address"),
)


@click.group()
def command() -> None:
    """Invite sensors on other machines, list and revoke them."""


@command.command("list")
@output_option
@settings_options
def list_(chosen: Chosen, form: str) -> None:
    """List sensors and invitations; when one was heard is told to the minute."""
    from phage.access.sensors import sensors

    with access(chosen) as own:
        shapes = [_shape(token) for token in sensors(own.tokens.list())]
    emit(form, shapes, COLUMNS, empty="no sensors; `phage sensors invite NAME` invites one")


@command.command()
@click.argument("name")
@settings_options
def invite(chosen: Chosen, name: str) -> None:
    """Invite a sensor that is to be called NAME; print what it shows, once and within an hour."""
    from phage.access.errors import AccessError
    from phage.access.roles import JOIN, Role
    from phage.access.sensors import INVITED_SECONDS, STANDING, invitation_text, sensors, state_of
    from phage.api.tls import own_fingerprint

    settings = chosen.settings()
    with access(chosen) as own:
        now = SystemClock().now()
        known = sensors(own.tokens.list())
        if any(each.name == name and state_of(each, now) in STANDING for each in known):
            message = f"there is a sensor {name!r} already; `phage sensors revoke` ends it"
            raise AccessError(message)
        admins = [each.name for each in own.users.list() if each.role == Role.ADMIN]
        if not admins:
            message = "there is no user yet; `phage users add NAME --role admin` adds one"
            raise AccessError(message)
        token, secret = own.tokens.create(admins[0], name, (JOIN,), INVITED_SECONDS)
        own.audit.note(who(), "sensors invite", token.id, name)
    made = settings.api.tls == "self-made"
    folder = chosen.state(settings).path / "tls"
    print(invitation_text(secret, own_fingerprint(folder) if made else ""))
    say("there: phage sensor --join https://THIS-HOST:PORT TOKEN -i INTERFACE")
    if not settings.bus.sensors:
        say("phage takes no windows of sensors yet: set bus.sensors: true and start it again")


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@settings_options
def revoke(chosen: Chosen, names: tuple[str, ...]) -> None:
    """Revoke sensors or invitations at once: nothing of them is taken any more."""
    from phage.access.errors import UnknownNameError
    from phage.access.sensors import sensors

    with access(chosen) as own:
        for name in names:
            found = [
                each
                for each in sensors(own.tokens.list())
                if each.name == name and not each.revoked
            ]
            if not found:
                message = f"there is no sensor {name!r}; `phage sensors list` names them"
                raise UnknownNameError(message)
            for token in found:
                own.tokens.revoke(token.id)
                own.audit.note(who(), "sensors revoke", token.id, name)
    say(f"revoked {', '.join(names)}")


def _shape(token: Token) -> dict[str, Any]:
    from phage.access.sensors import state_of

    return {
        "name": token.name,
        "state": state_of(token, SystemClock().now()),
        "since": rfc3339(token.created),
        "last_seen": rfc3339(token.last_used) if token.last_used else "",
        "address": token.last_address,
    }
