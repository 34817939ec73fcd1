"""The rules in force: applied, on trial, confirmed, taken back; also over a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phage.config.settings import PolicySettings, Settings
from phage.config.statedir import StateDirectory
from phage.daemon.rulebook import FACTS_SECONDS, Rulebook, RulebookError, rule_files
from phage.errors import PhageError
from phage.policy.facts import StaticFacts
from phage.testing.records import EPOCH, SECOND, make_finding

if TYPE_CHECKING:
    from phage.records.packetrule import PacketRules

BAN = """
rules:
  - {name: Ban, match: {finding: portscan}, mode: enforce, action: ban}
"""
TELL = """
rules:
  - {name: Tell, match: {finding: portscan}, mode: enforce, action: notify}
  - {name: No mail, match: {service: tcp/25}, mode: enforce, action: drop}
"""
NIGHT = """
zone: UTC
rules:
  - name: Night
    match: {service: tcp/25, time: {from: "22:00", to: "23:00"}}
    mode: enforce
    action: drop
"""


@dataclass
class Kernel:
    """Takes packet rules; fails when it is told to."""

    calls: list[str] = field(default_factory=list)
    rules: PacketRules | None = None
    fails: bool = False

    def apply(self, rules: PacketRules, confirm: float) -> None:
        if self.fails:
            message = "the kernel refuses"
            raise PhageError(message)
        self.calls.append(f"apply {confirm:g}")
        self.rules = rules

    def confirm(self) -> None:
        self.calls.append("confirm")

    def roll_back(self) -> None:
        self.calls.append("roll back")


@dataclass
class Desk:
    """Rule files in a folder, and a rulebook over them."""

    folder: Path
    kernel: Kernel = field(default_factory=Kernel)
    facts: StaticFacts = field(default_factory=StaticFacts)

    def write(self, text: str) -> None:
        (self.folder / "rules.yaml").write_text(text, encoding="utf-8")

    def open(self) -> Rulebook:
        return Rulebook(
            lambda: [self.folder / "rules.yaml"],
            self.folder / "kept",
            lambda: self.facts,
            self.kernel,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.write(BAN)
    return made


def wants(book: Rulebook) -> list[str]:
    return [intent.rule for intent in book.decide(make_finding(1), EPOCH)]


def test_rules_are_asked_from_the_start(desk: Desk) -> None:
    book = desk.open()
    assert wants(book) == []
    book.start(EPOCH)
    assert wants(book) == ["Ban"]
    assert desk.kernel.calls == ["apply 0"]


def test_a_changed_file_counts_when_it_is_applied(desk: Desk) -> None:
    book = desk.open()
    book.start(EPOCH)
    desk.write(TELL)
    assert wants(book) == ["Ban"]
    book.apply(EPOCH, 0.0)
    assert wants(book) == ["Tell"]
    assert desk.kernel.rules is not None
    assert [rule.name for rule in desk.kernel.rules.rules] == ["No mail"]


@pytest.mark.parametrize("text", ["rules: [", "rules:\n  - {name: A, action: ban}\n", "x: 1\n"])
def test_a_fault_in_the_files_changes_nothing(desk: Desk, text: str) -> None:
    book = desk.open()
    book.start(EPOCH)
    desk.write(text)
    with pytest.raises(PhageError, match=r"rules\.yaml"):
        book.apply(EPOCH, 0.0)
    assert wants(book) == ["Ban"]
    assert desk.kernel.calls == ["apply 0"]


@pytest.mark.parametrize("text", ["rules: [", "x: 1\n"])
def test_a_start_with_a_fault_in_the_files_takes_up_what_was_confirmed(
    desk: Desk, text: str
) -> None:
    desk.write(TELL)
    desk.open().start(EPOCH)
    desk.write(text)
    book = desk.open()
    book.start(EPOCH)
    book.tick(EPOCH + (FACTS_SECONDS + 1) * SECOND)
    assert wants(book) == ["Tell"]
    assert desk.kernel.rules is not None
    assert [rule.name for rule in desk.kernel.rules.rules] == ["No mail"]
    assert "rules.yaml" in book.fault
    desk.write(BAN)
    book.apply(EPOCH, 0.0)
    assert not book.fault


def test_a_start_without_any_rules_that_can_be_read_leaves_the_kernel_alone(desk: Desk) -> None:
    desk.write("rules: [")
    book = desk.open()
    book.start(EPOCH)
    book.tick(EPOCH + (FACTS_SECONDS + 1) * SECOND)
    assert desk.kernel.calls == []
    assert "rules.yaml" in book.fault
    desk.write(BAN)
    book.apply(EPOCH, 60.0)
    assert wants(book) == ["Ban"]
    book.tick(EPOCH + 61 * SECOND)
    assert desk.kernel.calls == ["apply 60"]
    assert "rules.yaml" in book.fault
    book.apply(EPOCH, 0.0)
    assert desk.kernel.calls == ["apply 60", "apply 0"]
    assert not book.fault


def test_a_panic_while_rules_come_into_force_takes_them_out(desk: Desk) -> None:
    desk.write(TELL)
    book = desk.open()
    apply = desk.kernel.apply

    def slow(rules: PacketRules, confirm: float) -> None:
        apply(rules, confirm)
        book.held = True

    desk.kernel.apply = slow  # type: ignore[method-assign]
    book.start(EPOCH)
    assert desk.kernel.rules is not None
    assert desk.kernel.rules.rules == ()


def test_a_test_that_fails_keeps_the_rules_out(desk: Desk) -> None:
    book = desk.open()
    book.start(EPOCH)
    case = "{detector: portscan, source: 203.0.113.9}"
    desk.write(TELL + f"tests:\n  - {{finding: {case}, expect: ban}}\n")
    with pytest.raises(RulebookError, match=r"rules\.yaml:\d+"):
        book.apply(EPOCH, 0.0)
    assert wants(book) == ["Ban"]


def test_a_fault_of_the_kernel_changes_nothing(desk: Desk) -> None:
    book = desk.open()
    book.start(EPOCH)
    desk.write(TELL)
    desk.kernel.fails = True
    for confirm in (0.0, 60.0):
        with pytest.raises(PhageError, match="kernel refuses"):
            book.apply(EPOCH, confirm)
    assert wants(book) == ["Ban"]
    assert not (desk.folder / "kept" / "on-trial").exists()


def test_rules_on_trial_are_taken_back_when_nobody_confirms(desk: Desk) -> None:
    book = desk.open()
    book.start(EPOCH)
    desk.write(TELL)
    book.apply(EPOCH, 60.0)
    assert wants(book) == ["Tell"]
    book.tick(EPOCH + 59 * SECOND)
    assert wants(book) == ["Tell"]
    book.tick(EPOCH + 60 * SECOND)
    assert wants(book) == ["Ban"]
    with pytest.raises(RulebookError, match="no rules wait"):
        book.confirm(EPOCH + 61 * SECOND)


def test_rules_that_are_confirmed_stay(desk: Desk) -> None:
    book = desk.open()
    book.start(EPOCH)
    desk.write(TELL)
    book.apply(EPOCH, 60.0)
    book.confirm(EPOCH + SECOND)
    book.tick(EPOCH + 99 * SECOND)
    assert wants(book) == ["Tell"]
    assert "confirm" in desk.kernel.calls
    again = desk.open()
    again.start(EPOCH)
    assert wants(again) == ["Tell"]


def test_a_second_trial_goes_back_to_what_was_confirmed(desk: Desk) -> None:
    book = desk.open()
    book.start(EPOCH)
    desk.write(TELL)
    book.apply(EPOCH, 60.0)
    desk.write(BAN.replace("Ban", "Other"))
    book.apply(EPOCH + SECOND, 60.0)
    assert wants(book) == ["Other"]
    book.roll_back(EPOCH + 2 * SECOND)
    assert wants(book) == ["Ban"]
    with pytest.raises(RulebookError, match="on trial"):
        book.roll_back(EPOCH + 3 * SECOND)


def test_a_restart_takes_up_only_what_was_confirmed(desk: Desk) -> None:
    book = desk.open()
    book.start(EPOCH)
    desk.write(TELL)
    book.apply(EPOCH, 60.0)
    again = desk.open()
    again.start(EPOCH + SECOND)
    assert wants(again) == ["Ban"]
    again.apply(EPOCH + 2 * SECOND, 0.0)
    assert wants(again) == ["Tell"]


def test_what_is_kept_is_what_was_examined_not_what_the_files_say_by_then(desk: Desk) -> None:
    book = desk.open()
    book.start(EPOCH)
    desk.write(TELL)
    book.apply(EPOCH, 60.0)
    desk.write(BAN.replace("Ban", "Unexamined"))
    book.confirm(EPOCH + SECOND)
    desk.write("rules: [")
    again = desk.open()
    again.start(EPOCH)
    assert wants(again) == ["Tell"]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_while_rules_are_kept_leaves_those_of_before_or_of_after(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    book = desk.open()
    book.start(EPOCH)
    desk.write(TELL)
    book.apply(EPOCH, 60.0)
    left = [renames]
    rename = Path.rename

    def dying(path: Path, target: Path) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dying)
        with pytest.raises(KeyboardInterrupt):
            book.confirm(EPOCH + SECOND)
    desk.write("rules: [")
    again = desk.open()
    again.start(EPOCH)
    assert wants(again) == (["Tell"] if renames == 2 else ["Ban"])


def test_rules_are_compiled_anew_when_a_window_opens_and_closes(desk: Desk) -> None:
    desk.write(NIGHT)
    book = desk.open()
    evening = EPOCH - EPOCH % (86_400 * SECOND) + 21 * 3600 * SECOND
    book.start(evening)
    names = []
    for minute in range(0, 180, 10):
        book.tick(evening + minute * 60 * SECOND)
        assert desk.kernel.rules is not None
        names.append([rule.name for rule in desk.kernel.rules.rules])
    assert names == [[]] * 6 + [["Night"]] * 6 + [[]] * 6
    assert desk.kernel.calls == ["apply 0"] * 3


def test_the_kernel_is_left_alone_while_nothing_changes(desk: Desk) -> None:
    book = desk.open()
    book.start(EPOCH)
    for turn in range(1, 10):
        book.tick(EPOCH + turn * FACTS_SECONDS * SECOND)
    assert desk.kernel.calls == ["apply 0"]


def test_what_the_kernel_refused_is_tried_again(desk: Desk) -> None:
    desk.kernel.fails = True
    book = desk.open()
    book.start(EPOCH)
    assert book.fault == "the kernel refuses"
    desk.kernel.fails = False
    book.tick(EPOCH + FACTS_SECONDS * SECOND)
    assert book.fault == ""
    assert desk.kernel.calls == ["apply 0"]


def test_nothing_is_brought_into_force_while_the_panic_switch_is_on(desk: Desk) -> None:
    book = desk.open()
    book.held = True
    book.start(EPOCH)
    assert desk.kernel.calls == []
    with pytest.raises(RulebookError, match="panic"):
        book.apply(EPOCH, 0.0)
    book.held = False
    book.renew()
    book.tick(EPOCH + SECOND)
    assert desk.kernel.calls == ["apply 0"]


def test_where_there_are_no_rules_those_for_a_home_are_asked(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    (path,) = rule_files(Settings(), state)
    assert path.name == "home.yaml"
    state.rules.mkdir()
    (state.rules / "a.yaml").write_text(BAN, encoding="utf-8")
    assert rule_files(Settings(), state) == [state.rules]
    named = Settings(policy=PolicySettings(rules=(tmp_path / "x.yaml",)))
    assert rule_files(named, state) == [tmp_path / "x.yaml"]
