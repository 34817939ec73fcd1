"""Scenarios of floods in the peer data: what is found, when, with which vector and target.

Each runs through `phage replay`, by the times at which its datagrams came. The figures of
FastNetMon 1.2 with its defaults are those measured by others on the same scenarios.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phage.config.load import load_settings
from phage.daemon.options import ReplayOptions
from phage.daemon.replay import replay

if TYPE_CHECKING:
    from pathlib import Path

    from phage.records import Finding

pytestmark = pytest.mark.peer

FASTNETMON = {
    "s01": "2.5 s, udp_flood", "s03": "missed", "s07": "missed", "s10": "false ban",
    "s12": "3.2 s", "s13": "quiet",
}  # fmt: skip


def found(path: Path, folder: Path, home: str) -> list[Finding]:
    settings = load_settings(overrides={("state_dir",): str(folder), ("home",): [home]})
    options = ReplayOptions(settings, (str(path),), home=settings.home)
    return [each for each in replay(options).findings if each.detector == "volumetric"]


def service_of(vector: str) -> str:
    """Return the word of a scenario's vector that names it: ntp, dns, cldap, udp."""
    return vector.split("-", maxsplit=1)[0]


def test_scenarios(peer_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, wrong = [], []
    for path in sorted((peer_data / "flows" / "scen").glob("*.tlp")):
        truth: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        findings = found(path, tmp_path / path.stem, truth["protected"])
        told = [
            f"{each.first_seen / 1e9 + 0.5 - (truth['start'] or 0):.1f} s, "
            f"{each.evidence['kind']} on {each.evidence['target']}"
            for each in findings
        ]
        lines.append(
            f"{truth['name']:28} {'; '.join(told) or 'quiet':58} "
            f"FastNetMon: {FASTNETMON.get(path.stem[:3], '?')}"
        )
        if truth["kind"] == "benign":
            right = not findings
        else:
            right = len(findings) == 1 and is_right(findings[0], truth)
        if not right:
            wrong.append(lines[-1])
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert lines
    assert not wrong


def is_right(finding: Finding, truth: dict[str, Any]) -> bool:
    """Tell whether an attack is told with its vector, exact target and direction."""
    return (
        service_of(truth["vector"]) in str(finding.evidence["kind"])
        and finding.evidence["target"] == truth["target"]
        and finding.evidence["direction"] == truth.get("direction", "incoming")
    )


def test_exports_of_real_attacks(
    peer_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, wrong = [], []
    for folder in sorted((peer_data / "flows" / "attack").iterdir()):
        for path in sorted(folder.glob("*.lp")):
            state = tmp_path / folder.name / path.stem
            kinds = [str(each.evidence["kind"]) for each in found(path, state, "10.0.0.0/8")]
            lines.append(f"{folder.name:22} {path.stem:22} {', '.join(kinds) or 'quiet'}")
            if bool(kinds) is folder.name.startswith("benign"):
                wrong.append(lines[-1])
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert lines
    assert not wrong
