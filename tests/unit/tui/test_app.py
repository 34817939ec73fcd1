from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import DataTable, Input, Label, TabbedContent

from phage.errors import PhageError
from phage.testing.waiting import PATIENCE
from phage.tui.app import TopApp, status_line
from phage.tui.dialogs import BanForm, Confirm, Details, LabelForm
from phage.tui.panels import Panel
from phage.tui.source import View

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.pilot import Pilot
    from textual.screen import Screen

BAN = {
    "id": "01ABC", "target": "203.0.113.9", "packets": 12_345, "octets": 9_000_000, "rule": "Scans",
    "by": "rule", "until": "2026-01-02T03:04:05.000000Z", "reason": "tried 100 ports",
}  # fmt: skip
HOST = {"ip": "192.168.1.5", "mac": "02:00:00:00:00:05", "device": True, "packets": 9, "octets": 90}
FINDING = {
    "id": "f1", "last_seen": "2026-01-02T03:04:05.000000Z", "severity": "high", "state": "open",
    "label": "", "detector": "portscan", "subject": "192.168.1.7", "packets": 3,
    "summary": "bad [red]\x1b[31m name",
}  # fmt: skip
AT = 1_767_323_045
"""The second in which it is looked: 2026-01-02T03:04:05Z."""
VIEW = View(
    "2026-01-02T03:04:05.000000Z",
    live={
        "packets_a_second": 1500.0, "octets_a_second": 125_000.0, "learning": True,
        "rates": [[AT - 9, 10, 1000], [AT - 2, 20, 2000]], "bans": [BAN], "sources": [HOST],
        "destinations": [HOST], "drops": {"windows_dropped": 0, "store_dropped": 4},
    },
    status={"in_force": 1, "enforce": True, "panic": False},
    findings=(FINDING,),
    findings_open=1,
    devices=({**HOST, "device": HOST["mac"], "name": "Camera", "last_seen": FINDING["last_seen"]},),
)  # fmt: skip


@dataclass
class FakeSource:
    view: View = VIEW
    refuses: bool = False
    done: list[tuple[Any, ...]] = field(default_factory=list)

    def look(self) -> View:
        return self.view

    def ban(self, target: str, seconds: float, reason: str) -> str:
        if self.refuses:
            message = "it is on the allow-list"
            raise PhageError(message)
        self.done.append(("ban", target, seconds, reason))
        return "done"

    def unban(self, decision: str) -> str:
        self.done.append(("unban", decision))
        return "done"

    def label(self, finding: str, label: str) -> str:
        self.done.append(("label", finding, label))
        return "done"


def drive(
    app: TopApp,
    act: Callable[[Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (140, 40),
) -> None:
    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.view is not None)
            await pilot.pause()
            await act(pilot)

    asyncio.run(run())


async def until(pilot: Pilot[None], ready: Callable[[], object]) -> None:
    """Wait until something is on the screen: a busy machine is late to draw."""
    async with asyncio.timeout(PATIENCE):
        while not ready():
            await pilot.pause(0.01)


async def shown(pilot: Pilot[None], dialog: type[Screen[Any]]) -> Screen[Any]:
    """Return a dialog, once it takes keys."""
    await until(pilot, lambda: isinstance(pilot.app.screen, dialog) and pilot.app.screen.is_mounted)
    await pilot.pause()
    return pilot.app.screen


def table(app: TopApp, panel: str) -> DataTable[Any]:
    return app.query_one(f"#{panel}", Panel).table


def cells(app: TopApp, panel: str) -> list[str]:
    return [str(cell) for cell in table(app, panel).get_row_at(0)]


def test_everything_is_on_the_screen() -> None:
    app = TopApp(FakeSource())

    async def act(pilot: Pilot[None]) -> None:
        assert cells(app, "bans")[:4] == ["203.0.113.9", "12.3k", "9MB", "03:04:05"]
        assert cells(app, "sources") == ["192.168.1.5", "9", "90B"]
        assert cells(app, "findings")[1] == "high"
        status = str(app.query_one("#status", Label).render())
        for part in (
            "1.5k packets/s",
            "1Mbit/s",
            "1 blocked",
            "enforcing",
            "learning",
            "4 dropped",
        ):
            assert part in status
        await pilot.press("2")
        await until(pilot, lambda: app.query_one(TabbedContent).active == "devices")
        assert cells(app, "device-table")[2] == HOST["mac"]
        await pilot.press("3")
        assert cells(app, "drop-table")[:2] == ["store_dropped", "4"]
        assert cells(app, "drop-table")[2].startswith("the store was behind")

    drive(app, act)


def test_hostile_text_is_shown_and_steers_nothing() -> None:
    app = TopApp(FakeSource())

    async def act(pilot: Pilot[None]) -> None:
        assert cells(app, "findings")[4] == r"bad [red]\x1b[31m name"
        table(app, "findings").focus()
        await pilot.press("enter")
        await shown(pilot, Details)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Details))

    drive(app, act)


