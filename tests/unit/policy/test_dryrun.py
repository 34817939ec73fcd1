"""Rule files in dry run: nothing acts, and nothing else changes."""

from __future__ import annotations

import pytest

from phage.errors import RuleError
from phage.policy.presets import preset_names, preset_text
from phage.policy.rule import Mode
from phage.policy.writing.dryrun import in_dry_run

RULE = "name: a, match: {service: ssh}, action: drop"


def test_only_the_mode_of_rules_changes() -> None:
    text = (
        "# mode: enforce\n"
        "rules:\n"
        '  - name: "mode: enforce"\n'
        "    mode: enforce  # at last\n"
        "    match: {service: ssh}\n"
        "    action: drop\n"
        "  - {name: é, mode: 'enforce', match: {service: dns}, action: drop}\n"
        '  - {name: c, mode: "off", match: {service: ntp}, action: drop}\n'
    )
    changed, file = in_dry_run(text, "f")
    assert changed == text.replace("    mode: enforce  #", "    mode: dry-run  #").replace(
        "'enforce'", "dry-run"
    )
    assert [rule.mode for rule in file.rules] == [Mode.DRY_RUN, Mode.DRY_RUN, Mode.OFF]


@pytest.mark.parametrize("name", preset_names())
def test_what_acts_on_nothing_stays_as_it_is(name: str) -> None:
    assert in_dry_run(preset_text(name), name)[0] == preset_text(name)


@pytest.mark.parametrize(
    "mode", ["mode: >\n  enforce", "mode:\n   enforce", 'mode: "enforce"', "mode: |-\n  enforce",
             '"mode": enforce', "mode: 'enf\n  orce'", '"mo\\x64e": enforce', "? mode\n : enforce"]
)  # fmt: skip
@pytest.mark.parametrize(
    "style", ["- {{{rule}, {mode}}}", "- {mode}\n  name: a\n  match: everything\n  action: log"]
)
def test_however_it_is_written_nothing_acts(mode: str, style: str) -> None:
    text = "rules:\n" + style.format(rule=RULE, mode=mode) + "\n"
    try:
        _, file = in_dry_run(text, "f")
    except RuleError:
        return
    assert all(rule.mode is not Mode.ENFORCE for rule in file.rules)


def test_what_is_wrong_is_told_with_its_place() -> None:
    with pytest.raises(RuleError, match=r"f:1:9: "):
        in_dry_run("rules: [{ action: 5}]", "f")
