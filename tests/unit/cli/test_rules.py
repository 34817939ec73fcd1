"""`phage rules` on files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from phage.policy.reading.reader import read_rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = """\
rules:
- name: ssh
  match: {service: ssh, not: {source: home}}
  action: drop
  mode: enforce
- name: scanners
  match: {finding: portscan}
  action: ban
given: {self: 192.168.1.1, home: 192.168.1.0/24}
tests:
- {traffic: {source: 203.0.113.9, destination: self, service: ssh}, expect: drop}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    return path


def test_check_tells_problems_with_their_place(phage: Callable[..., Any], file: Path) -> None:
    answer = phage("rules", "check", str(file))
    assert answer.code == 0
    assert "2 rules in 1 files: 0 errors" in answer.err
    file.write_text(FILE.replace("portscan", "portscn"))
    answer = phage("rules", "check", str(file), "--output", "json")
    (problem,) = json.loads(answer.out)
    assert problem["place"] == f"{file}:6:3"
    assert problem["gravity"] == "warning"
    assert "did you mean 'portscan'" in problem["text"]


def test_a_file_that_cannot_be_read_is_told_with_line_and_column(
    phage: Callable[..., Any], file: Path
) -> None:
    file.write_text(FILE.replace("service: ssh,", "servise: ssh,"))
    answer = phage("rules", "check", str(file))
    assert answer.code == 1
    assert f"{file}:3:11: 'servise': no such key; did you mean 'service'?" in answer.err


def test_tests_are_run(phage: Callable[..., Any], file: Path) -> None:
    answer = phage("rules", "test", str(file))
    assert answer.code == 0
    assert "1 tests passed, 0 failed" in answer.err
    file.write_text(FILE.replace("expect: drop", "expect: accept"))
    answer = phage("rules", "test", str(file))
    assert answer.code == 1
    assert f"{file}:11:3" in answer.out
    assert "expected accept, got drop (rule 'ssh')" in answer.out


def test_explain_names_the_rule_with_its_place(phage: Callable[..., Any], file: Path) -> None:
    answer = phage("rules", "explain", "203.0.113.9", "198.51.100.1", "ssh", "--rules", str(file))
    assert answer.code == 0
    first = answer.out.splitlines()[0]
    assert first == (f"203.0.113.9 -> 198.51.100.1 is dropped at forward: rule 'ssh' ({file}:2)")
    answer = phage(
        "rules", "explain", "10.0.0.1", "1.1.1.1", "80", "--rules", str(file), "--output", "json"
    )
    explained = json.loads(answer.out)
    assert (explained["action"], explained["rule"]) == ("accept", "")
    assert explained["asked"][0]["why_not"] == "service is tcp/80, not tcp/22"
    assert phage("rules", "explain", "nobody", "self", "ssh", "--rules", str(file)).code == 2


def test_show_prints_rules_in_every_form(phage: Callable[..., Any], file: Path) -> None:
    table = phage("rules", "show", str(file)).out
    assert "service tcp/22, not (source home)" in table
    written = phage("rules", "show", str(file), "--as", "yaml").out
    assert read_rules(written, "x").rules == read_rules(FILE, "x").rules
    as_json = json.loads(phage("rules", "show", str(file), "--as", "json").out)
    assert as_json["rules"] == yaml.safe_load(written)["rules"]
    nft = phage("rules", "show", str(file), "--as", "nft").out
    assert "table inet phage" in nft
    assert "tcp dport 22" in nft


def test_export_prints_one_file(phage: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("rules: [{name: all, priority: 1, match: everything, action: log}]")
    answer = phage("rules", "export", str(file), str(other))
    assert [rule.name for rule in read_rules(answer.out, "x").rules] == ["all", "ssh", "scanners"]
    assert "left out: 1 tests" in answer.err
    assert "tests:" in phage("rules", "export", str(file)).out


def test_the_schema_is_json(phage: Callable[..., Any]) -> None:
    assert json.loads(phage("rules", "schema").out)["title"] == "Rules of phage"
