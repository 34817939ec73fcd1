"""`phage run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from phage.cli.output import say, text
from phage.cli.settings import settings_options
from phage.clock import SystemClock, rfc3339

if TYPE_CHECKING:
    from phage.cli.settings import Chosen
    from phage.config.settings import LoggingSettings
    from phage.policy.desk import Outcome
    from phage.records import Finding


@click.command()
@click.option(
    "-i",
    "--interface",
    "interfaces",
    multiple=True,
    metavar="IFACE",
    help="Interface to watch; may be given several times. Default: that of the default route.",
)
@click.option(
    "--netflow",
    multiple=True,
    metavar="ADDRESS:PORT",
    help="Take NetFlow and IPFIX at this UDP address; may be given several times.",
)
@click.option(
    "--sflow", multiple=True, metavar="ADDRESS:PORT", help="Take sFlow at this UDP address."
)
@click.option(
    "--bus", metavar="URL", help="Also detect in what sensors count: redis://HOST:PORT/NUMBER."
)
@click.option(
    "--host-mode",
    is_flag=True,
    help="Only count packets, by host, prefix and source; find floods at a tenth of the cost.",
)
@click.option(
    "--requests",
    metavar="BPF",
    help="Packets that count as requests of their source, as of tcpdump; '' takes all.",
)
@click.option("--no-interface", is_flag=True, help="Watch no interface, only flow exports.")
@settings_options
def command(
    chosen: Chosen,
    interfaces: tuple[str, ...],
    netflow: tuple[str, ...],
    sflow: tuple[str, ...],
    bus: str | None,
    requests: str | None,
    *,
    host_mode: bool,
    no_interface: bool,
) -> int:
    """Watch interfaces, learn what is normal, and report what is not, until stopped.

    Routers and switches that export flows are watched too, or instead (--no-interface).

    Needs the capability CAP_NET_RAW; `phage doctor` says how to grant it. As root it gives up all
    other privileges by itself.
    """
    overrides: dict[tuple[str | int, ...], object] = {}
    if interfaces:
        overrides["interfaces",] = list(interfaces)
    if host_mode:
        overrides["capture", "mode"] = "host"
    if requests is not None:
        overrides["capture", "requests"] = requests
    if bus:
        overrides["bus", "url"] = bus
    if no_interface:
        overrides["capture", "enabled"] = False
    for key, addresses in (("netflow", netflow), ("sflow", sflow)):
        if addresses:
            overrides["collect", "flows", key] = list(addresses)
    settings = chosen.settings(overrides)
    configure_logs(settings.logging)
    from phage.daemon.options import RunOptions
    from phage.daemon.run import run

    return run(
        RunOptions(
            settings,
            settings.interfaces,
            chosen.file,
            ready=say,
            found=tell,
            decided=tell_decision,
        )
    )


def tell(finding: Finding) -> None:
    """Print a finding in one line."""
    print(  # Data: one line a finding, for people and for `grep`.
        f"{rfc3339(finding.last_seen)}  {finding.state:<6}  {finding.severity:<8}  "
        f"{finding.detector:<10}  {finding.id}  {text(finding.summary)}",
        flush=True,
    )


def tell_decision(outcome: Outcome) -> None:
    """Print a decision in one line, as a finding."""
    decision = outcome.decision
    if decision is None:
        return
    state = "would" if decision.dry_run else "done"
    until = f"until {rfc3339(decision.until)}" if decision.until else "for ever"
    print(
        f"{rfc3339(decision.start)}  {state:<6}  {decision.action:<10}  "
        f"{text(decision.target.value)}  {until}  {text(decision.rule)}: {text(decision.reason)}",
        flush=True,
    )


def configure_logs(settings: LoggingSettings) -> None:
    """Set logging up as the settings say."""
    from phage.telemetry.logs import configure

    file = None
    if settings.file is not None:
        from phage.telemetry.rotation import RotatingFile

        file = RotatingFile(
            settings.file, int(settings.rotate_size), settings.rotate_count, SystemClock()
        )
    configure(settings.format, settings.level, settings.levels, file=file)
