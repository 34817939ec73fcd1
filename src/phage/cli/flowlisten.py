"""`phage flows listen`: a collector of flow exports in the foreground."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

from phage.cli.flowrecords import DECODED, decoded
from phage.cli.output import encode, say, text
from phage.clock import SystemClock
from phage.collect.collectors.netflow import NetFlowCollector
from phage.collect.exports import ExporterSettings, ExportSettings, Listening
from phage.config.kinds import check_listen
from phage.errors import ConfigError
from phage.frozen import frozen
from phage.records.exporter import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.config.collect import FlowInputSettings

USUAL = ("0.0.0.0:2055", "0.0.0.0:4739", "0.0.0.0:6343")
"""Ports by which NetFlow, IPFIX (RFC 7011, 10.1) and sFlow are known."""


@frozen
class Listener:
    """Listens and prints records as they come."""

    settings: ExportSettings
    listening: Listening

    @classmethod
    def of(
        cls,
        flows: FlowInputSettings,
        netflow: tuple[str, ...],
        sflow: tuple[str, ...],
        ipfix_tcp: tuple[str, ...],
    ) -> Listener:
        """Make a listener at the addresses given, else those of the settings, else the usual ones.

        Raises ConfigError for one that is no address with a port.
        """
        for address in (*netflow, *sflow, *ipfix_tcp):
            try:
                check_listen(address)
            except ValueError as error:
                message = f"{address!r}: {error}"
                raise ConfigError(message) from None
        if not (netflow or sflow or ipfix_tcp):
            netflow, sflow, ipfix_tcp = flows.netflow, flows.sflow, flows.ipfix_tcp
        udp = (*netflow, *sflow)
        settings = ExportSettings(
            flows=False,
            domains=flows.domains,
            template_fields=flows.template_fields,
            correct_clocks=False,
            allowed=tuple(map(str, flows.allow)),
            exporters=tuple(
                ExporterSettings(str(each.address), each.name, each.sampling, each.force)
                for each in flows.exporters
            ),
        )
        return cls(
            settings,
            Listening(
                udp=udp if udp or ipfix_tcp else USUAL,
                tcp=ipfix_tcp,
                receive_buffer=flows.receive_buffer,
            ),
        )

    def run(self, form: str, seconds: float | None, count: int | None, *, options: bool) -> None:
        """Print records until stopped, the time is over, or there were enough."""
        collector = NetFlowCollector(self.settings, self.listening)
        collector.open()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: collector.stop())
        udp, tcp = collector.addresses
        say("listening at " + ", ".join([f"udp {x}" for x in udp] + [f"tcp {x}" for x in tcp]))
        try:
            _print(form, self._lines(collector, seconds, count, options=options))
        finally:
            _tell(collector)
            collector.close()

    @staticmethod
    def _lines(
        collector: NetFlowCollector, seconds: float | None, count: int | None, *, options: bool
    ) -> Iterator[list[str]]:
        clock = SystemClock()
        until = None if seconds is None else clock.monotonic() + seconds
        left = sys.maxsize if count is None else count
        for chunk in collector.describe(options=options):
            lines = chunk.splitlines()[:left]
            left -= len(lines)
            yield lines
            if left <= 0 or (until is not None and clock.monotonic() >= until):
                return


def _print(form: str, chunks: Iterator[list[str]]) -> None:
    if form == "jsonl":
        for lines in chunks:
            for line in lines:
                print(line)
            if lines:
                sys.stdout.flush()
    elif form == "json":
        records = [json.loads(line) for lines in chunks for line in lines]
        print(encode(records, indent=2))
    else:
        for lines in chunks:
            for row in decoded(map(json.loads, lines)):
                print("  ".join(text(row[column.path]) for column in DECODED), flush=True)


def _tell(collector: NetFlowCollector) -> None:
    """Say who was heard, on standard error."""
    for each in collector.exporters():
        version = VERSIONS.get(each.version, str(each.version))
        say(
            f"{each.address} {each.name} domain {each.domain}, {version}: {each.records} records "
            f"in {each.datagrams} datagrams, {each.lost} lost, {each.early} early sets, "
            f"{each.malformed} malformed"
        )
    counters = collector.counters()
    for name in ("source.dropped", "exports.malformed", "exports.refused"):
        if counters[name]:
            say(f"{name} {counters[name]}")
