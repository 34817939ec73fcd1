"""fastnetmon.conf becomes thresholds, groups, lists and rules; the rest is told line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.config.load import load_settings
from phage.policy.adoption.adopting import adopt
from phage.policy.adoption.importing import import_file
from phage.policy.adoption.keyvalues import MAX_TOLD
from phage.policy.importer import Source
from phage.policy.importers.fastnetmon import FastNetMon
from phage.policy.reading.reader import read_rules
from phage.policy.rule import Mode

if TYPE_CHECKING:
    from pathlib import Path

    from phage.policy.importer import Imported

BASE = """\
# As it is shipped, in short.
enable_ban = on
ban_time = 1900
unban_only_if_attack_finished = on
networks_list_path = /etc/networks_list
white_list_path = /etc/networks_whitelist
ban_for_pps = on
ban_for_bandwidth = on
ban_for_flows = off
threshold_pps = 20000
threshold_mbps = 1000
threshold_flows = 3500
average_calculation_time = 5
"""

BOTH = """\
netflow = on
netflow_port = 2055,9995
netflow_host = ::
netflow_sampling_ratio = 100
"""


def read(text: str) -> Imported:
    return FastNetMon().read(Source("fastnetmon.conf", text))


def settings(text: str) -> dict[str, object]:
    return {".".join(map(str, each.key)): each.value for each in read(text).settings}


def left(text: str) -> list[tuple[int, str]]:
    return [(each.line, each.what) for each in read(text).left]


def test_thresholds_that_are_on_are_taken_over() -> None:
    assert settings(BASE)["volumes.thresholds"] == [
        {"packets": 20000, "bits": 1_000_000_000, "seconds": 5}
    ]
    more = (
        "ban_for_udp_pps = on\nthreshold_udp_pps = 9000\naverage_calculation_time = 1\n"
        "process_outgoing_traffic = off\nban_for_tcp_syn_pps = on\nthreshold_tcp_syn_pps = 700\n"
    )
    assert settings(BASE.replace("average_calculation_time = 5\n", more))["volumes.thresholds"] == [
        {"direction": "in", "packets": 20000, "bits": 1_000_000_000, "seconds": 1},
        {"vector": "udp", "direction": "in", "packets": 9000, "seconds": 1},
        {"vector": "syn", "direction": "in", "packets": 700, "seconds": 1},
    ]


def test_groups_have_their_own_and_those_that_are_never_banned_are_spared() -> None:
    text = BASE + (
        "hostgroup = games:198.51.100.64/26,198.51.100.200/32\n"
        "games_enable_ban = on\ngames_ban_for_pps = on\ngames_threshold_pps = 150000\n"
        "hostgroup = quiet:198.51.100.7/32\nquiet_enable_ban = off\nquiet_ban_for_pps = on\n"
        "other_threshold_pps = 5\nhostgroup = wrong\n"
    )
    found = settings(text)
    assert found["volumes.groups"] == [
        {
            "name": "games",
            "networks": ["198.51.100.64/26", "198.51.100.200/32"],
            "thresholds": [{"packets": 150000, "seconds": 5}],
        }
    ]
    assert found["volumes.spare"] == ["198.51.100.7/32"]
    told = left(text)
    assert (21, "other_threshold_pps = 5") in told
    assert (22, "hostgroup = wrong") in told


def test_a_ban_of_the_host_becomes_two_rules_in_dry_run() -> None:
    text = BASE + "exabgp = on\nexabgp_next_hop = 192.0.2.1\nexabgp_community = 65001:666\n"
    made = adopt(read(text), "fastnetmon.conf", (), "", "phage.yaml")
    received, sent = read_rules(made.rules, "rules.yaml").rules
    assert {received.mode, sent.mode} == {Mode.DRY_RUN}
    assert (received.target, received.responders) == ("victim", ("rtbh",))
    assert (sent.target, sent.responders) == ("source", ())
    assert received.duration.first == 1900
    told = next(each for each in made.left if each.what == "exabgp = on")
    assert "next_hop4: 192.0.2.1, communities: 65001:666" in told.reason


def test_a_ban_without_end_ends() -> None:
    found = read(BASE.replace("ban_time = 1900", "ban_time = 0"))
    assert [rule.seconds for rule in found.rules] == [7 * 86_400] * 2
    assert found.warnings == ("fastnetmon.conf:3: a ban without end becomes one of 7 days",)


def test_without_bans_thresholds_stay() -> None:
    found = read(BASE.replace("enable_ban = on", "enable_ban = off"))
    assert not found.rules
    assert found.left[0].what == "enable_ban = off"
    assert any(each.key == ("volumes", "thresholds") for each in found.settings)


def test_only_on_is_on() -> None:
    found = read(BASE.replace("ban_for_flows = off", "ban_for_flows = yes"))
    assert found.warnings == (
        "fastnetmon.conf:9: ban_for_flows = yes: is off, since it is not `on`",
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            BOTH,
            {
                "collect.flows.netflow": ["[::]:2055", "[::]:9995"],
                "collect.flows.exporters": [
                    {"address": "0.0.0.0/0", "sampling": 100},
                    {"address": "::/0", "sampling": 100},
                ],
                "capture.enabled": False,
            },
        ),
        ("sflow = on", {"collect.flows.sflow": ["0.0.0.0:6343"], "capture.enabled": False}),
        (
            "mirror_afpacket = on\ninterfaces = eth3,eth4\nsflow = on",
            {
                "collect.flows.sflow": ["0.0.0.0:6343"],
                "capture.mode": "host",
                "interfaces": ["eth3", "eth4"],
            },
        ),
        (
            "influxdb = on\ninfluxdb_host = 192.0.2.9\ninfluxdb_database = x",
            {"outputs.influx.url": "http://192.0.2.9:8086/write?db=x"},
        ),
        ("netflow = off\nsflow = off\ninfluxdb = off\ninterfaces = eth3", {}),
    ],
)
def test_where_traffic_comes_from_and_where_figures_go(
    lines: str, expected: dict[str, object]
) -> None:
    assert settings(lines) == expected


def test_what_is_not_understood_is_told_by_its_line() -> None:
    text = (
        "nonsense\nthreshold_pps = many\nban_for_pps = on\nthreshold_mbps = 5 # five\n"
        "kafka_traffic_export = on\nkafka_traffic_export_topic = x\nnew_key = 1\nban_time =\n"
        "interfaces = a/b\npcap = on\nban_for_pps = on\n"
    )
    assert left(text) == [
        (1, "nonsense"),
        (2, "threshold_pps = many"),
        (3, "ban_for_pps = on"),
        (4, "threshold_mbps = 5 # five"),
        (5, "kafka_traffic_export = on"),
        (7, "new_key = 1"),
        (8, "ban_time"),
        (9, "interfaces = a/b"),
    ]


def test_lists_of_networks_are_read_beside_the_file(tmp_path: Path) -> None:
    file = tmp_path / "fastnetmon.conf"
    file.write_text(BASE)
    (tmp_path / "networks_list").write_text("# Ours.\n198.51.100.0/24\n2001:db8::/32\nx\n0.0.0.0/0")
    found = import_file(file)
    assert found.program == "FastNetMon"
    assert [each.value for each in found.settings if each.key == ("home",)] == [
        ["198.51.100.0/24", "2001:db8::/32"]
    ]
    reasons = [each.reason for each in found.left if each.line == 5]
    assert [reason.split(": ")[0] for reason in reasons] == [
        f"{tmp_path / 'networks_list'}:4",
        f"{tmp_path / 'networks_list'}:5",
    ]


def test_who_only_sends_the_text_cannot_have_other_files_read() -> None:
    reasons = [each.reason for each in read(BASE).left if each.line in {5, 6}]
    assert len(reasons) == 2
    assert all("cannot be read from here" in reason for reason in reasons)


def test_all_that_is_taken_over_is_a_setting(tmp_path: Path) -> None:
    for name in ("networks_list", "networks_whitelist"):
        (tmp_path / name).write_text("198.51.100.0/24\n2001:db8::/32\n")
    file = tmp_path / "fastnetmon.conf"
    file.write_text(
        BASE
        + "netflow = on\nsflow = on\nnetflow_sampling_ratio = 50\ninfluxdb = on\n"
        + "hostgroup = games:198.51.100.64/26\ngames_ban_for_pps = on\ngames_threshold_pps = 9\n"
    )
    imported = import_file(file)
    made = adopt(imported, str(file), (), "# Mine.\n", "phage.yaml")
    assert not [each.what for each in made.left if "." in each.what.split(" ")[0]]
    (tmp_path / "phage.yaml").write_text(made.after)
    loaded = load_settings(tmp_path / "phage.yaml")
    assert len(loaded.volumes.records()) == 4 + 2
    assert loaded.policy.allow == ("198.51.100.0/24", "2001:db8::/32")


def test_a_file_of_rubbish_is_told_in_short() -> None:
    found = read("rubbish\n" * 30_000)
    assert len(found.left) <= MAX_TOLD + 2
    assert "more" in found.left[-1].what


KEYS = st.sampled_from(
    [*(line.split(" = ")[0] for line in BASE.splitlines()[1:]), "hostgroup", "netflow", "sflow",
     "netflow_port", "netflow_host", "interfaces", "pcap", "exabgp", "games_threshold_pps",
     "notify_script_path"]
)  # fmt: skip


@given(st.lists(st.tuples(KEYS, st.text(max_size=20) | st.just("on")), max_size=20))
def test_any_text_is_read(lines: list[tuple[str, str]]) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in lines)
    assert FastNetMon().claims(Source("x", text)) <= len(text.splitlines())
    made = adopt(read(text), "x", (), "", "phage.yaml")
    assert all(rule.mode is Mode.DRY_RUN for rule in read_rules(made.rules, "x").rules)
