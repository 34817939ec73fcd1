"""The parts of the viewer's screen: tables that keep their place while they are filled anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import Vertical
from textual.widgets import DataTable, Label

from phage.frozen import frozen
from phage.telemetry.drops import meaning
from phage.tui.figures import clock_time, octets, plain, short

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from textual.app import ComposeResult

    from phage.tui.source import Row, View

SEVERITY_COLOURS: Mapping[str, str] = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "cyan",
    "info": "dim",
}


@frozen
class Heading:
    """One column of a panel: its title, and how a row becomes its cell."""

    title: str
    cell: Callable[[Row], object]
    right: bool = False
    style: Callable[[Row], str] = lambda _row: ""


@frozen
class Contents:
    """What a panel shows.

    Attributes:
        title: Its heading.
        rows: Takes its rows out of a view.
        headings: Its columns.
        key: What tells its rows apart.
        empty: What it says when there is nothing.
    """

    title: str
    rows: Callable[[View], Sequence[Row]]
    headings: tuple[Heading, ...]
    key: Callable[[Row], str]
    empty: str


class Panel(Vertical):
    """A titled table."""

    def __init__(self, contents: Contents, **options: Any) -> None:
        super().__init__(**options)
        self.contents = contents
        self._rows: dict[str, Row] = {}

    def compose(self) -> ComposeResult:
        """Make title, table, and what is said when the table is empty."""
        yield Label(self.contents.title, classes="title")
        table: DataTable[Text] = DataTable(cursor_type="row", zebra_stripes=False, cell_padding=1)
        for heading in self.contents.headings:
            table.add_column(heading.title, key=heading.title)
        yield table
        yield Label(self.contents.empty, classes="empty")

    @property
    def table(self) -> DataTable[Text]:
        """Return the table."""
        found: DataTable[Text] = self.query_one(DataTable)
        return found

    @property
    def chosen(self) -> Row | None:
        """Return the row under the cursor; None where there is none."""
        table = self.table
        if not table.row_count:
            return None
        key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        return self._rows.get(key or "")

    def show(self, view: View) -> None:
        """Fill the table; the cursor stays on its row where that is still there."""
        before = self.chosen
        table, contents = self.table, self.contents
        self._rows = {contents.key(row): row for row in contents.rows(view)}
        offset = table.scroll_offset
        table.clear()
        for key, row in self._rows.items():
            table.add_row(*(_cell(heading, row) for heading in contents.headings), key=key)
        self.query_one(".empty", Label).display = not self._rows
        table.display = bool(self._rows)
        if before is not None and (key := contents.key(before)) in self._rows:
            table.move_cursor(row=table.get_row_index(key), scroll=False)
        table.scroll_to(offset.x, offset.y, animate=False)


def _cell(heading: Heading, row: Row) -> Text:
    return Text(
        plain(heading.cell(row)),
        style=heading.style(row),
        justify="right" if heading.right else "left",
        no_wrap=True,
    )


def _severity(row: Row) -> str:
    return SEVERITY_COLOURS.get(str(row["severity"]), "")


def _of_live(name: str) -> Callable[[View], Sequence[Row]]:
    return lambda view: view.live.get(name, ())


def _drops(view: View) -> Sequence[Row]:
    drops: Mapping[str, int] = view.live.get("drops", {})
    rows: list[Row] = [{"name": name, "count": count} for name, count in drops.items()]
    return sorted(rows, key=lambda row: (-row["count"], row["name"]))


_PACKETS = Heading("packets", lambda row: short(row["packets"]), right=True)
_OCTETS = Heading("octets", lambda row: octets(row["octets"]), right=True)
_HOST = Heading(
    "address",
    lambda row: row["ip"] or row["mac"],
    style=lambda row: "bold" if row.get("device") else "",
)

BANS = Contents(
    "Blocked now",
    _of_live("bans"),
    (
        Heading("target", lambda row: row["target"], style=lambda _row: "bold"),
        _PACKETS,
        _OCTETS,
        Heading("until", lambda row: clock_time(row["until"]) or "for ever"),
        Heading("by", lambda row: row["rule"] or row["by"]),
        Heading("reason", lambda row: row["reason"]),
    ),
    lambda row: str(row["id"]),
    "Nobody is blocked. b blocks an address.",
)
FINDINGS = Contents(
    "Findings",
    lambda view: view.findings,
    (
        Heading("last", lambda row: clock_time(row["last_seen"])),
        Heading("severity", lambda row: row["severity"], style=_severity),
        Heading("you said", lambda row: row["label"]),
        Heading("subject", lambda row: row["subject"]),
        Heading("what", lambda row: row["summary"]),
    ),
    lambda row: str(row["id"]),
    "Nothing was found.",
)
SOURCES = Contents(
    "Top sources, last minute",
    _of_live("sources"),
    (_HOST, _PACKETS, _OCTETS),
    lambda row: f"{row['mac']} {row['ip']}",
    "Nobody sent anything in the last minute.",
)
DESTINATIONS = Contents(
    "Top destinations, last minute",
    _of_live("destinations"),
    (_HOST, _PACKETS, _OCTETS),
    lambda row: f"{row['mac']} {row['ip']}",
    "Nobody received anything in the last minute.",
)
DEVICES = Contents(
    "Devices",
    lambda view: view.devices,
    (
        Heading("name", lambda row: row["name"]),
        Heading("address", lambda row: row["ip"]),
        Heading("mac", lambda row: row["mac"]),
        Heading("last seen", lambda row: row["last_seen"].replace("T", " ")[:19]),
        _PACKETS,
        _OCTETS,
    ),
    lambda row: str(row["device"]),
    "No device was seen yet; the store knows of one a minute after it says something.",
)
DROPS = Contents(
    "Dropped and failed, since the start",
    _drops,
    (
        Heading("counter", lambda row: row["name"]),
        Heading("count", lambda row: short(row["count"]), right=True,
                style=lambda row: "bold yellow" if row["count"] else "dim"),
        Heading("what it means", lambda row: meaning(row["name"])),
    ),
    lambda row: str(row["name"]),
    "No counters: phage does not run.",
)  # fmt: skip
