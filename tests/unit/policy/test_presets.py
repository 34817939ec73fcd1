"""The rules that are shipped: their own tests hold, and nothing is blocked until told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phage.policy.check import check
from phage.policy.facts import given_facts
from phage.policy.presets import preset_names, preset_summary, preset_text
from phage.policy.reading.reader import read_rules
from phage.policy.rule import Mode
from phage.policy.ruleset import RuleSet, join
from phage.policy.runtests import run_tests
from phage.testing.records import EPOCH

NAMES = preset_names()


def ruleset(name: str) -> RuleSet:
    return join([read_rules(preset_text(name), name)])


def test_there_is_one_for_each_kind_of_network() -> None:
    assert NAMES == ["home", "iot", "provider", "server"]
    assert preset_summary("home").startswith("Rules for a home")


def test_a_name_that_is_none_is_refused() -> None:
    for name in ("", "../home", "home.yaml"):
        with pytest.raises(KeyError):
            preset_text(name)


@pytest.mark.parametrize("name", NAMES)
def test_its_own_tests_hold(name: str) -> None:
    results = run_tests(ruleset(name))
    assert len(results) >= 10
    assert [(str(each.test.place), each.why) for each in results if each.why] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_is_tested(name: str) -> None:
    rules = ruleset(name)
    asked = {test.rule for _, test in rules.tests}
    untested = [
        rule.name
        for rule in rules.rules
        if rule.name not in asked and not _is_needed(name, rule.name)
    ]
    assert untested == []


def _is_needed(name: str, rule: str) -> bool:
    """Tell whether a test of the preset fails without a rule."""
    file = read_rules(preset_text(name), name)
    kept = tuple(each for each in file.rules if each.name != rule)
    return any(result.why for result in run_tests(join([replace(file, rules=kept)])))


@pytest.mark.parametrize("name", NAMES)
def test_a_check_finds_nothing(name: str) -> None:
    rules = ruleset(name)
    assert check(rules, given_facts(rules.files[0].given), EPOCH) == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_blocked_until_somebody_says_so(name: str) -> None:
    assert {rule.mode for rule in ruleset(name).rules} == {Mode.DRY_RUN}
    assert not ruleset(name).defaults


def test_all_of_them_can_be_read_together() -> None:
    rules = join([read_rules(preset_text(name), name) for name in NAMES])
    assert len(rules.rules) > 40


def test_a_home_with_a_server_has_both_and_they_agree() -> None:
    rules = join([read_rules(preset_text(name), name) for name in ("home", "server")])
    assert [(str(each.test.place), each.why) for each in run_tests(rules) if each.why] == []
    home = rules.files[0].given
    assert check(rules, given_facts(home), EPOCH) == []
