"""`phage enforcer`."""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phage.cli.output import say
from phage.cli.settings import settings_options

if TYPE_CHECKING:
    from phage.cli.settings import Chosen

_PATH = click.Path(path_type=Path)


@click.command()
@click.option(
    "--socket",
    "path",
    type=_PATH,
    help="Where to listen. Default: enforcer.sock in the folder of state.",
)
@click.option(
    "--user",
    default="phage",
    show_default=True,
    help="The account that may ask, beside root: a name or a number.",
)
@click.option(
    "--folder",
    type=_PATH,
    help="Where to keep the static rules. Default: beside the folder of state.",
)
@click.option(
    "-i",
    "--interface",
    "interfaces",
    multiple=True,
    metavar="IFACE",
    help="Interface at whose ingress bans are asked; may be given several times.",
)
@click.option(
    "--iptables",
    is_flag=True,
    help="Let it run iptables, for the responder ipset; takes CAP_NET_RAW too.",
)
@settings_options
def command(
    chosen: Chosen,
    path: Path | None,
    user: str,
    folder: Path | None,
    interfaces: tuple[str, ...],
    iptables: bool,  # noqa: FBT001  An option.
) -> None:
    """Change the kernel's packet filter as the controller asks, until stopped.

    Needs the capability CAP_NET_ADMIN, and gives up all others. `phage run` starts one by itself;
    this is for running it apart.
    """
    settings = chosen.settings()
    state = chosen.state(settings)
    from phage.cli.commands.run import configure_logs
    from phage.enforcer.process import beside, listen, run

    configure_logs(settings.logging)
    number = user_number(user)
    socket_path = path or state.path / "enforcer.sock"
    with listen(socket_path, number) as listener:
        say(f"enforcing for user {number} at {socket_path}")
        run(listener, number, folder or beside(state.path), interfaces, iptables=iptables)


def user_number(user: str) -> int:
    """Return the id of an account. Raises BadParameter for one that is not there."""
    if user.isdecimal():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        message = f"there is no account {user!r}"
        raise click.BadParameter(message, param_hint="--user") from None
