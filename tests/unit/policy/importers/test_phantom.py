"""PhantomFirewall's YAML: every key is taken over, or named with the reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.errors import ConfigError
from phage.policy.adoption.importing import import_text
from phage.policy.importer import Source
from phage.records.decision import Rate

if TYPE_CHECKING:
    from phage.policy.importer import Imported, ImportedRule

FIRST_README = """\
phantom:
  mode: adaptive
  learning_rate: 0.01
  threat_feeds:
    - name: "A feed"
      enabled: true
      api_key: TOP-SECRET
      update_interval: 3600
  rules:
    - name: "Block Known Malicious IPs"
      priority: 1
      action: "DROP"

    - name: "Allow HTTPS Traffic"
      priority: 2
      protocol: "TCP"
      port: 443
      action: "ACCEPT"
"""


def read(text: str) -> Imported:
    return import_text(Source("old.yaml", text))


def rule(text: str) -> ImportedRule:
    found = read(f"rules:\n  - {{name: r, {text}}}\n")
    assert not found.left
    return found.rules[0]


def test_a_drop_without_a_condition_asks_for_feeds_and_warns() -> None:
    found = read(FIRST_README)
    assert found.program == "PhantomFirewall"
    first = found.rules[0]
    assert (first.feeds, first.is_everything, first.line) == (True, False, 10)
    place, _, text = found.warnings[0].partition(": ")
    assert place == "old.yaml:10"
    assert text.endswith("it now asks for sources that stand in an enabled feed")


def test_an_allowed_service_stays_one() -> None:
    second = read(FIRST_README).rules[1]
    assert (second.name, second.action, second.priority) == ("Allow HTTPS Traffic", "accept", 2)
    assert (second.protocol, second.ports) == (6, ((443, 443),))


def test_nothing_is_lost_and_no_secret_is_shown() -> None:
    left = read(FIRST_README).left
    assert [(item.line, item.what) for item in left] == [
        (2, "mode: 'adaptive'"),
        (3, "learning_rate: 0.01"),
        (5, "threat_feeds: 'A feed'"),
    ]
    assert all(item.reason for item in left)
    assert "SECRET" not in str(left)


def test_settings_without_the_key_phantom() -> None:
    found = read(
        "mode: adaptive\nlog_level: WARNING\napi_port: 9090\ndashboard_port: 3000\n"
        "ml_settings: {window_size: 1000, contamination: 0.1}\nupdate_interval: 3600\nother: x\n"
    )
    assert [(change.key, change.value) for change in found.settings] == [
        (("logging", "level"), "warning"),
        (("api", "listen"), "127.0.0.1:9090"),
    ]
    assert [item.what for item in found.left] == [
        "mode: 'adaptive'", "dashboard_port: 3000", "ml_settings.window_size: 1000",
        "ml_settings.contamination: 0.1", "update_interval: 3600", "other",
    ]  # fmt: skip


def test_rules_alone() -> None:
    found = read(
        "rules:\n"
        '  - {name: "Block Known Malicious", priority: 1, action: DROP, source: threat_intel}\n'
        '  - {name: ssh, priority: 3, protocol: TCP, port: 22, action: LIMIT, rate: "10/minute"}\n'
    )
    assert found.rules[0].feeds
    assert found.rules[1].rate == Rate(10, "connections", 60)
    assert not found.warnings


@pytest.mark.parametrize("protocol", ["TCP", "tcp", "Tcp", "6", '"6"', '" tcp "'])
def test_protocols_in_any_spelling(protocol: str) -> None:
    assert rule(f"action: drop, protocol: {protocol}, port: 1").protocol == 6


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("443", ((443, 443),)),
        ('"443"', ((443, 443),)),
        ('"80,443"', ((80, 80), (443, 443))),
        ("8000-8100", ((8000, 8100),)),
        ("[443, 80, 80]", ((80, 80), (443, 443))),
    ],
)
def test_ports_as_numbers_texts_and_lists(written: str, meant: object) -> None:
    assert rule(f"action: DROP, port: {written}").ports == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("192.168.1.100", ("192.168.1.100/32",)),
        ('"192.168.1.77/24"', ("192.168.1.0/24",)),
        ('"2001:DB8::1"', ("2001:db8::1/128",)),
        ("2001:db8::/32", ("2001:db8::/32",)),
        ('"10.0.0.1, 10.0.0.2"', ("10.0.0.1/32", "10.0.0.2/32")),
        ("[10.0.0.1, fd00::/8]", ("10.0.0.1/32", "fd00::/8")),
    ],
)
def test_addresses_of_both_families(written: str, meant: object) -> None:
    assert rule(f"action: DROP, source_ip: {written}").sources == meant
    assert rule(f"action: DROP, dest_ip: {written}").destinations == meant


@pytest.mark.parametrize("condition", ["", "source_ip: any, ", "dest_ip: 0.0.0.0/0, port: any, "])
@pytest.mark.parametrize("action", ["ACCEPT", "DROP", "LOG", "REJECT", 'LIMIT, rate: "1/s"'])
def test_no_rule_meets_every_packet(condition: str, action: str) -> None:
    found = read(f"rules:\n  - {{name: r, {condition}action: {action}}}\n")
    assert len(found.warnings) == 1
    if action in {"DROP", "REJECT"}:
        assert found.rules[0].feeds
    else:
        assert not found.rules
        assert found.left[0].reason == "has no condition, and would meet every packet"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("enabled: false", "switched off"),
        ("source_port: 53", "'source_port'"),
        ("source: 10.0.0.1", "addresses go in source_ip"),
        ("source: threat_intel, source_ip: 10.0.0.1", "write two rules"),
        ("match: {source: office}", "phage rules import"),
    ],
)
def test_a_rule_that_cannot_be_said_is_left_out_whole(more: str, reason: str) -> None:
    found = read(f"rules:\n  - {{name: r, action: DROP, port: 80, {more}}}\n")
    assert not found.rules
    assert reason in found.left[0].reason


def test_what_differs_is_noted() -> None:
    assert "the next rule is asked" in rule("action: LOG, port: 1").notes[0]
    assert rule('action: DROP, port: 1, comment: "old\\nhosts"').notes == ("old hosts",)


def test_rules_without_priority_keep_their_order() -> None:
    found = read("rules:\n  - {action: DROP, port: 1}\n  - {action: DROP, port: 2}\n")
    assert [(each.name, each.priority) for each in found.rules] == [("rule 1", 1), ("rule 2", 2)]


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        read("rules:\n  - action: NUKE\n    port: 0\n  - action: DROP\n    source_ip: here\n")
    lines = str(error.value).splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["old.yaml:2", "action"], ["old.yaml:3", "port"], ["old.yaml:5", "source_ip"],
    ]  # fmt: skip


def test_phages_own_language_is_told_apart() -> None:
    with pytest.raises(ConfigError, match="phage rules import"):
        read("rules: []\ntests: []\n")


FEEDS = """\
update_interval: 3600
threat_feeds:
  - {name: "AlienVault OTX", api_key: TOP-SECRET}
  - {name: abuse-ip-db, api_key: TOP-SECRET, update_interval: 86400}
  - {name: Spamhaus DROP}
  - {name: Our list, url: "https://lists.example/bad.txt", enabled: false}
  - {name: bad, url: "file:///etc/shadow"}
  - {name: OTX}
  - firehol
  - 7
