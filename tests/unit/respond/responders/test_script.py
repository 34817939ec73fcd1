"""The operator's program: how it is called, what becomes of it, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phage.records.decision import (
    Action,
    Decision,
    Direction,
    Pattern,
    Receipt,
    ReceiptState,
    Target,
    TargetKind,
)
from phage.respond.responders.script import Script
from phage.testing.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000
NOW = 1_750_000_000 * SECOND
NOTE = """#!/bin/sh
{ printf '%s ' "$@"; echo; } >> FOLDER/calls
cat >> FOLDER/input
"""


def ban(number: int = 7, **more: Any) -> Decision:
    usual: dict[str, Any] = {"direction": Direction.TO, "until": NOW + 90 * SECOND}
    return Decision(
        Target(TargetKind.IP, f"203.0.113.{number}"), Action.BAN, 'a "flood"; $(id)\n', 1,
        id=f"D{number}", **{**usual, **more},
    )  # fmt: skip


def program(folder: Path, text: str = NOTE, name: str = "program") -> str:
    file = folder / name
    file.write_text(text.replace("FOLDER", str(folder)), encoding="ascii")
    file.chmod(0o755)
    return str(file)


def calls(folder: Path) -> list[str]:
    file = folder / "calls"
    return [line.strip() for line in file.read_text().splitlines()] if file.exists() else []


def states(receipts: list[Receipt]) -> list[str]:
    return [str(receipt.state) for receipt in receipts]


def test_phages_own_style_says_it_all_on_the_input(tmp_path: Path) -> None:
    script = Script(path=program(tmp_path))
    decision = ban(pattern=Pattern(protocol=17, ports=((53, 53),)))
    assert states(script.apply([decision], NOW)) == ["applied"]
    assert states(script.revoke([decision], NOW)) == ["withdrawn"]
    assert calls(tmp_path) == ["apply", "revoke"]
    first, second = map(json.loads, (tmp_path / "input").read_text().splitlines())
    assert (first["version"], first["event"], second["event"]) == (1, "apply", "revoke")
    told = first["decision"]
    assert told["target"] == {"kind": "ip", "value": "203.0.113.7"}
    assert told["reason"] == decision.reason
    assert told["pattern"]["ports"] == [[53, 53]]


def test_phalanxs_style_is_address_and_seconds(tmp_path: Path) -> None:
    script = Script(path=program(tmp_path), style="phalanx")
    until = (NOW + 90 * SECOND + 1, NOW + 10**18, 0, NOW + 1)
    decisions = [ban(n, until=each) for n, each in enumerate(until)]
    decisions.append(Decision(Target(TargetKind.IP, "2001:db8::7"), Action.BAN, "", 1, id="D9"))
    assert states(script.apply(decisions, NOW)) == ["applied"] * 5
    assert states(script.revoke(decisions, NOW)) == ["withdrawn"] * 5
    assert sorted(calls(tmp_path)) == [
        "2001:db8::7 0",
        "203.0.113.0 91",
        "203.0.113.1 2147483",
        "203.0.113.2 0",
        "203.0.113.3 1",
    ]


def test_phalanxs_style_ends_by_a_program_of_its_own(tmp_path: Path) -> None:
    undo = program(tmp_path, NOTE.replace("{ ", "{ echo -n 'undo '; ", 1), "undo")
    script = Script(path=program(tmp_path), style="phalanx", undo=undo)
    script.apply([ban()], NOW)
    script.revoke([ban()], NOW)
    assert calls(tmp_path) == ["203.0.113.7 90", "undo 203.0.113.7 0"]


def test_fastnetmons_style_bans_and_unbans(tmp_path: Path) -> None:
    script = Script(path=program(tmp_path), style="fastnetmon", at_once=1)
    three = [ban(n, direction=each) for n, each in enumerate(Direction)]
    script.apply(three, NOW)
    script.revoke(three[:1], NOW)
    assert calls(tmp_path) == [
        "203.0.113.0 outgoing 0 ban",
        "203.0.113.1 incoming 0 ban",
        "203.0.113.2 other 0 ban",
        "203.0.113.0 outgoing 0 unban",
    ]


@pytest.mark.parametrize("style", ["phalanx", "fastnetmon"])
@pytest.mark.parametrize(
    "decision",
    [
        Decision(Target(TargetKind.PREFIX, "203.0.113.0/24"), Action.BAN, "", 1),
        Decision(Target(TargetKind.DOMAIN, "example.org"), Action.BAN, "", 1),
        Decision(Target(TargetKind.IP, "$(id)"), Action.BAN, "", 1),
        Decision(Target(TargetKind.IP, "fe80::1%$(id)"), Action.BAN, "", 1),
        Decision(Target(TargetKind.IP, "203.0.113.7"), Action.LIMIT, "", 1),
        Decision(Target(TargetKind.IP, "203.0.113.7"), Action.BAN, "", 1, pattern=Pattern(6)),
    ],
)
def test_older_styles_ban_single_addresses_only(style: str, decision: Decision) -> None:
    script = Script(path="/program", style=style)
    assert script.suits(decision)
    assert states(script.apply([decision], NOW)) == ["unsuited"]


def test_it_is_run_once_for_each_decision(tmp_path: Path) -> None:
    script = Script(path=program(tmp_path))
    for _ in range(2):
        assert states(script.apply([ban()], NOW)) == ["applied"]
        assert states(script.replace([ban()], NOW)) == ["applied"]
    for _ in range(2):
        assert states(script.revoke([ban()], NOW)) == ["withdrawn"]
    assert calls(tmp_path) == ["apply", "revoke"]
    assert states(script.apply([ban()], NOW)) == ["applied"]
    assert len(calls(tmp_path)) == 3


def test_a_program_that_fails_is_not_run_again_at_once(tmp_path: Path) -> None:
    script = Script(path=program(tmp_path, NOTE + "echo 'no\troute' >&2\nexit 3\n"))
    for _ in range(3):
        (receipt,) = script.apply([ban()], NOW)
        assert receipt.state is ReceiptState.FAILED
        assert receipt.detail == "ended with 3: no route"
    assert len(calls(tmp_path)) == 1
    assert states(script.revoke([ban()], NOW)) == ["withdrawn"]
    assert len(calls(tmp_path)) == 1, "what never began has no end"


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    text = "#!/bin/sh\necho working\nsleep 60 & echo $! > FOLDER/child\nwait\n"
    script = Script(path=program(tmp_path, text), timeout_s=2)
    (receipt,) = script.apply([ban()], NOW)
    assert receipt.detail == "killed after 2 s: working"
    child = (tmp_path / "child").read_text().strip()
    until("the child's end", lambda: not _runs(child))


def _runs(process: str) -> bool:
    from pathlib import Path

    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_programs_run_at_the_same_time_but_not_too_many(tmp_path: Path) -> None:
    text = """#!/bin/sh
