"""A notice: what people or programs are told, in words and in fields."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from phage.clock import rfc3339
from phage.frozen import frozen
from phage.records import FindingState, Severity
from phage.telemetry.escape import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.records import Finding
    from phage.records.decision import Decision

LONGEST_TITLE = 160
LONGEST_TEXT = 2000
"""Characters of a notice: it fits the smallest of what chat services take (Discord: 2,000)."""


@frozen
class Notice:
    """One thing to be told. Its texts are safe to show: control characters are escaped.

    Attributes:
        title: What happened, in a few words.
        text: What happened, in one or two sentences.
        severity: How bad it is.
        time: When, in nanoseconds since the Unix epoch.
        key: What it is about: later news of the same has the same key.
        kind: "finding", "decision", or "message".
        closed: Whether it has ended.
        fields: Names and values for programs, and for people in this order.
    """

    title: str
    text: str
    severity: Severity
    time: int
    key: str = ""
    kind: str = "message"
    closed: bool = False
    fields: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """Return it as a JSON object: what a program is sent."""
        return {
            "kind": self.kind,
            "title": self.title,
            "text": self.text,
            "severity": str(self.severity),
            "time": rfc3339(self.time),
            "key": self.key,
            "closed": self.closed,
            "fields": dict(self.fields),
        }


def shown(text: str, limit: int = LONGEST_TEXT) -> str:
    """Return text as it can be told: without control characters, cut to a length."""
    safe = escape(text[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def notice_of_finding(finding: Finding) -> Notice:
    """Return the notice of a finding."""
    closed = finding.state is not FindingState.OPEN
    who = finding.subject.ip or finding.subject.mac or finding.subject.device
    ended = " (ended)" if closed else ""
    fields: dict[str, str | int | float | bool] = {
        "detector": finding.detector,
        "finding": finding.id,
        "subject": shown(who, 100),
        "score": round(finding.score, 2),
        "first_seen": rfc3339(finding.first_seen),
        "last_seen": rfc3339(finding.last_seen),
    }
    if finding.stranger:
        fields["stranger"] = finding.stranger
    if finding.peers_total:
        fields["peers"] = finding.peers_total
    return Notice(
        title=shown(f"{finding.severity.upper()} {finding.detector}: {who}{ended}", LONGEST_TITLE),
        text=shown(finding.summary),
        severity=finding.severity,
        time=finding.last_seen,
        key=f"finding/{finding.id or finding.key}",
        kind="finding",
        closed=closed,
        fields=fields,
    )


def notice_of_decision(decision: Decision, severity: Severity = Severity.MEDIUM) -> Notice:
    """Return the notice of a decision; `severity` is that of the finding behind it."""
    target = shown(decision.target.value, 100)
    done = "would be" if decision.dry_run else "is"
    until = f" until {rfc3339(decision.until)}" if decision.until else ""
    end = f" It ended by {shown(decision.ended_by, 60)}." if decision.ended else ""
    fields: dict[str, str | int | float | bool] = {
        "action": str(decision.action),
        "target": target,
        "direction": str(decision.direction),
        "decision": decision.id,
        "rule": shown(decision.rule, 100),
        "by": shown(decision.by, 100),
        "dry_run": decision.dry_run,
    }
    if decision.finding:
        fields["finding"] = decision.finding
    dry = " (dry run)" if decision.dry_run else ""
    return Notice(
        title=shown(f"{str(decision.action).upper()} {target}{dry}", LONGEST_TITLE),
        text=shown(
            f"{target} {done} under {decision.action}{until}: {_why(decision).rstrip('.')}.{end}"
        ),
        severity=severity,
        time=decision.ended or decision.start,
        key=f"decision/{decision.id}",
        kind="decision",
        closed=bool(decision.ended),
        fields=fields,
    )


def _why(decision: Decision) -> str:
    """Return the reason without "would have banned 192.0.2.1: ", which the ledger begins it with.

    The notice says that itself.
    """
    first, _, why = decision.reason.partition(f" {decision.target.value}: ")
    return why if why and first.startswith("would have ") else decision.reason


def digest(notices: list[Notice], left_out: int, shown_at_most: int = 5) -> Notice:
    """Return one notice for several: the worst first, "and 12 more" for what is not shown."""
    worst = sorted(notices, key=lambda each: (-each.severity.rank, each.time))
    listed = worst[:shown_at_most]
    more = len(notices) - len(listed) + left_out
    lines = [f"- {each.title}: {each.text}" for each in listed]
    if more:
        lines.append(f"… and {more:,} more")
    total = len(notices) + left_out
    text = "\n".join(shown(line, LONGEST_TEXT // (shown_at_most + 1)) for line in lines)
    return Notice(
        title=shown(f"{total:,} notices, the worst: {listed[0].title}", LONGEST_TITLE),
        text=text[:LONGEST_TEXT],
        severity=listed[0].severity,
        time=max(each.time for each in notices),
        key="digest",
        fields={"notices": total},
    )