"""


def test_feeds_are_taken_over_without_their_keys() -> None:
    found = read(FEEDS)
    assert {change.key[-1]: change.value for change in found.settings} == {
        "otx": {
            "type": "otx", "enabled": False, "every": "3600s",
            "settings": {"key_file": "/etc/phage/otx.key"},
        },
        "abuseipdb": {
            "type": "abuseipdb", "enabled": False, "every": "86400s",
            "settings": {"key_file": "/etc/phage/abuseipdb.key"},
        },
        "spamhaus": {"type": "spamhaus", "enabled": True, "every": "3600s"},
        "ourlist": {
            "type": "netset", "enabled": False, "every": "3600s",
            "settings": {"url": "https://lists.example/bad.txt"},
        },
        "firehol": {"type": "firehol", "enabled": True, "every": "3600s"},
    }  # fmt: skip
    assert [(item.line, item.what) for item in found.left] == [
        (7, "threat_feeds: 'bad'"),
        (8, "threat_feeds: 'OTX'"),
        (10, "threat_feeds: 7"),
    ]
    assert "SECRET" not in str(found)
    assert "otx.key" in found.settings[0].note


def test_halves_of_everything_are_everything() -> None:
    found = read("rules: [{name: r, source_ip: [0.0.0.0/1, 128.0.0.0/1], action: DROP}]")
    assert found.rules[0].feeds
    assert len(found.warnings) == 1
