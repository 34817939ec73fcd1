"""The viewer: what is blocked, who talks, what was found; block and free from the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding
from textual.containers import Grid
from textual.widgets import Footer, Label, Sparkline, TabbedContent, TabPane

from phage.errors import PhageError
from phage.tui import panels
from phage.tui.dialogs import BanForm, Confirm, Details, LabelForm
from phage.tui.figures import bits, curve, plain, short
from phage.tui.panels import Panel

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.notifications import SeverityLevel
    from textual.widgets import DataTable

    from phage.tui.source import Row, Source, View

WIDE = 110
"""Columns of a terminal from which two panels stand side by side."""


class TopApp(App[None]):
    """Shows a source and steers it.

    Args:
        source: What is looked at; asked in a thread, so that a slow answer holds no key up.
        seconds: How often.
    """

    TITLE = "phage top"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012  Textual's own.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "ban", "Block"),
        Binding("u", "unban", "Free"),
        Binding("l", "label", "Label"),
        Binding("enter", "details", "Details", show=False),
        Binding("space", "pause", "Pause"),
        Binding("r", "refresh", "Refresh", show=False),
        Binding("1", "show('now')", "Now"),
        Binding("2", "show('devices')", "Devices"),
        Binding("3", "show('drops')", "Drops"),
        Binding("q", "quit", "Quit"),
    ]
    CSS = """
    #status { height: auto; max-height: 3; padding: 0 1; }
    #fault { height: auto; padding: 0 1; color: $text-warning; }
    Sparkline { height: 2; margin: 0 1; }
    #grid { grid-size: 1; grid-rows: 1fr; }
    .-wide #grid { grid-size: 2; grid-columns: 3fr 2fr; }
    Panel { height: 1fr; padding: 0 1; }
    Panel .title { text-style: bold; color: $text-accent; }
    Panel:focus-within .title { text-style: bold reverse; }
    Panel .empty { color: $text-muted; padding: 0 1; }
    Panel DataTable { height: 1fr; background: $background; }
    TabPane { padding: 0; }
    ModalScreen { align: center middle; }
    .dialog { width: 72; max-width: 95%; height: auto; max-height: 90%; padding: 1 2;
              border: round $accent; background: $surface; overflow-y: auto; }
    .dialog .question { text-style: bold; margin-bottom: 1; }
    .dialog Horizontal { height: auto; margin-top: 1; }
    .dialog Button { margin-right: 2; }
    .dialog #fault { color: $text-error; }
    """

    def __init__(self, source: Source, seconds: float = 2.0) -> None:
        super().__init__()
        self._source = source
        self._seconds = seconds
        self._paused = False
        self._looking = False
        self.view: View | None = None

    def compose(self) -> ComposeResult:
        """Make the line of state, the curve, and the panels."""
        yield Label("looking ...", id="status", markup=False)
        yield Label("", id="fault", markup=False)
        yield Sparkline([], summary_function=max)
        with TabbedContent(initial="now"):
            with TabPane("Now", id="now"), Grid(id="grid"):
                yield Panel(panels.BANS, id="bans")
                yield Panel(panels.SOURCES, id="sources")
                yield Panel(panels.FINDINGS, id="findings")
                yield Panel(panels.DESTINATIONS, id="destinations")
            with TabPane("Devices", id="devices"):
                yield Panel(panels.DEVICES, id="device-table")
            with TabPane("Drops", id="drops"):
                yield Panel(panels.DROPS, id="drop-table")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.set_interval(self._seconds, self._look_again)
        self._look()
        self.query_one("#bans", Panel).table.focus()

    def _look_again(self) -> None:
        if not self._paused:
            self._look()

    def _look(self) -> None:
        if not self._looking:  # A daemon that is slow to answer is not asked by more and more.
            self._looking = True
            self._look_aside()

    @work(thread=True, group="look")
    def _look_aside(self) -> None:
        try:
            view = self._source.look()
        finally:
            self._looking = False
        self.call_from_thread(self.show, view)

    def show(self, view: View) -> None:
        """Show a view; nothing where it comes as the viewer ends and its screen is gone."""
        self.view = view
        if not self.query("#status"):
            return
        self.query_one("#status", Label).update(status_line(view, paused=self._paused))
        fault = self.query_one("#fault", Label)
        fault.update(plain("; ".join(view.faults)))
        fault.display = bool(view.faults)
        self.query_one(Sparkline).data = curve(view.at, view.live.get("rates", ()))
        for panel in self.query(Panel):
            panel.show(view)

    @property
    def _panel(self) -> Panel | None:
        """Return the panel with the focus."""
        focused = self.focused
        parent = focused.parent if focused is not None else None
        return parent if isinstance(parent, Panel) else None

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show what is behind a row."""
        event.stop()
        self.action_details()

    def action_details(self) -> None:
        """Show everything that is known of the row under the cursor."""
        panel = self._panel
        if panel is not None and (row := panel.chosen) is not None:
            self.push_screen(Details(row))

    def action_pause(self) -> None:
        """Stop looking, or go on."""
        self._paused = not self._paused
        if self.view is not None:
            self.show(self.view)
        if not self._paused:
            self._look()

    def action_refresh(self) -> None:
        """Look now."""
        self._look()

    def action_show(self, pane: str) -> None:
        """Go to a tab, and to its first table."""
        self.query_one(TabbedContent).active = pane
        self.query_one(f"#{pane}", TabPane).query(Panel).first().table.focus()

    def action_ban(self) -> None:
        """Ask whom to block, beginning with the row under the cursor."""
        panel = self._panel
        row = panel.chosen if panel is not None else None
        target = next(
            (str(row[name]) for name in ("subject", "ip", "mac") if row.get(name)), ""
        ) if row else ""  # fmt: skip

        def answered(answer: tuple[str, float, str] | None) -> None:
            if answer is not None:
                self._confirm_ban(*answer)

        self.push_screen(BanForm(target), answered)

    def _confirm_ban(self, target: str, seconds: float, reason: str) -> None:
        span = f"for {short(seconds)} s" if seconds else "for ever"

        def answered(answer: bool | None) -> None:  # noqa: FBT001  A callback of Textual.
            if answer:
                self._do(lambda: self._source.ban(target, seconds, reason))

        self.push_screen(Confirm(f"Block {target}, both ways, {span}?", reason), answered)

    def action_unban(self) -> None:
        """Ask whether to free who is under the cursor."""
        row = self.query_one("#bans", Panel).chosen
        if row is None:
            self.notify("nobody is blocked", severity="warning")
            return
        decision = str(row["id"])

        def answered(answer: bool | None) -> None:  # noqa: FBT001  A callback of Textual.
            if answer:
                self._do(lambda: self._source.unban(decision))

        self.push_screen(Confirm(f"Free {row['target']}?", str(row["reason"])), answered)

    def action_label(self) -> None:
        """Ask what the finding under the cursor was."""
        row = self.query_one("#findings", Panel).chosen
        if row is None:
            self.notify("nothing was found", severity="warning")
            return
        finding = str(row["id"])

        def answered(label: str | None) -> None:
            if label is not None:
                self._do(lambda: self._source.label(finding, label))

        self.push_screen(LabelForm(str(row["summary"])), answered)

    @work(thread=True, group="act")
    def _do(self, act: Callable[[], str]) -> None:
        """Carry something out, tell what became of it, and look anew."""
        severity: SeverityLevel = "information"
        try:
            said = act()
        except PhageError as error:
            said, severity = str(error), "error"
        self.call_from_thread(self.notify, plain(said), severity=severity, markup=False)
        view = self._source.look()
        self.call_from_thread(self.show, view)


def status_line(view: View, *, paused: bool = False) -> str:
    """Return the first line: rates, what stands, how it does."""
    parts = [view.at[11:19]]
    if view.live:
        live, status = view.live, view.status
        parts += [
            f"{short(live['packets_a_second'])} packets/s",
            bits(live["octets_a_second"]),
            f"{status.get('in_force', 0)} blocked",
            _mode(status),
        ]
        if live["learning"]:
            parts.append("learning")
        lost = sum(live["drops"].values())
        parts.append(f"{short(lost)} dropped" if lost else "no drops")
    parts.append(f"{view.findings_open} findings open")
    if paused:
        parts.append("PAUSED")
    return "  ·  ".join(parts)


def _mode(status: Row) -> str:
    if status.get("panic"):
        return "PANIC: nothing is blocked"
    return "enforcing" if status.get("enforce") else "observing"
