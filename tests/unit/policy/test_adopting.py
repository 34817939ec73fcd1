"""What an import changes: rules in a new file, settings beside those of the person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.errors import ConfigError
from phage.policy.adoption.adopting import adopt, rule_names
from phage.policy.importer import Excess, Imported, ImportedRule, SettingChange
from phage.policy.reading.reader import read_rules

if TYPE_CHECKING:
    from pathlib import Path

RULE = ImportedRule("old rule", 7, "drop", 3, sources=("192.0.2.0/24", "2001:db8::1/128"))


def imported(*rules: ImportedRule, settings: tuple[SettingChange, ...] = ()) -> Imported:
    return Imported("Program", rules, settings)


def test_a_rule_says_where_it_comes_from() -> None:
    text = adopt(imported(RULE), "old.yaml", (), "", "phage.yaml").rules
    assert text.endswith(
        "\n"
        "  # old.yaml:7\n"
        '  - name: "old rule"\n'
        "    priority: 3\n"
        '    match: {source: [192.0.2.0/24, "2001:db8::1"]}\n'
        "    action: drop\n"
        "    mode: dry-run\n"
    )


def test_names_are_unique_among_all_files() -> None:
    long = ImportedRule("x" * 200, 1, "drop", 1, protocol=6)
    text = adopt(imported(RULE, RULE, long, long), "f", {"old rule"}, "", "s").rules
    names = [rule.name for rule in read_rules(text, "f").rules]
    assert names == ["old rule (2)", "old rule (3)", "x" * 80, "x" * 76 + " (2)"]


def test_priorities_out_of_range_keep_their_order() -> None:
    rules = [ImportedRule(f"r{each}", 1, "drop", each, protocol=6) for each in (5, -1, 10**9, 5)]
    text = adopt(imported(*rules), "f", (), "", "s").rules
    assert [rule.priority for rule in read_rules(text, "f").rules] == [1, 0, 2, 1]


def test_long_conditions_take_a_line_an_item() -> None:
    sources = tuple(f"10.{high}.{low}.0/24" for high in range(9) for low in range(9))
    rule = ImportedRule("many", 1, "ban", 1, sources, excess=Excess(5, "octets", 7), seconds=9)
    text = adopt(imported(rule), "f", (), "", "s").rules
    assert "        - 10.8.8.0/24\n      rate: 5 octets/7 s\n      per: source\n" in text
    assert max(map(len, text.splitlines())) <= 100


def test_settings_are_changed_and_lists_get_longer() -> None:
    changes = (
        SettingChange(("logging", "level"), "debug", 1),
        SettingChange(("home",), ["10.0.0.0/8", "192.0.2.0/24"], 2),
    )
    found = adopt(imported(settings=changes), "f", (), "home: [10.0.0.0/8]  # us\n", "phage.yaml")
    assert found.after == (
        'home: ["10.0.0.0/8", "192.0.2.0/24"]  # us\nlogging:\n  level: "debug"\n'
    )
    assert found.diff("phage.yaml").startswith("--- phage.yaml\n+++ phage.yaml\n@@")
    assert not found.left
    assert not found.rules


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (SettingChange(("no", "such"), 1, 4), "no such setting"),
        (SettingChange(("home", "x"), 1, 4), "no such setting"),
        (SettingChange(("api", "listen"), "0.0.0.0:80;", 4), "is wrong"),
        (SettingChange(("logging", "level"), "debug", 4), "by hand"),
    ],
)
def test_a_setting_that_cannot_be_made_is_left_with_the_reason(
    change: SettingChange, reason: str
) -> None:
    text = "logging: {level: info}\n"
    found = adopt(imported(settings=(change,)), "f", (), text, "phage.yaml")
    assert found.after == text
    assert reason in found.left[0].reason
    assert found.left[0].line == 4


def test_a_settings_file_that_is_wrong_already_is_told() -> None:
    change = SettingChange(("logging", "level"), "debug", 1)
    with pytest.raises(ConfigError, match=r"phage\.yaml:\d+: "):
        adopt(imported(settings=(change,)), "f", (), "a: [", "phage.yaml")


def test_names_of_a_folder(tmp_path: Path) -> None:
    text = adopt(imported(RULE), "f", (), "", "s").rules
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text("rules: [")
    (tmp_path / "c.txt").write_text(text)
    assert rule_names(tmp_path) == {"old rule"}
    assert rule_names(tmp_path / "nowhere") == set()


def test_a_feed_is_added_and_one_that_is_there_stays() -> None:
    feed = SettingChange(("intel", "feeds", "drop"), {"type": "spamhaus"}, 3)
    made = adopt(imported(settings=(feed,)), "f", (), "intel:\n  feeds:\n", "s")
    assert made.after == 'intel:\n  feeds:\n    drop: {"type": "spamhaus"}\n'
    before = "intel:\n  feeds:\n    drop: {type: netset}\n"
    kept = adopt(imported(settings=(feed,)), "f", (), before, "s")
    assert kept.after == before
    assert "set already" in kept.left[0].reason
    wrong = SettingChange(("logging", "level", "drop"), {"type": "spamhaus"}, 3)
    assert adopt(imported(settings=(wrong,)), "f", (), "", "s").left
