"""`phage flows`."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phage.api.shapes import flow_shape, protocol_number
from phage.cli.flowrecords import DECODED, decoded, endpoint
from phage.cli.hosts import Host
from phage.cli.output import Column, emit, output_option
from phage.cli.remote import remote_options
from phage.cli.settings import settings_options
from phage.cli.times import Moment
from phage.clock import SystemClock, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.cli.settings import Chosen
    from phage.client.client import Client
    from phage.store.repositories.traffic import Traffic

COLUMNS = (
    Column("last", "last"),
    Column("protocol", "protocol"),
    Column("source", "source"),
    Column("destination", "destination"),
    Column("application", "application"),
    Column("packets", "packets_text", right=True),
    Column("octets", "octets_text", right=True),
    Column("state", "state"),
)

TOP = (
    Column("", "name"),
    Column("octets sent", "octets_sent", right=True),
    Column("received", "octets_received", right=True),
    Column("packets sent", "packets_sent", right=True),
    Column("received", "packets_received", right=True),
    Column("flows", "flows", right=True),
)


@click.group()
def command() -> None:
    """List the flows that were seen, add them up, and decode those of exporters."""


@command.command("list")
@click.option("--host", type=Host(), default="", help="Only with this address or MAC at one end.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Only with this port at one end.")
@click.option("--protocol", default="", help="Only of this protocol: tcp, udp, icmp, or a number.")
@click.option("--application", default="", help="Only of this application: dns, tls, http, ...")
@click.option(
    "--since", type=Moment(SystemClock()), help="Seen since: a time, or how long ago (2h)."
)
@click.option("--until", type=Moment(SystemClock()), help="Begun before.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@output_option
@remote_options
@settings_options
def list_(
    chosen: Chosen,
    remote: Client | None,
    host: str,
    port: int | None,
    protocol: str,
    application: str,
    since: int | None,
    until: int | None,
    limit: int,
    form: str,
) -> None:
    """List flows, those seen last first. Packets and octets: sent / received by the source."""
    from phage.store.repositories.flows import FlowFilter

    number = protocol_number(protocol) if protocol else None
    if protocol and number is None:
        message = f"{protocol!r} is no protocol; write tcp, udp, icmp, or a number up to 255"
        raise click.BadParameter(message, param_hint="--protocol")
    if remote is not None:
        shapes: Iterable[dict[str, Any]] = remote.flows(
            limit,
            host=host,
            port=port,
            protocol=protocol,
            application=application,
            since=since and rfc3339(since),
            until=until and rfc3339(until),
        )
    else:
        wanted = FlowFilter(host, port, number, application, since, until)
        with chosen.reader() as store:
            shapes = map(flow_shape, store.flows.list(wanted, limit))
    emit(form, map(_with_texts, shapes) if form == "table" else shapes, COLUMNS, empty="no flows")


@command.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--exporter",
    default="192.0.2.1",
    show_default=True,
    help="Who sent the datagrams of files that are no captures.",
)
@click.option("--options", is_flag=True, help="Also print what exporters tell of themselves.")
@click.option(
    "--filter", "expression", help="Only these packets of a capture (tcpdump's language)."
)
@click.option("--counters", is_flag=True, help="At the end, print counters to standard error.")
@output_option
def decode(
    files: tuple[Path, ...],
    exporter: str,
    expression: str | None,
    form: str,
    *,
    options: bool,
    counters: bool,
) -> None:
    """Decode NetFlow, IPFIX and sFlow in captures or files of datagrams.

    Every record tells the elements that were sent, by their names at IANA, and beside them what is
    the same for every version: src, dst, sport, dport, proto, packets, bytes, sampling, ...
    """
    from phage.collect.datagrams import ExportDecoder, describe_file

    try:
        ipaddress.ip_address(exporter)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--exporter") from error
    decoder = ExportDecoder(options=options)
    chunks = (
        lines for file in files for lines in describe_file(decoder, file, exporter, expression)
    )
    if form == "jsonl":
        for lines in chunks:
            click.echo(lines, nl=False)
    else:
        records = (json.loads(line) for lines in chunks for line in lines.splitlines())
        emit(form, decoded(records) if form == "table" else records, DECODED, empty="no records")
    if counters:
        for name, value in decoder.counters().items():
            click.echo(f"{name} {value}", err=True)


@command.command()
@click.option(
    "--netflow", multiple=True, metavar="ADDRESS:PORT", help="UDP address for NetFlow and IPFIX."
)
@click.option("--sflow", multiple=True, metavar="ADDRESS:PORT", help="UDP address for sFlow.")
@click.option("--ipfix-tcp", multiple=True, metavar="ADDRESS:PORT", help="TCP address for IPFIX.")
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after this time.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many records.")
@click.option("--options", is_flag=True, help="Also print what exporters tell of themselves.")
@output_option
@settings_options
def listen(
    chosen: Chosen,
    netflow: tuple[str, ...],
    sflow: tuple[str, ...],
    ipfix_tcp: tuple[str, ...],
    seconds: float | None,
    count: int | None,
    form: str,
    *,
    options: bool,
) -> None:
    """Listen for exporters and print their records, until stopped; nothing is kept.

    Without addresses those of the settings (collect.flows) are used, else 0.0.0.0 with the ports
    2055, 4739 and 6343. At the end it is told on standard error who was heard.
    """
    from phage.cli.flowlisten import Listener

    settings = chosen.settings()
    listener = Listener.of(settings.collect.flows, netflow, sflow, ipfix_tcp)
    listener.run(form, seconds, count, options=options)


@command.command()
@click.option(
    "--by",
    type=click.Choice(("host", "service", "pair")),
    default="host",
    show_default=True,
    help="What traffic is added up by.",
)
@click.option(
    "--since",
    type=Moment(SystemClock()),
    help="From this time on, or how long ago (2h). Default: 1h.",
)
@click.option("--until", type=Moment(SystemClock()), help="Before this time.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@output_option
@settings_options
def top(
    chosen: Chosen, by: str, since: int | None, until: int | None, limit: int, form: str
) -> None:
    """Show who, or what, moved most octets: sums over spans of five minutes, an hour or a day."""
    from phage.store.repositories.traffic import TrafficKind

    now = SystemClock().now()
    begin = now - 3_600_000_000_000 if since is None else since
    with chosen.reader() as store:
        found = store.traffic.top(TrafficKind(by), begin, now if until is None else until, limit)
    counted = TOP[:-1] if by == "host" else TOP  # Flows are counted of services and pairs.
    emit(form, map(_top_shape, found), counted, empty="no traffic was kept of that time")


def _top_shape(top: Traffic) -> dict[str, Any]:
    name = f"{top.name} - {top.peer}" if top.peer else top.name
    return {
        "name": name,
        "octets_sent": top.octets[0],
        "octets_received": top.octets[1],
        "packets_sent": top.packets[0],
        "packets_received": top.packets[1],
        "flows": top.flows,
    }


def _with_texts(shape: dict[str, Any]) -> dict[str, Any]:
    return shape | {
        "source": endpoint(_address(shape, "src", "dst"), shape["src_port"]),
        "destination": endpoint(_address(shape, "dst", "src"), shape["dst_port"]),
        "packets_text": " / ".join(map(str, shape["packets"])),
        "octets_text": " / ".join(map(str, shape["octets"])),
    }


def _address(shape: dict[str, Any], end: str, other: str) -> str:
    """Return an end's address, else its MAC; beside an IPv6 address, no address is "::"."""
    if not shape[end] and ":" in shape[other]:
        return "::"
    return str(shape[end] or shape[f"{end}_mac"])