mkdir -p FOLDER/running; : > FOLDER/running/$$
ls FOLDER/running | wc -l >> FOLDER/calls
sleep 0.1
rm FOLDER/running/$$
"""
    script = Script(path=program(tmp_path, text), at_once=3)
    assert states(script.apply([ban(n) for n in range(9)], NOW)) == ["applied"] * 9
    assert 1 < max(map(int, calls(tmp_path))) <= 3


def test_what_it_says_without_end_does_not_fill_memory(tmp_path: Path) -> None:
    script = Script(path=program(tmp_path, "#!/bin/sh\nyes | head -c 30000000\nexit 1\n"))
    (receipt,) = script.apply([ban()], NOW)
    assert receipt.detail.startswith("ended with 1: y y")
    assert len(receipt.detail) < 300


def test_it_gets_a_bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHAGE_STORE_PASSWORD", "secret")
    script = Script(path=program(tmp_path, "#!/bin/sh\nenv > FOLDER/calls\npwd >> FOLDER/calls\n"))
    script.apply([ban()], NOW)
    names = {line.partition("=")[0] for line in calls(tmp_path)}
    assert names <= {"PATH", "LANG", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "/"}
    assert calls(tmp_path)[-1] == "/"


def test_a_program_that_others_can_change_is_not_run(tmp_path: Path) -> None:
    script = Script(path=program(tmp_path), retry_s=1)
    (tmp_path / "program").chmod(0o777)
    (receipt,) = script.apply([ban(1)], NOW)
    assert receipt.detail.endswith("may be written by everybody; chmod o-w it")
    (tmp_path / "program").chmod(0o644)
    assert "chmod +x" in script.apply([ban(2)], NOW)[0].detail
    (tmp_path / "program").chmod(0o755)
    tmp_path.chmod(0o777)
    assert "written by everybody" in script.apply([ban(3)], NOW)[0].detail
    tmp_path.chmod(0o1777)
    assert states(script.apply([ban(4)], NOW)) == ["applied"]
    (tmp_path / "program").unlink()
    assert "cannot be found" in script.apply([ban(5)], NOW)[0].detail


def test_limits_hold_and_count(tmp_path: Path) -> None:
    script = Script(path=program(tmp_path), most=2, most_calls=1)
    receipts = script.apply([ban(1), ban(2)], NOW)
    assert states(receipts) == ["applied", "failed"]
    assert "most_calls" in receipts[1].detail
    assert states(script.apply([ban(1), ban(2)], NOW)) == ["applied"] * 2
    assert "2 decisions" in script.apply([ban(3)], NOW)[0].detail
    assert script.dropped == 1
    assert states(script.revoke([ban(1), ban(2)], NOW)) == ["withdrawn", "failed"]
    assert states(script.revoke([ban(1), ban(2)], NOW)) == ["withdrawn"] * 2


def test_a_restart_neither_calls_again_nor_forgets_the_end(tmp_path: Path) -> None:
    settings = {"path": program(tmp_path), "style": "fastnetmon", "journal": str(tmp_path / "j")}
    Script(**settings).apply([ban(1), ban(2), ban(3)], NOW)  # type: ignore[arg-type]
    with (tmp_path / "j").open("a", encoding="ascii") as file:
        file.write('[1]\n{"id": "D9", "argum')  # Cut by a loss of power.
    again = Script(**settings)  # type: ignore[arg-type]
    again.revoke([ban(3)], NOW)
    assert states(again.replace([ban(1)], NOW)) == ["applied"]
    assert not again.is_disturbed()
    assert sorted(calls(tmp_path))[-2:] == [
        "203.0.113.3 incoming 0 ban",
        "203.0.113.3 incoming 0 unban",
    ]
    assert len(calls(tmp_path)) == 5
    assert "203.0.113.2 incoming 0 unban" in calls(tmp_path)
    assert (tmp_path / "j").stat().st_mode & 0o077 == 0


def test_an_end_that_could_not_be_told_is_told_later(tmp_path: Path) -> None:
    undo = program(tmp_path, "#!/bin/sh\nexit 1\n", "undo")
    script = Script(path=program(tmp_path), undo=undo, retry_s=1)
    script.apply([ban()], NOW)
    script.replace([], NOW)
    assert not script.is_disturbed(), "not at once"
    program(tmp_path, NOTE, "undo")
    until("the next try", script.is_disturbed)
    script.replace([], NOW)
    assert calls(tmp_path) == ["apply", "revoke"]
    assert not script.is_disturbed()


@pytest.mark.parametrize(
    "settings",
    [
        {"style": "shell"}, {"path": "trigger.sh"}, {"undo": "~/undo"}, {"journal": "journal"},
        {"timeout_s": 0.0}, {"at_once": 0}, {"retry_s": 0.5}, {"most": 0}, {"most_calls": 0},
    ],
)  # fmt: skip
def test_wrong_settings_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(settings))}: "):
        Script(**settings)
