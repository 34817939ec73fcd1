"""`phage findings`."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from phage.api.shapes import finding_shape
from phage.cli.hosts import Host
from phage.cli.output import Column, emit, emit_one, output_option, text
from phage.cli.remote import remote_options
from phage.cli.settings import settings_options
from phage.cli.times import Moment
from phage.clock import SystemClock, rfc3339
from phage.errors import StateError
from phage.intel.geography import make_geography

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from phage.cli.settings import Chosen
    from phage.client.client import Client
    from phage.records import Feature, Finding

SEVERITIES = ("info", "low", "medium", "high", "critical")
STATES = ("open", "closed", "merged")

COLUMNS = (
    Column("id", "id"),
    Column("last seen", "last_seen"),
    Column("severity", "severity"),
    Column("state", "state"),
    Column("detector", "detector"),
    Column("subject", "subject.ip"),
    Column("packets", "packets", right=True),
    Column("summary", "summary", wrap=True),
)


@click.group()
def command() -> None:
    """List findings, and show one with everything behind it."""


@command.command("list")
@click.option("--detector", default="", help="Only of this detector.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only of this severity or worse.")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--device", default="", help="Only of the device with this stable name (its MAC).")
@click.option(
    "--host", type=Host(), default="", help="Only with this address or MAC as subject or peer."
)
@click.option(
    "--since", type=Moment(SystemClock()), help="Seen since: a time, or how long ago (2h)."
)
@click.option("--until", type=Moment(SystemClock()), help="Begun before.")
@click.option("--after", default="", metavar="ID", help="The page after this finding.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@output_option
@remote_options
@settings_options
def list_(
    chosen: Chosen,
    remote: Client | None,
    detector: str,
    severity: str | None,
    state: str | None,
    device: str,
    host: str,
    since: int | None,
    until: int | None,
    after: str,
    limit: int,
    form: str,
) -> None:
    """List findings, those seen last first."""
    from phage.records import FindingState, Severity
    from phage.store.repositories.findings import FindingFilter

    wanted = FindingFilter(
        detector=detector,
        severity=Severity(severity) if severity else None,
        state=FindingState(state) if state else None,
        device=device,
        party=host,
        since=since,
        until=until,
        after=after,
    )
    if remote is not None:
        shapes: Iterable[dict[str, Any]] = remote.findings(
            limit,
            detector=detector,
            severity=severity,
            state=state,
            device=device,
            host=host,
            since=since and rfc3339(since),
            until=until and rfc3339(until),
        )
    else:
        with chosen.reader() as store:
            shapes = map(finding_shape, store.findings.list(wanted, limit))
    emit(form, shapes, COLUMNS, empty="no findings")


@command.command()
@click.argument("id_", metavar="ID")
@output_option
@remote_options
@settings_options
def show(chosen: Chosen, remote: Client | None, id_: str, form: str) -> None:
    """Show a finding: what is unusual against what is normal, with whom, and where its packets are.

    The beginning of an ID is enough where it is the only one.
    """
    if remote is not None:
        found = remote.finding(id_)
        emit_one(form, found, (f"{name:<13} {text(value)}" for name, value in found.items()))
        return
    with chosen.reader() as store:
        finding = store.findings.get(id_)
        related = store.findings.related(finding) if finding is not None else ()
        stranger = finding.stranger if finding is not None else ""
        reputation = store.reputations.get(stranger, 0) if stranger else None
    if finding is None:
        message = f"no finding {id_!r}, or several begin so; `phage findings list` names them"
        raise StateError(message)
    capture = _capture(chosen, finding)
    record = finding_shape(finding)
    record["capture"] = str(capture) if capture is not None else ""
    record["related"] = [other.id for other in related] or record["related"]
    geography = make_geography(chosen.settings().intel.places)
    places = [str(geography.place(peer.ip)) if peer.ip else "" for peer in finding.peers]
    for shape, place in zip(record["peers"], places, strict=True):
        shape["place"] = place
    if reputation is not None:
        record["reputation"] = asdict(reputation)
    said = [f"AbuseIPDB  {reputation}"] if reputation is not None else []
    emit_one(form, record, chain(_explain(finding, related, capture, places), said))


def _capture(chosen: Chosen, finding: Finding) -> Path | None:
    """Return the file with a finding's packets; None where it has none."""
    if not finding.capture:
        return None
    return chosen.state(chosen.settings()).captures / finding.capture


def _explain(
    finding: Finding, related: Sequence[Finding], capture: Path | None, places: Sequence[str]
) -> Iterator[str]:
    subject = finding.subject
    yield finding.summary
    yield ""
    yield f"finding    {finding.id} ({finding.state})"
    yield f"detector   {finding.detector}"
    yield f"severity   {finding.severity}, score {text(finding.score)}"
    names = dict.fromkeys(name for name in (subject.ip, subject.mac, subject.device) if name)
    yield f"subject    {' '.join(names) or 'unknown'}"
    yield f"first seen {rfc3339(finding.first_seen)}"
    yield f"last seen  {rfc3339(finding.last_seen)}"
    times = "once" if finding.count == 1 else f"{finding.count:,} times"
    yield f"packets    {finding.packets:,}, reported {times}"
    if finding.spoofable:
        yield "evidence   is one-way: the source may be forged"
    if capture is not None:
        yield f"capture    {capture}{'' if capture.exists() else ' (no longer kept)'}"
    yield from _features(finding)
    yield from _peers(finding, places)
    if finding.evidence:
        yield ""
        yield "evidence"
        width = max(len(str(name)) for name in finding.evidence)
        for name, value in finding.evidence.items():
            yield f"  {name!s:{width}}  {text(value)}"
    if related:
        yield ""
        yield "related"
        for other in related:
            yield f"  {other.id}  {rfc3339(other.last_seen)}  {other.detector}: {other.summary}"


def _features(finding: Finding) -> Iterator[str]:
    if not finding.features:
        return
    yield ""
    yield "what is unusual, strongest first"
    for feature in finding.features:
        share = f" ({feature.weight:.0%} of the score)" if feature.weight else ""
        yield f"  {feature.meaning or feature.name}: {_value(feature)}{share}"


def _value(feature: Feature) -> str:
    unit = "" if feature.unit in {"", "1"} else f" {feature.unit}"
    normal = f"{text(feature.expected_low)} to {text(feature.expected_high)}"
    return f"{text(feature.value)}{unit}, normal is {normal}{unit}"


def _peers(finding: Finding, places: Sequence[str]) -> Iterator[str]:
    if not finding.peers:
        return
    total = max(finding.peers_total, len(finding.peers))
    yield ""
    yield f"peers ({total:,})"
    for peer, place in zip(finding.peers, places, strict=True):
        names = " ".join(dict.fromkeys(name for name in (peer.ip, peer.mac) if name))
        yield "  " + "  ".join(filter(None, (names, ", ".join(peer.services), place)))
    if total > len(finding.peers):
        yield f"  and {total - len(finding.peers):,} more"
