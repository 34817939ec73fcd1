"""Alerts of another engine become findings, one a rule and source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.detect.detector import Knowledge
from phage.detect.detectors.idsalert import IdsAlert
from phage.records import Finding, LogEvent, LogKind, Severity, Window
from phage.testing.windows import at

if TYPE_CHECKING:
    from phage.records.observation import Value


def alert(number: float, severity: int = 1, rule: int = 7, *, spoofable: bool = False) -> LogEvent:
    fields: dict[str, Value] = {
        "signature": "ET \x1b[2JMALWARE",
        "signature_id": rule,
        "category": "Trojan",
        "severity": severity,
        "target": f"192.168.1.{round(number) % 3 + 1}",
        "target_port": 80,
        "protocol": "tcp",
        "community_id": "1:x",
    }
    return LogEvent(
        LogKind.ALERT, at(number), "eve.json", "suricata", "198.51.100.7", spoofable=spoofable,
        fields=fields,
    )  # fmt: skip


def found(*events: LogEvent, detector: IdsAlert | None = None) -> list[Finding]:
    window = Window(at(0), at(100), events=events)
    return list((detector or IdsAlert()).inspect(window, Knowledge()))


def test_alerts_of_one_rule_and_source_are_one_finding() -> None:
    (finding,) = found(*(alert(number) for number in range(9)))
    assert finding.severity is Severity.HIGH
    assert finding.evidence["alerts"] == 9
    assert finding.peers_total == 3
    assert finding.peers[0].services == ("tcp/80",)
    assert finding.evidence["community_id"] == "1:x"
    assert finding.summary.isprintable()


@pytest.mark.parametrize(
    ("severity", "wanted"),
    [(1, Severity.HIGH), (2, Severity.MEDIUM), (3, Severity.LOW), (0, Severity.LOW)],
)
def test_severities(severity: int, wanted: Severity) -> None:
    assert [finding.severity for finding in found(alert(1, severity))] == [wanted]


def test_information_and_what_is_ignored_is_none() -> None:
    assert not found(alert(1, 4))
    assert not found(alert(1), detector=IdsAlert(ignored=(7,)))
    assert len(found(alert(1), alert(1, rule=8))) == 2


def test_what_nobody_answered_is_marked() -> None:
    assert found(alert(1, spoofable=True))[0].spoofable
    assert not found(alert(1, spoofable=True), alert(2))[0].spoofable
