"""The one way data goes out: a table for people, JSON for programs, JSON lines for streams."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from phage.frozen import frozen
from phage.telemetry.escape import escape

FORMS = ("table", "json", "jsonl")

Record = Mapping[str, Any]

output_option = click.option(
    "--output",
    "form",
    type=click.Choice(FORMS),
    default="table",
    show_default=True,
    help="How to print: a table, one JSON document, or one JSON object a line.",
)


@frozen
class Column:
    """One column of a table.

    Its heading, the path of its value ("subject.ip"), how it is aligned.
    """

    heading: str
    path: str
    right: bool = False
    wrap: bool = False


def emit(form: str, records: Iterable[Record], columns: Sequence[Column], empty: str = "") -> None:
    """Print records in the form that was asked for.

    Args:
        form: One of FORMS.
        records: What to print; read once, and not kept for jsonl.
        columns: What a table shows of them.
        empty: What to say on standard error in place of an empty table.
    """
    if form == "jsonl":
        for record in records:
            print(encode(record))
        return
    rows = list(records)
    if form == "json":
        print(encode(rows, indent=2))
    elif rows:
        table([[text(lookup(row, column.path)) for column in columns] for row in rows], columns)
    elif empty:
        say(empty)


def emit_one(form: str, record: Record, lines: Iterable[str]) -> None:
    """Print one record: as JSON, or as lines for people."""
    if form == "table":
        for line in lines:
            print(escape(line))  # A line is one: what names hold must not begin another.
    else:
        print(encode(record, indent=2 if form == "json" else None))


def say(message: str) -> None:
    """Say something to the person: on standard error, never among the data."""
    click.echo(escape_lines(message), err=True)


def encode(value: object, indent: int | None = None) -> str:
    """Return a value as JSON in ASCII; numbers that JSON does not know become null."""
    return json.dumps(_plain(value), indent=indent, allow_nan=False, default=str)


def _plain(value: Any) -> Any:  # noqa: ANN401  JSON.
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and callable(value.item):  # A NumPy scalar.
        return _plain(value.item())
    return value


def lookup(record: Record, path: str) -> object:
    """Return the value at a dotted path; None where there is none."""
    value: object = record
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def text(value: object) -> str:
    """Return a value as a cell of a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value)
    return escape(str(value))


def escape_lines(message: str) -> str:
    """Escape a text of several lines, line by line."""
    return "\n".join(escape(line) for line in message.split("\n"))


def table(rows: Sequence[Sequence[str]], columns: Sequence[Column]) -> None:
    """Print rows: drawn to fit a terminal, else plain columns that tools can cut."""
    if sys.stdout.isatty():
        _drawn(rows, columns)
        return
    headings = [column.heading for column in columns]
    widths = [max(len(row[index]) for row in (headings, *rows)) for index in range(len(columns))]
    for row in (headings, *rows):
        cells = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _drawn(rows: Sequence[Sequence[str]], columns: Sequence[Column]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(
            column.heading,
            justify="right" if column.right else "left",
            no_wrap=not column.wrap,
            overflow="fold" if column.wrap else "ellipsis",
        )
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))  # Text: what a host calls itself is no markup.
    Console(highlight=False).print(drawn)
