"""The dispatcher never waits, tells at a bounded rate, sums up, and tries again."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import pytest

from phage.clock import SystemClock
from phage.config.notify import ChannelSettings
from phage.errors import ConfigError
from phage.notify.channels import make_channels
from phage.notify.dispatch import Channel, Dispatcher
from phage.notify.notice import LONGEST_TEXT, Notice, digest, notice_of_decision, notice_of_finding
from phage.notify.notifier import NotifyError
from phage.notify.waiting import Pace
from phage.records import Finding, Severity, Subject
from phage.records.decision import Action, Decision, Target, TargetKind
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAST = Pace(a_minute=6000.0, burst=3, first_retry_s=0.01, longest_retry_s=0.02)


@dataclass
class Recorder:
    """Keeps what it is told; raises what the test wants first."""

    name: ClassVar[str] = "recorder"
    summary: ClassVar[str] = "A test."
    raises: list[Exception] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    closed: bool = False

    def check(self) -> str:
        return ""

    def tell(self, notice: Notice) -> None:
        self.asked.set()
        self.gate.wait(60)
        if self.raises:
            raise self.raises.pop(0)
        self.told.append(notice)

    def close(self) -> None:
        self.closed = True


def notice(number: int, severity: Severity = Severity.HIGH, **more: object) -> Notice:
    return Notice(f"title {number}", "text", severity, number, key=f"k{number}", **more)  # type: ignore[arg-type]


@pytest.fixture
def begin() -> Iterator[Callable[..., Dispatcher]]:
    made: list[Dispatcher] = []

    def start(*channels: Channel) -> Dispatcher:
        dispatcher = Dispatcher(channels, SystemClock())
        dispatcher.start()
        made.append(dispatcher)
        return dispatcher

    yield start
    for each in made:
        each.stop(5)


def has_told(recorder: Recorder, count: int) -> bool:
    return len(recorder.told) == count


def opened(**options: object) -> Recorder:
    recorder = Recorder(**options)  # type: ignore[arg-type]
    recorder.gate.set()
    return recorder


def test_a_notice_is_told(begin: Callable[..., Dispatcher]) -> None:
    recorder = opened()
    dispatcher = begin(Channel("ops", recorder, pace=FAST))
    assert dispatcher.tell(notice(1)) == 1
    until("what is told", lambda: recorder.told)
    assert recorder.told == [notice(1)]
    dispatcher.stop()
    assert recorder.closed


def test_names_and_severities_choose_channels(begin: Callable[..., Dispatcher]) -> None:
    loud, quiet = opened(), opened()
    dispatcher = begin(
        Channel("loud", loud, pace=FAST),
        Channel("quiet", quiet, least=Severity.CRITICAL, pace=FAST, always=False),
    )
    assert dispatcher.tell(notice(1)) == 1
    assert dispatcher.tell(notice(2), ["quiet", "none"]) == 0
    assert dispatcher.tell(notice(3, Severity.CRITICAL), ["quiet"]) == 1
    assert dispatcher.tell(notice(4, closed=True)) == 0
    assert dispatcher.unknown == 1
    until("what is told", lambda: loud.told and quiet.told)


def test_a_flood_becomes_a_digest(begin: Callable[..., Dispatcher]) -> None:
    recorder = Recorder()
    pace = Pace(a_minute=6000.0, burst=3, waiting=20)
    dispatcher = begin(Channel("ops", recorder, pace=pace))
    dispatcher.tell(notice(-1))
    assert recorder.asked.wait(60)
    for number in range(1000):
        dispatcher.tell(notice(number))
    assert not recorder.told  # The notifier stands still all the while.
    recorder.gate.set()
    until("what is told", lambda: len(recorder.told) >= 2)
    assert len(recorder.told) < 10
    assert "more" in recorder.told[-1].text
    assert dispatcher.counters()["ops.left_out"] >= 900


def test_the_same_is_told_once_unless_it_is_worse(begin: Callable[..., Dispatcher]) -> None:
    recorder = opened()
    dispatcher = begin(Channel("ops", recorder, pace=FAST, closed=True))
    for severity, messages in (
        (Severity.LOW, 1), (Severity.LOW, 1), (Severity.HIGH, 2), (Severity.MEDIUM, 2),
    ):  # fmt: skip
        dispatcher.tell(notice(1, severity))
        until("what is told", partial(has_told, recorder, messages))
    dispatcher.tell(notice(1, Severity.LOW, closed=True))
    until("what is told", lambda: len(recorder.told) == 3)
    assert [each.severity for each in recorder.told] == [
        Severity.LOW, Severity.HIGH, Severity.LOW,
    ]  # fmt: skip
    assert dispatcher.counters()["ops.repeated"] == 2


def test_what_fails_is_tried_again(begin: Callable[..., Dispatcher]) -> None:
    recorder = opened(raises=[NotifyError("busy"), NotifyError("busy")])
    dispatcher = begin(Channel("ops", recorder, pace=FAST))
    dispatcher.tell(notice(1))
    until("what is told", lambda: recorder.told)
    until("what is told", lambda: not dispatcher.faults())
    assert dispatcher.counters()["ops.retries"] == 2


@pytest.mark.parametrize("error", [NotifyError("wrong password", retry=False), ZeroDivisionError()])
def test_what_cannot_work_is_given_up(begin: Callable[..., Dispatcher], error: Exception) -> None:
    recorder = opened(raises=[error])
    dispatcher = begin(Channel("ops", recorder, pace=FAST))
    dispatcher.tell(notice(1))
    until("a fault", dispatcher.faults)
    dispatcher.tell(notice(2))
    until("what is told", lambda: recorder.told)
    assert dispatcher.counters()["ops.failed"] == 1


def test_one_that_stands_still_delays_no_other(begin: Callable[..., Dispatcher]) -> None:
    stuck, well = Recorder(), opened()
    dispatcher = begin(Channel("stuck", stuck, pace=FAST), Channel("well", well, pace=FAST))
    dispatcher.tell(notice(1))
    until("what is told", lambda: well.told)
    assert not stuck.told
    stuck.gate.set()


def test_stopping_tells_what_waits(begin: Callable[..., Dispatcher]) -> None:
    recorder = opened()
    dispatcher = begin(Channel("ops", recorder, pace=Pace(a_minute=0.001, burst=1)))
    dispatcher.tell(notice(0))
    until("what is told", lambda: recorder.told)
    for number in range(1, 5):
        dispatcher.tell(notice(number))
    dispatcher.stop()
    assert [each.key for each in recorder.told] == ["k0", "digest"]


def test_a_digest_shows_the_worst_and_counts_the_rest() -> None:
    many = [notice(number, Severity.LOW) for number in range(20)]
    made = digest([*many, notice(99, Severity.CRITICAL)], left_out=12)
    assert made.title.startswith("33 notices, the worst: title 99")
    assert "… and 28 more" in made.text
    assert len(made.text) <= LONGEST_TEXT


def test_notices_of_findings_and_decisions_are_safe_to_show() -> None:
    finding = Finding(
        "loginfail", "k", Severity.HIGH, 0.9, Subject(ip="192.0.2.7"), "a\x1b[2Jb\n", 1, 2, id="f1"
    )
    told = notice_of_finding(finding)
    assert told.key == "finding/f1"
    assert told.text.isprintable()
    decision = Decision(
        Target(TargetKind.IP, "192.0.2.7"), Action.BAN, "guessed\u202e.", 1, 10**18, id="d1",
        dry_run=True,
    )  # fmt: skip
    told = notice_of_decision(decision)
    assert "(dry run)" in told.title
    assert "would be" in told.text
    assert told.text.isprintable()


def test_a_decision_that_was_not_carried_out_is_said_once() -> None:
    mac = "02:00:5e:00:53:17"
    reason = f"would have banned device {mac}: {mac} tried 100 ports; not done: dry run"
    target = Target(TargetKind.DEVICE, mac)
    decision = Decision(target, Action.BAN, reason, 1, dry_run=True)
    assert notice_of_decision(decision).text == (
        f"{mac} would be under ban: {mac} tried 100 ports; not done: dry run."
    )
    bare = replace(decision, reason="asked by hand")
    assert notice_of_decision(bare).text == f"{mac} would be under ban: asked by hand."


def test_channels_of_settings() -> None:
    settings = ChannelSettings(type="webhook", settings={"url": "https://x.example/"}, a_minute=2)
    (channel,) = make_channels({"ops": settings})
    assert (channel.name, channel.pace.a_minute) == ("ops", 2.0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"type": "pigeon"}, "there is no 'pigeon'"),
        ({"type": "webhook"}, "url or url_file is not set"),
        ({"type": "webhook", "settings": {"urll": "x"}}, "urll: no such setting"),
        ({"type": "syslog", "settings": {"facility": "x"}}, "facility"),
    ],
)
def test_wrong_settings_say_what_is_wrong(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_channels({"ops": ChannelSettings.model_validate(settings)})


def test_a_test_is_told_past_all_that_waits(begin: Callable[..., Dispatcher]) -> None:
    recorder = opened()
    slow = Pace(gather_s=3600.0)
    dispatcher = begin(Channel("ops", recorder, least=Severity.CRITICAL, pace=slow))
    dispatcher.probe("ops")
    assert recorder.told[0].title == "Test of phage"
    recorder.raises.append(NotifyError("no such door"))
    with pytest.raises(NotifyError, match="no such door"):
        dispatcher.probe("ops")
    assert dispatcher.faults() == {"ops": "no such door"}
    dispatcher.probe("ops")
    assert dispatcher.faults() == {}
    with pytest.raises(NotifyError, match="there are ops"):
        dispatcher.probe("other")


def test_what_waits_for_a_digest_is_told_when_phage_stops(
    begin: Callable[..., Dispatcher],
) -> None:
    recorder = opened()
    dispatcher = begin(Channel("ops", recorder, pace=Pace(gather_s=86_400.0)))
    for number in range(3):
        dispatcher.tell(notice(number))
    dispatcher.stop()
    (told,) = recorder.told
    assert told.title.startswith("3 notices")
