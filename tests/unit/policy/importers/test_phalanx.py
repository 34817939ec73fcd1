"""phalanx's detector.conf: thresholds become rules, the white list the allow-list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.errors import ConfigError
from phage.policy.adoption.importing import import_text
from phage.policy.importer import Excess, Source
from phage.policy.importers.phalanx import FOREVER

if TYPE_CHECKING:
    from phage.policy.importer import Imported

FILE = """\
maxreq = 50
maxpkts = 80
maxbytes = 5000000
timeduration = 3
bantime = "120"
whitelist = [
  "192.0.2.0/24",
  "127.0.0.1/8"
]
dryrun = "false" # bans
capturemode = "netflow"
banmode = "ipset"
"""


def read(text: str) -> Imported:
    return import_text(Source("detector.conf", text))


def test_thresholds_become_rules() -> None:
    rules = read(FILE).rules
    assert [(each.line, each.action, each.excess, each.seconds) for each in rules] == [
        (1, "ban", Excess(50, "connections", 3), 120),
        (2, "ban", Excess(80, "packets", 3), 120),
        (3, "ban", Excess(5_000_000, "octets", 3), 120),
    ]


def test_the_white_list_becomes_the_allow_list() -> None:
    change = read(FILE).settings[0]
    assert (change.key, change.line) == (("policy", "allow"), 6)
    assert change.value == ["192.0.2.0/24", "127.0.0.0/8"]


def test_what_has_no_setting_is_named() -> None:
    assert {(item.line, item.what) for item in read(FILE).left} == {
        (10, "dryrun = false"), (11, 'capturemode = "netflow"'), (12, 'banmode = "ipset"'),
    }  # fmt: skip


def test_on_a_host_requests_are_packets_and_nothing_else_counts() -> None:
    found = read(FILE.replace("netflow", "host-based"))
    assert [each.excess for each in found.rules] == [Excess(50, "packets", 3)]
    assert {"maxpkts = 80", "maxbytes = 5000000"} <= {item.what for item in found.left}


def test_keys_in_any_case_and_numbers_as_text() -> None:
    found = read('MaxReq = "7"\nTimeDuration = 1\nBANTIME = 60\n')
    assert found.rules[0].excess == Excess(7, "connections", 1)
    assert found.rules[0].line == 1


def test_a_ban_without_end_gets_one() -> None:
    found = read('maxreq = 1\ntimeduration = 1\nbantime = "0"\n')
    assert found.rules[0].seconds == FOREVER
    assert found.warnings == ("detector.conf:3: a ban without end becomes one of 7 days",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("maxreq = 0\ntimeduration = 1\nbantime = 1\n", "whoever sends a packet"),
        ("maxreq = 5\nbantime = 1\n", "needs timeduration"),
        ("maxreq = 5\ntimeduration = 1\n", "needs bantime"),
        ("maxreq = 5\ntimeduration = -1\nbantime = 1\n", "no time at all"),
        ('whitelist = ["0.0.0.0/0"]\n', "everything would be allowed"),
        ('maxreq = 0\n[limits]\nx = "y"\n', "knows no such key"),
        ('banmode = "trigger"\n', "style: phalanx"),
    ],
)
def test_what_makes_no_sense_is_left_out_with_the_reason(text: str, reason: str) -> None:
    found = read(text)
    assert not found.rules
    assert reason in " ".join(item.reason for item in found.left)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        read('maxreq = "many"\ntimeduration = 1.5\nbantime = -1\nwhitelist = ["x"]\ndryrun = 7\n')
    lines = str(error.value).splitlines()
    assert sorted(line.split(": ")[0] for line in lines) == [
        f"detector.conf:{line}" for line in (1, 2, 3, 4, 5)
    ]
