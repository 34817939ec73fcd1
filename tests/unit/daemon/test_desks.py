"""The desks of rule files and settings, over real files."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from phage.clock import FixedClock
from phage.config.document import parse_document
from phage.config.reference import reference
from phage.config.settings import PolicySettings, Settings
from phage.config.statedir import StateDirectory
from phage.daemon.ruledesk import LocalRuleDesk
from phage.daemon.settingsdesk import LocalSettingsDesk
from phage.errors import ConfigError, RuleError, StateError
from phage.policy.facts import StaticFacts
from phage.policy.ruleset import RuleSet
from phage.store.store import StoreLocation, open_store
from phage.testing.records import EPOCH, make_flow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.daemon.enforcement import Enforcement
    from phage.store.store import Store

TELNET = """rules:
  - name: No telnet
    match: {service: telnet}
    action: drop
    mode: dry-run
tests:
  - name: telnet is dropped
    traffic: {source: 192.168.1.5, destination: 203.0.113.9, service: telnet}
    expect: drop
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    location = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    with open_store(location, FixedClock(EPOCH)) as opened:
        yield opened


@pytest.fixture
def desk(tmp_path: Path, store: Store) -> LocalRuleDesk:
    state = StateDirectory(tmp_path / "state")
    state.create()
    book = SimpleNamespace(ruleset=RuleSet(), world=StaticFacts)
    enforcement = SimpleNamespace(rulebook=book, desk=SimpleNamespace(enforce=False))
    return LocalRuleDesk(
        Settings(),
        state,
        cast("Enforcement", enforcement),
        lambda: contextlib.nullcontext(store),
        FixedClock(EPOCH + 3600 * 10**9),
    )


def test_the_shipped_rules_are_shown_until_there_are_others(desk: LocalRuleDesk) -> None:
    (shipped,) = desk.files()
    assert shipped.name == "home.yaml"
    assert shipped.is_shipped
    desk.save("home.yaml", shipped.text + "# mine\n")
    (own,) = desk.files()
    assert not own.is_shipped
    assert own.text.endswith("# mine\n")
    desk.remove("home.yaml")
    assert desk.files()[0].is_shipped


def test_a_file_is_judged_with_its_lines(desk: LocalRuleDesk) -> None:
    judgement = desk.judge("mine.yaml", TELNET.replace("drop\n    mode", "fly\n    mode"))
    assert not judgement.is_usable
    assert judgement.remarks[0].line == 4
    with pytest.raises(RuleError):
        desk.save("mine.yaml", "rules: 7")
    good = desk.judge("mine.yaml", TELNET)
    assert good.is_usable
    assert (good.rules, good.passed, good.failed) == (1, 1, [])
    assert desk.judge("mine.yaml", TELNET.replace("expect: drop", "expect: accept")).failed


def test_names_in_two_files_are_told(desk: LocalRuleDesk) -> None:
    desk.save("a.yaml", TELNET)
    assert "is taken" in desk.judge("b.yaml", TELNET).remarks[0].text


def test_a_file_is_tried_against_what_was(desk: LocalRuleDesk, store: Store) -> None:
    store.flows.save([make_flow(1, dst_port=23), make_flow(2, dst_port=443)])
    forecast = desk.forecast("mine.yaml", TELNET, EPOCH)
    assert (forecast.flows, forecast.blocked) == (2, 1)
    (effect,) = forecast.rules
    assert (effect.rule, effect.flows) == ("No telnet", 1)
    assert forecast.changes[0]["host"] == "192.168.1.5"


@pytest.mark.parametrize("name", ["../x.yaml", "/etc/x.yaml", "x", ".yaml", "a/b.yaml", "x.yaml\n"])
def test_no_file_elsewhere_is_written(name: str, desk: LocalRuleDesk) -> None:
    with pytest.raises(ConfigError):
        desk.save(name, TELNET)


def test_what_is_not_there_cannot_be_removed(desk: LocalRuleDesk) -> None:
    with pytest.raises(StateError):
        desk.remove("home.yaml")


def test_rules_of_single_files_get_no_neighbours(desk: LocalRuleDesk, tmp_path: Path) -> None:
    only = tmp_path / "only.yaml"
    only.write_text(TELNET)
    settings: Any = Settings(policy=PolicySettings(rules=(only,)))
    desk.settings = settings
    desk.save("only.yaml", TELNET + "# more\n")
    assert only.read_text().endswith("# more\n")
    with pytest.raises(ConfigError, match="by hand"):
        desk.save("other.yaml", TELNET)


@pytest.fixture
def settings(tmp_path: Path) -> LocalSettingsDesk:
    file = tmp_path / "phage.yaml"
    file.write_text("# mine\npolicy:\n  enforce: false  # not yet\n")
    return LocalSettingsDesk(Settings(), file, {})


