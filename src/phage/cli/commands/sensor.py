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
@settings_options
def command(
    chosen: Chosen,
    bus: str | None,
    name: str,
    group: str,
    interfaces: tuple[str, ...],
    netflow: tuple[str, ...],
    sflow: tuple[str, ...],
) -> int:
    """Collect and count here, detect elsewhere: `phage run` with the same bus.

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
    if not settings.bus.url.get_secret_value():
        message = "a sensor needs a bus: give --bus redis://HOST:PORT/0, or set bus.url"
        raise ConfigError(message)
    configure_logs(settings.logging)
    from phage.daemon.options import RunOptions
    from phage.daemon.sensor import Sensor

    return Sensor(RunOptions(settings, settings.interfaces, ready=say), group).run()
