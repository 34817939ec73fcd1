"""Where the viewer gets what it shows: the daemon's control socket, and the store beside it.

The viewer goes on when one of the two is away, and says so: the store tells what was found while no
daemon runs, and the daemon tells what goes on while the store is locked or not there yet.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from phage.clock import rfc3339
from phage.daemon.control import ask
from phage.daemon.requests import (
    AddDecision,
    LabelFinding,
    Live,
    RevokeDecisions,
    Status,
    checked,
)
from phage.errors import PhageError
from phage.frozen import frozen
from phage.records import FindingState
from phage.store.repositories.findings import FindingFilter
from phage.store.store import StoreLocation, open_reader

if TYPE_CHECKING:
    from pathlib import Path

    from phage.clock import Clock
    from phage.records import Finding
    from phage.records.device import Device
    from phage.store.repositories.labels import FindingLabel

Row = dict[str, Any]

MAX_FINDINGS = 50
MAX_DEVICES = 500


@frozen
class View:
    """What there is to show at one time, as plain values.

    Attributes:
        at: When, RFC 3339.
        live: Answer of the daemon to `Live`; empty where none runs.
        status: Its answer to `Status`; empty where none runs.
        findings: The newest findings.
        findings_open: How many are open.
        devices: Devices, those seen last first.
        faults: What could not be asked, for people.
    """

    at: str
    live: Row = field(default_factory=dict)
    status: Row = field(default_factory=dict)
    findings: tuple[Row, ...] = ()
    findings_open: int = 0
    devices: tuple[Row, ...] = ()
    faults: tuple[str, ...] = ()


class Source(Protocol):
    """What the viewer asks. `look` never raises; the others raise PhageError to refuse."""

    def look(self) -> View:
        """Return what there is to show now."""

    def ban(self, target: str, seconds: float, reason: str) -> str:
        """Block somebody; return what was done, for people."""

    def unban(self, decision: str) -> str:
        """Take a decision back; return what was done, for people."""

    def label(self, finding: str, label: str) -> str:
        """Say what a finding was, "none" to take it back; return what was done, for people."""


class LocalSource:
    """The daemon and the store of this machine.

    Args:
        control: The daemon's control socket.
        store: Where the store is.
        clock: Tells the time.
        limit: Hosts and bans that are asked for.
    """

    def __init__(self, control: Path, store: StoreLocation, clock: Clock, limit: int = 50) -> None:
        self._control = control
        self._store = store
        self._clock = clock
        self._limit = limit

    def look(self) -> View:
        """Return what there is to show now."""
        faults: list[str] = []
        live: Row = {}
        status: Row = {}
        findings: tuple[Row, ...] = ()
        devices: tuple[Row, ...] = ()
        still_open = 0
        try:
            live = ask(self._control, Live(limit=self._limit))
            status = ask(self._control, Status())
        except PhageError as error:
            faults.append(str(error))
        try:
            with open_reader(self._store) as store:
                listed = store.findings.list(limit=MAX_FINDINGS)
                labels = store.labels.of([each.id for each in listed])
                findings = tuple(_finding(each, labels.get(each.id)) for each in listed)
                still_open = store.findings.count(FindingFilter(state=FindingState.OPEN))
                devices = tuple(map(_device, store.devices.list(MAX_DEVICES)))
        except PhageError as error:
            faults.append(str(error))
        at = rfc3339(self._clock.now())
        return View(at, live, status, findings, still_open, devices, tuple(faults))

    def ban(self, target: str, seconds: float, reason: str) -> str:
        """Block somebody; return what was done. Raises PhageError."""
        request = checked(
            AddDecision,
            target=target,
            action="ban",
            direction="both",
            seconds=seconds,
            reason=reason,
        )
        answer = ask(self._control, request)
        made = answer["decision"]
        if made["dry_run"]:
            return f"recorded, not carried out: {made['reason']}"
        if answer.get("panic"):
            return f"{made['target']} is to be blocked, but the panic switch is on"
        return f"{made['target']} is blocked until {made['until'] or 'further notice'}"

    def unban(self, decision: str) -> str:
        """Take a decision back; return what was done. Raises PhageError."""
        answer = ask(self._control, checked(RevokeDecisions, names=(decision,)))
        return ", ".join(f"{each['target']} is free again" for each in answer["decisions"])

    def label(self, finding: str, label: str) -> str:
        """Say what a finding was; return what was done. Raises PhageError."""
        ask(self._control, checked(LabelFinding, finding=finding, label=label))
        return "taken back" if label == "none" else f"noted: {label}"


def _finding(finding: Finding, label: FindingLabel | None) -> Row:
    return {
        "id": finding.id,
        "last_seen": rfc3339(finding.last_seen),
        "severity": str(finding.severity),
        "state": str(finding.state),
        "label": str(label.label) if label is not None else "",
        "detector": finding.detector,
        "subject": finding.subject.ip or finding.subject.mac,
        "packets": finding.packets,
        "summary": finding.summary,
    }


def _device(seen: Device) -> Row:
    return {
        "device": seen.id,
        "name": seen.shown,
        "mac": seen.mac,
        "ip": seen.ip,
        "last_seen": rfc3339(seen.last_seen),
        "packets": seen.packets,
        "octets": seen.octets,
    }
