"""`phage rules import|plan|unused`: presets, what rules would have done, what nobody met."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock
from phage.policy.facts import StaticFacts
from phage.records.decision import Action, Decision, Target, TargetKind
from phage.records.rulehits import RuleHits
from phage.store.store import Store, StoreLocation, open_store
from phage.testing.records import EPOCH, make_finding, make_flow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Phage = Callable[..., Any]

RULES = """\
rules:
  - {name: web, match: {port: 443, direction: out}, action: reject, mode: enforce}
  - {name: dry, match: {port: 80}, action: drop}
  - {name: scans, match: {finding: portscan}, action: ban}
"""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know nothing of the machine that the tests run on."""
    monkeypatch.setattr("phage.cli.rulefiles.facts_here", lambda _: StaticFacts())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    location = StoreLocation.of("", "", tmp_path / "state" / "store.sqlite3")
    with open_store(location, FixedClock(EPOCH)) as opened:
        yield opened


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Path:
    """Fill the store; give a rule file."""
    store.flows.save(make_flow(number) for number in range(1, 8))
    store.flows.save([make_flow(8, dst_port=80), make_flow(9, src="198.51.100.7", dst="10.0.0.1")])
    store.findings.save([make_finding(1)])
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    return rules


def test_presets_are_listed_and_copied_once(phage: Phage, tmp_path: Path) -> None:
    answer = phage("rules", "import")
    assert [line.split()[0] for line in answer.out.splitlines()] == [
        "home", "iot", "provider", "server",
    ]  # fmt: skip
    assert phage("rules", "import", "home", "--dry-run").out.startswith("# Rules for a home")
    assert not (tmp_path / "state").exists()
    assert phage("rules", "import", "home").code == 0
    assert phage("rules", "import", "iot", "--name", "things").code == 0
    folder = tmp_path / "state" / "rules"
    assert sorted(path.name for path in folder.iterdir()) == ["home.yaml", "things.yaml"]
    again = phage("rules", "import", "home")
    assert (again.code, "is there already" in again.err) == (1, True)
    taken = phage("rules", "import", "home", "--name", "other")
    assert (taken.code, "is taken" in taken.err) == (1, True)


def test_a_file_arrives_in_dry_run(phage: Phage, filled: Path, tmp_path: Path) -> None:
    answer = phage("rules", "import", str(filled))
    assert answer.code == 0, answer.err
    assert "are in dry-run now" in answer.err
    written = (tmp_path / "state" / "rules" / "rules.yaml").read_text()
    assert written == RULES.replace("mode: enforce", "mode: dry-run")


def test_what_is_neither_preset_nor_file_is_told(phage: Phage, tmp_path: Path) -> None:
    answer = phage("rules", "import", "hoem")
    assert answer.code == 2
    assert "presets are home, iot, provider, server" in answer.err
    (tmp_path / "bad.yaml").write_text("rules: [{name: 1}]")
    assert "bad.yaml:1:9: " in phage("rules", "import", "bad.yaml").err


def test_a_plan_shows_our_hosts_that_would_be_blocked(phage: Phage, filled: Path) -> None:
    answer = phage("rules", "plan", str(filled), "--since", "2020-01-01", "--output", "json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert (found["flows"], found["blocked"], found["freed"]) == (9, 7, 0)
    assert found["changes"] == [
        {
            "host": "192.168.1.5", "ours": True, "before": "accept", "after": "reject",
            "flows": 7, "octets": 7 * 10_200, "rule": "web", "example": "93.184.216.34 tcp/443",
        }
    ]  # fmt: skip
    assert [(rule["rule"], rule["flows"]) for rule in found["rules"]] == [("web", 7), ("dry", 1)]
    assert found["finding_rules"][0]["findings"] == 1
    assert "7 would have been blocked (7 from hosts of yours)" in answer.err
    assert "--enforced shows" in answer.err


def test_a_plan_for_people(phage: Phage, filled: Path) -> None:
    answer = phage("rules", "plan", str(filled), "--since", "2020-01-01", "--enforced")
    assert answer.code == 0, answer.err
    assert "192.168.1.5" in answer.out
    assert "8 would have been blocked" in answer.err
    quiet = phage("rules", "plan", str(filled), "--since", "1h")
    assert "no host is affected" in quiet.err


def test_a_plan_compares_with_the_rules_in_force(
    phage: Phage, filled: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "state" / "rules-confirmed"
    kept.mkdir()
    (kept / "0000-rules.yaml").write_text(RULES)
    (tmp_path / "phage.yaml").write_text("policy: {enforce: true}\n")
    empty = tmp_path / "empty.yaml"
    empty.write_text("rules: []\n")
    arguments = ("--since", "2020-01-01", "--output", "json")
    assert json.loads(phage("rules", "plan", str(filled), *arguments).out)["changes"] == []
    assert json.loads(phage("rules", "plan", str(empty), *arguments).out)["freed"] == 7


def test_rules_that_nobody_met(phage: Phage, filled: Path, store: Store) -> None:
    store.rule_hits.save([RuleHits("web", since=EPOCH), RuleHits("dry", 3, since=EPOCH)])
    answer = phage("rules", "unused", str(filled), "--output", "json")
    assert answer.code == 0, answer.err
    assert [(each["rule"], each["since"]) for each in json.loads(answer.out)] == [
        ("web", "2023-11-14T22:13:20.000000Z"),
        ("scans", "never"),
    ]
    target = Target(TargetKind.IP, "198.51.100.7")
    store.decisions.save([Decision(target, Action.BAN, "x", EPOCH, id="1" * 26, rule="scans")])
    answer = phage("rules", "unused", str(filled), "--output", "jsonl")
    assert [json.loads(line)["rule"] for line in answer.out.splitlines()] == ["web"]


def test_how_often_rules_were_met_and_when_last(phage: Phage, filled: Path, store: Store) -> None:
    store.rule_hits.save([RuleHits("dry", 3, last_hit=EPOCH, since=EPOCH)])
    target = Target(TargetKind.IP, "198.51.100.7")
    store.decisions.save([Decision(target, Action.BAN, "x", EPOCH, id="1" * 26, rule="scans")])
    answer = phage("rules", "hits", str(filled), "--output", "json")
    assert answer.code == 0, answer.err
    found = {each["rule"]: (each["hits"], each["last_hit"]) for each in json.loads(answer.out)}
    moment = "2023-11-14T22:13:20.000000Z"
    assert found == {"web": (0, ""), "dry": (3, moment), "scans": (1, moment)}
    assert "last hit" in phage("rules", "hits", str(filled)).out


def test_without_a_store_it_is_said(phage: Phage, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RULES)
    for verb in ("plan", "hits", "unused"):
        answer = phage("rules", verb, "r.yaml")
        assert (answer.code, "there is no store yet" in answer.err) == (1, True)
