"""`phage flows`."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phage.api.shapes import flow_shape, protocol_number
from phage.cli.output import Column, emit, output_option
from phage.cli.settings import settings_options
from phage.cli.times import Moment
from phage.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.cli.settings import Chosen

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

DECODED = (
    Column("source", "source"),
    Column("destination", "destination"),
    Column("protocol", "proto", right=True),
    Column("packets", "packets", right=True),
    Column("octets", "bytes", right=True),
    Column("sampling", "sampling", right=True),
    Column("domain", "odid", right=True),
)


@click.group()
def command() -> None:
    """List the flows that were seen, and decode those of exporters."""


@command.command("list")
@click.option("--host", default="", help="Only with this address or MAC at one end.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Only with this port at one end.")
@click.option("--protocol", default="", help="Only of this protocol: tcp, udp, icmp, or a number.")
@click.option("--application", default="", help="Only of this application: dns, tls, http, ...")
@click.option(
    "--since", type=Moment(SystemClock()), help="Seen since: a time, or how long ago (2h)."
)
@click.option("--until", type=Moment(SystemClock()), help="Begun before.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@output_option
@settings_options
def list_(
    chosen: Chosen,
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
    with chosen.reader() as store:
        flows = store.flows.list(FlowFilter(host, port, number, application, since, until), limit)
    shapes = map(flow_shape, flows)
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
        emit(form, _decoded(records) if form == "table" else records, DECODED, empty="no records")
    if counters:
        for name, value in decoder.counters().items():
            click.echo(f"{name} {value}", err=True)


def _decoded(records: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Shape records for a table; a count that was not sent may stand in its total."""
    for record in records:
        yield {
            "source": _end(record.get("src", ""), record.get("sport", 0)),
            "destination": _end(record.get("dst", ""), record.get("dport", 0)),
            "proto": record.get("proto", ""),
            "packets": record.get("packets", record.get("packets_total", "")),
            "bytes": record.get("bytes", record.get("bytes_total", "")),
            "sampling": record["sampling"] or "" if "sampling" in record else "",
            "odid": record.get("odid", ""),
        }


def _with_texts(shape: dict[str, Any]) -> dict[str, Any]:
    return shape | {
        "source": _end(_address(shape, "src", "dst"), shape["src_port"]),
        "destination": _end(_address(shape, "dst", "src"), shape["dst_port"]),
        "packets_text": " / ".join(map(str, shape["packets"])),
        "octets_text": " / ".join(map(str, shape["octets"])),
    }


def _address(shape: dict[str, Any], end: str, other: str) -> str:
    """Return an end's address, else its MAC; beside an IPv6 address, no address is "::"."""
    if not shape[end] and ":" in shape[other]:
        return "::"
    return str(shape[end] or shape[f"{end}_mac"])


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
