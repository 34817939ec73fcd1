"""`phage replay`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phage.api.shapes import finding_shape
from phage.cli.output import Column, emit, emit_one, encode, output_option, say
from phage.cli.progress import OctetsBar
from phage.cli.settings import settings_options

if TYPE_CHECKING:
    from phage.cli.settings import Chosen
    from phage.daemon.options import ReplayReport

COLUMNS = (
    Column("first seen", "first_seen"),
    Column("severity", "severity"),
    Column("detector", "detector"),
    Column("subject", "subject.ip"),
    Column("packets", "packets", right=True),
    Column("summary", "summary", wrap=True),
)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--train",
    type=click.IntRange(min=0),
    metavar="PACKETS",
    help="Learn on the first packets. Default: until the model says it has converged.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Score with a saved model instead of learning.",
)
@click.option(
    "--filter", "expression", default="", metavar="BPF", help="Packet filter, as of tcpdump."
)
@click.option(
    "--scores",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write CSV with the score of every packet: packet,score.",
)
@click.option(
    "--home",
    multiple=True,
    metavar="CIDR",
    help="A network that is ours; may be given several times. Default: private networks.",
)
@click.option(
    "--exports",
    is_flag=True,
    help="The captures hold datagrams of flow exporters; read the flows that these tell of.",
)
@click.option(
    "--keep-devices",
    is_flag=True,
    help="Keep devices and profiles in the store, as if the packets were of today's network.",
)
@output_option
@settings_options
def command(
    chosen: Chosen,
    files: tuple[str, ...],
    train: int | None,
    model: Path | None,
    expression: str,
    scores: Path | None,
    home: tuple[str, ...],
    form: str,
    *,
    exports: bool,
    keep_devices: bool,
) -> int:
    """Read capture files and report what happened in them.

    FILE is pcap or pcapng, plain or compressed with gzip or zstd; `-` is standard input. Files
    that end in .lp or .tlp hold datagrams of flow exporters, as captures do with --exports. Exits
    with 3 when something was found, 1 when nothing could be read.
    """
    if train is not None and model is not None:
        message = "--train learns a model and --model takes one: give one of them"
        raise click.UsageError(message)
    overrides: dict[tuple[str | int, ...], object] = {("home",): list(home)} if home else {}
    settings = chosen.settings(overrides)
    from phage.cli.commands.run import configure_logs
    from phage.daemon.options import ReplayOptions
    from phage.daemon.replay import replay

    configure_logs(settings.logging)
    with OctetsBar("reading") as bar:
        report = replay(
            ReplayOptions(
                settings,
                files,
                train=train,
                model=model,
                filter=expression,
                scores=scores,
                home=settings.home if home else (),
                exports=exports,
                keep_devices=keep_devices,
                progress=bar.update,
            )
        )
    _print(form, report)
    return 1 if report.unreadable else 3 if report.findings else 0


def _print(form: str, report: ReplayReport) -> None:
    for warning in report.warnings:
        say(f"phage: {warning}")
    findings = [finding_shape(finding) for finding in report.findings]
    if form == "jsonl":
        for finding in findings:
            print(encode(finding))
        return
    if form == "json":
        record = {
            "source": report.source,
            "findings": findings,
            "performance": report.performance,
            "warnings": list(report.warnings),
        }
        emit_one(form, record, ())
        return
    if not report.unreadable:
        say(_summary(report))
    emit(form, findings, COLUMNS, empty="" if report.unreadable else "nothing was found")


def _summary(report: ReplayReport) -> str:
    source, performance = report.source, report.performance
    text = f"{source.get('packets', 0):,} packets, {source.get('flows', 0):,} flows"
    if source.get("first_seen"):
        text += f", {source['first_seen']} to {source.get('last_seen')}"
    speed = performance.get("packets_per_second")
    if isinstance(speed, int | float):
        text += f"; {speed:,.0f} packets/s"
    errors = source.get("decode_errors")
    if isinstance(errors, dict) and errors:
        text += "; malformed: " + ", ".join(
            f"{count:,} {kind}" for kind, count in sorted(errors.items())
        )
    return text
