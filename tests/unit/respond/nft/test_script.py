"""Scripts of a swap, what nft says of them, and what is kept on disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phage.errors import StateError
from phage.records.packetrule import Hook, PacketAction, PacketRule, PacketRules
from phage.respond.nft import saved, surroundings
from phage.respond.nft.names import RuleSetError
from phage.respond.nft.program import explain
from phage.respond.nft.render import compose
from phage.respond.nft.script import NOTHING, Standing, swap, whole

if TYPE_CHECKING:
    from pathlib import Path

RULE = PacketRule("web", PacketAction.DROP, frozenset({Hook.FORWARD}), vlans=(5,))
ONE = compose(PacketRules((RULE,)), "a")
OTHER = compose(PacketRules(defaults=((Hook.INPUT, PacketAction.DROP),)), "b")


def test_a_swap_removes_what_is_not_wanted_and_nothing_else() -> None:
    standing = Standing(
        chains=frozenset({"forward", "rule_a_forward", "ban_forward"}),
        sets=frozenset({"ban4", "rule_set4_feed_1", "rule_trial"}),
        objects=frozenset({("counter", "rule_default_input"), ("counter", "rule_counter_x_1")}),
    )
    text = swap(OTHER, None, standing, {}).text
    removed = [line for line in text.splitlines() if line.startswith(("flush", "delete"))]
    assert removed == [
        "flush chain inet phage forward",
        "flush chain inet phage rule_a_forward",
        "delete chain inet phage forward",
        "delete chain inet phage rule_a_forward",
        "delete set inet phage rule_set4_feed_1",
        "delete set inet phage rule_trial",
        "delete counter inet phage rule_counter_x_1",
    ]
    assert "counter rule_default_input {" not in text, "what stands is not defined again"


def test_on_trial_both_rule_sets_stand() -> None:
    text = swap(ONE, (OTHER, 1500), NOTHING, {5: ("eth0.5",)}).text
    assert 'elements = {\n\t\t"eth0.5",' in text
    assert "elements = { ipv4 timeout 1500ms, ipv6 timeout 1500ms }" in text
    assert "meta nfproto @rule_trial goto rule_b_input" in text
    # A hook where the new rules say nothing is not left to the old ones.
    assert "meta nfproto @rule_trial accept\n\t\tgoto rule_a_forward" in text


def test_nothing_is_wanted() -> None:
    assert swap(None, None, NOTHING, {}).text == "add table inet phage\ntable inet phage {\n}\n"


def test_an_error_names_the_rule() -> None:
    script = whole(ONE)
    number = next(at for at, line in enumerate(script.lines, 1) if line.rule)
    stderr = f"/dev/stdin:{number}:3-9: Error: syntax error\n\t\tiifname\n\t\t^^^\n"
    assert explain(script, stderr) == "rule 'web' is refused: syntax error"
    assert explain(script, "/dev/stdin:1:1-2: Error: bad").startswith(
        "the rule set is refused: bad"
    )
    assert "CAP_NET_ADMIN" in explain(script, "Error: Could not: Operation not permitted")
    assert explain(script, "") == "the rule set is refused: nft gives no reason"
    assert script.rule_at(0) == script.rule_at(10_000) == ""


def test_the_state_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    assert saved.load(path) == saved.Saved()
    state = saved.Saved(standing=ONE, previous=None, trial=OTHER, until=7, loose="1")
    saved.save(path, state)
    assert saved.load(path) == state
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 9}', "cut", "changed"])
def test_a_damaged_state_is_put_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "rules.json"
    saved.save(path, saved.Saved(standing=ONE))
    text = path.read_text(encoding="utf-8")
    if damage == "changed":
        document = json.loads(text)
        document["state"] = document["state"].replace("drop", "accept")
        damage = json.dumps(document)
    path.write_text(text[: len(text) // 2] if damage == "cut" else damage, encoding="utf-8")
    with pytest.raises(StateError, match="is damaged"):
        saved.load(path)
    assert saved.load(path) == saved.Saved()
    assert path.with_suffix(".damaged").exists()


def test_vlans_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(
        "VLAN Dev name\t | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n"
        "eth0.5         | 5  | eth0\nguests         | 7  | eth0\neth1.5         | 5  | eth1\n",
        encoding="ascii",
    )
    assert surroundings.vlan_interfaces(path) == {5: ("eth0.5", "eth1.5"), 7: ("guests",)}
    assert surroundings.vlan_interfaces(tmp_path / "none") == {}


def test_the_kernel_is_set_up_for_the_syn_proxy_and_back(tmp_path: Path) -> None:
    loose, cookies = tmp_path / "loose", tmp_path / "cookies"
    loose.write_text("1\n", encoding="ascii")
    cookies.write_text("0\n", encoding="ascii")
    before = surroundings.make_strict(loose, cookies)
    assert (loose.read_text("ascii"), cookies.read_text("ascii")) == ("0", "1")
    surroundings.make_loose(before, loose)
    assert loose.read_text("ascii") == "1"
    with pytest.raises(RuleSetError, match="nf_conntrack_tcp_loose=0"):
        surroundings.make_strict(tmp_path / "absent", cookies)