def test_every_key_is_told(settings: LocalSettingsDesk) -> None:
    keys = {each.key: each for each in settings.settings()}
    assert keys["policy", "enforce"].is_written
    assert keys["policy", "enforce"].default == "false"
    assert not keys["api", "listen"].is_written
    assert keys["api", "token"].is_secret
    assert all(each.meaning for each in keys.values())


def test_no_key_of_the_file_is_missing(settings: LocalSettingsDesk) -> None:
    """What `phage config show --all` writes is on the page, line by line."""
    keys = {each.key for each in settings.settings()}
    document = parse_document(reference(), "all")
    written = {key for key in document.lines if all(isinstance(part, str) for part in key)}
    assert keys == written - {key[:end] for key in written for end in range(1, len(key))}


def test_secrets_are_masked_and_stay_when_what_is_shown_is_saved(
    settings: LocalSettingsDesk,
) -> None:
    assert settings.path is not None
    text = (
        "# mine\nstore: {password: s3cret}\nnotify:\n  ops:\n    type: webhook\n"
        "    settings: {url: 'https://chat.example/s3cret', style: slack}\n"
    )
    settings.path.write_text(text)
    shown = settings.shown().text
    assert "s3cret" not in shown
    assert "style: slack" in shown
    assert settings.check(shown) == []
    settings.save(f"{shown}policy: {{enforce: true}}\n")
    kept = parse_document(settings.file().text, "").values
    assert kept["store"]["password"] == "s3cret"
    assert kept["notify"]["ops"]["settings"]["url"] == "https://chat.example/s3cret"
    assert kept["policy"]["enforce"] is True
    settings.save(settings.shown().text.replace('password: "(set)"', "password: another"))
    assert parse_document(settings.file().text, "").values["store"]["password"] == "another"


def test_a_masked_secret_of_nothing_is_told(settings: LocalSettingsDesk) -> None:
    (fault,) = settings.check('notify: {new: {type: webhook, settings: {url: "(set)"}}}\n')
    assert "notify.new.settings.url: (set) stands for a secret" in fault


def test_a_key_with_secrets_in_it_is_changed(settings: LocalSettingsDesk) -> None:
    assert settings.path is not None
    settings.path.write_text("notify: {a: {type: webhook, settings: {url: 'https://h/s3cret'}}}\n")
    value = '{"a": {"type": "webhook", "settings": {"url": "(set)", "style": "slack"}}}'
    changed = parse_document(settings.changed(("notify",), value), "").values["notify"]
    assert changed["a"]["settings"] == {"url": "https://h/s3cret", "style": "slack"}


def test_a_file_that_is_no_yaml_is_not_shown(settings: LocalSettingsDesk) -> None:
    assert settings.path is not None
    settings.path.write_text("store: {password: s3cret\n")
    with pytest.raises(ConfigError) as told:
        settings.shown()
    assert "s3cret" not in str(told.value)


def test_one_key_is_changed_and_all_else_stays(settings: LocalSettingsDesk) -> None:
    settings.save(settings.changed(("policy", "enforce"), "true"))
    assert settings.file().text == "# mine\npolicy:\n  enforce: true  # not yet\n"


def test_what_is_wrong_is_told_and_not_saved(settings: LocalSettingsDesk) -> None:
    faults = settings.check("policy:\n  enforced: true\n")
    assert "phage.yaml:2" in faults[0]
    assert "enforce" in faults[0]
    assert "/tmp" not in faults[0]  # noqa: S108  The folder of the trial.
    with pytest.raises(ConfigError):
        settings.save("policy: 7\n")
    with pytest.raises(ConfigError):
        settings.changed(("home",), "[1, 2")
    assert settings.file().text.startswith("# mine")


@pytest.mark.parametrize(
    "more",
    [
        "respond: {scripts: {mine: {command: [/bin/sh]}}}",
        "outputs: {eve: {path: /etc/cron.d/x}}",
        "state_dir: /tmp/other",
        "api: {token_file: /etc/shadow}",
    ],
)
def test_what_phage_runs_reads_or_writes_stays(settings: LocalSettingsDesk, more: str) -> None:
    before = settings.file().text
    with pytest.raises(ConfigError):
        settings.save(f"{before}{more}\n")
    assert settings.file().text == before
    assert settings.path is not None
    settings.path.write_text(f"{before}outputs: {{eve: {{path: /var/log/eve.json}}}}\n")
    settings.save(settings.changed(("policy", "enforce"), "true"))
    with pytest.raises(ConfigError, match="own machine only"):
        settings.save(before)
