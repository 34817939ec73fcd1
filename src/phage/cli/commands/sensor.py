"""`phage sensor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phage.cli.commands.run import configure_logs
from phage.cli.output import say
from phage.cli.settings import settings_options
from phage.errors import ConfigError

if TYPE_CHECKING:
    from phage.cli.settings import Chosen


@click.command()
@click.option("--bus", metavar="URL", help="redis://HOST:PORT/NUMBER; by default bus.url.")
@click.option("--name", default="", help="Name of this sensor. Default: host and process.")
@click.option(
    "--group",
    default="",
    metavar="NAME",
    help="Of the sensors of a group one watches; another takes over within three seconds.",
)
@click.option("-i", "--interface", "interfaces", multiple=True, metavar="IFACE")
@click.option("--netflow", multiple=True, metavar="ADDRESS:PORT", help="Take NetFlow and IPFIX.")
@click.option("--sflow", multiple=True, metavar="ADDRESS:PORT", help="Take sFlow.")
@click.option(
    "--join",
    "invitation",
    nargs=2,
    metavar="URL TOKEN",
    help="Join the phage at URL by an invitation (`phage sensors invite` there; @FILE reads it "
    "from a file). Said again after it joined, it goes on as who it is.",
)
@settings_options
def command(
    chosen: Chosen,
    bus: str | None,
    name: str,
    group: str,
    interfaces: tuple[str, ...],
    netflow: tuple[str, ...],
    sflow: tuple[str, ...],
    invitation: tuple[str, str] | None,
) -> int:
    """Collect and count here, detect elsewhere: where it joined, or `phage run` with the same bus.

    An interface is counted in host mode unless capture.mode says otherwise; without -i none is
    watched. Flow exports are taken as the settings say.
    """
    overrides: dict[tuple[str | int, ...], object] = {}
    if interfaces:
        overrides["interfaces",] = list(interfaces)
    else:
        overrides["capture", "enabled"] = False
    for key, addresses in (("netflow", netflow), ("sflow", sflow)):
        if addresses:
            overrides["collect", "flows", key] = list(addresses)
    if bus:
        overrides["bus", "url"] = bus
    if name:
        overrides["bus", "name"] = name
    settings = chosen.settings(overrides)
    from phage.daemon.options import RunOptions

    configure_logs(settings.logging)
    if not settings.bus.url.get_secret_value():
        if group:
            message = "--group needs a bus: give --bus redis://HOST:PORT/0, or set bus.url"
            raise ConfigError(message)
        from phage.daemon.joinedsensor import JoinedSensor

        options = RunOptions(settings, settings.interfaces, ready=say)
        return JoinedSensor(options, invitation).run()
    if invitation:
        message = "--join and a bus (--bus, bus.url) are two ways; name one"
        raise ConfigError(message)
    from phage.daemon.sensor import Sensor

    return Sensor(RunOptions(settings, settings.interfaces, ready=say), group).run()