def test_somebody_is_blocked_after_a_confirmation() -> None:
    source = FakeSource()
    app = TopApp(source)

    async def act(pilot: Pilot[None]) -> None:
        table(app, "sources").focus()
        await pilot.press("b")
        form = await shown(pilot, BanForm)
        assert form.query_one("#target", Input).value == HOST["ip"]
        form.query_one("#duration", Input).value = "2 d"
        await pilot.press("enter")
        await shown(pilot, Confirm)
        assert not source.done
        await pilot.press("y")
        await until(pilot, lambda: source.done)
        assert source.done == [("ban", HOST["ip"], 172_800.0, "")]

    drive(app, act)


def test_enter_at_a_question_means_no() -> None:
    source = FakeSource()
    app = TopApp(source)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("u")
        await shown(pilot, Confirm)
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, Confirm))
        assert not source.done
        await pilot.press("u")
        await shown(pilot, Confirm)
        await pilot.press("y")
        await until(pilot, lambda: source.done)
        assert source.done == [("unban", "01ABC")]

    drive(app, act)


@pytest.mark.parametrize(("name", "wrong"), [("target", "500.1.1.1"), ("duration", "soon")])
def test_what_makes_no_sense_is_told_and_not_sent(name: str, wrong: str) -> None:
    source = FakeSource()
    app = TopApp(source)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("b")
        form = await shown(pilot, BanForm)
        form.query_one("#target", Input).value = "203.0.113.9"
        form.query_one(f"#{name}", Input).value = wrong
        await pilot.press("enter")
        await until(pilot, lambda: str(form.query_one("#fault", Label).render()))
        assert isinstance(app.screen, BanForm)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, BanForm))
        assert not source.done

    drive(app, act)


def test_a_finding_is_labelled() -> None:
    source = FakeSource()
    app = TopApp(source)

    async def act(pilot: Pilot[None]) -> None:
        for key in ("n", "escape", "t"):
            await pilot.press("l")
            await shown(pilot, LabelForm)
            await pilot.press(key)
            await until(pilot, lambda: not isinstance(app.screen, LabelForm))
        await until(pilot, lambda: len(source.done) == 2)
        assert source.done == [("label", "f1", "not an attack"), ("label", "f1", "none")]

    drive(app, act)


def test_a_refusal_is_told() -> None:
    source = FakeSource(refuses=True)
    app = TopApp(source)

    async def act(pilot: Pilot[None]) -> None:
        table(app, "sources").focus()
        await pilot.press("b")
        await shown(pilot, BanForm)
        await pilot.press("enter")
        await shown(pilot, Confirm)
        await pilot.press("y")
        await until(pilot, lambda: app._notifications)
        assert [each.message for each in app._notifications] == ["it is on the allow-list"]

    drive(app, act)


def test_without_a_daemon_it_says_so_and_shows_what_is_stored() -> None:
    view = replace(VIEW, live={}, status={}, faults=("phage does not run",))
    app = TopApp(FakeSource(view))

    async def act(pilot: Pilot[None]) -> None:
        assert "phage does not run" in str(app.query_one("#fault", Label).render())
        assert app.query_one("#bans .empty", Label).display
        assert cells(app, "findings")[3] == "192.168.1.7"
        await pilot.press("u")
        await until(pilot, lambda: app._notifications)
        assert [each.message for each in app._notifications] == ["nobody is blocked"]

    drive(app, act)


def test_the_cursor_stays_on_its_row_while_others_come() -> None:
    other = {**BAN, "id": "01ABD", "target": "203.0.113.10"}
    source = FakeSource()
    app = TopApp(source)

    async def act(pilot: Pilot[None]) -> None:
        source.view = replace(VIEW, live={**VIEW.live, "bans": [other, BAN]})
        await pilot.press("r")
        await until(pilot, lambda: table(app, "bans").row_count == 2)
        chosen = app.query_one("#bans", Panel).chosen
        assert chosen is not None
        assert chosen["id"] == "01ABC"

    drive(app, act)


def test_a_daemon_that_is_slow_is_not_asked_by_more_and_more() -> None:
    asked, go = [], threading.Event()

    class Slow(FakeSource):
        def look(self) -> View:
            asked.append(1)
            go.wait(PATIENCE)
            return self.view

    app = TopApp(Slow())

    async def run() -> None:
        async with app.run_test() as pilot:
            await until(pilot, lambda: asked)
            for _ in range(3):
                await pilot.press("r")
            assert len(asked) == 1
            go.set()
            await until(pilot, lambda: app.view is not None)
            await pilot.press("r")
            await until(pilot, lambda: len(asked) > 1)

    asyncio.run(run())


def test_it_fits_a_small_terminal_and_can_be_paused() -> None:
    source = FakeSource()
    app = TopApp(source)

    async def act(pilot: Pilot[None]) -> None:
        assert app.query_one("#bans").size.width > 60
        await pilot.press("space")
        await until(pilot, lambda: "PAUSED" in str(app.query_one("#status", Label).render()))

    drive(app, act, size=(80, 24))


def test_the_panic_switch_is_in_the_first_line() -> None:
    assert "PANIC" in status_line(replace(VIEW, status={**VIEW.status, "panic": True}))


def test_a_view_that_comes_as_the_viewer_ends_is_let_go() -> None:
    source = FakeSource()
    app = TopApp(source)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.app.query("*").remove()
        app.show(source.look())

    drive(app, act)
