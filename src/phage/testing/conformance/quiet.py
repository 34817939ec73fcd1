"""Watches for input and output where there must be none."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

# NumPy imports it itself with the first call of `unique`: a file that no plug-in opens.
import numpy.ma  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVENTS = ("open", "socket.", "subprocess.", "os.", "sqlite3.", "shutil.", "urllib.", "time.sleep")
"""Audit events (PEP 578) of what touches the world outside the process."""

_watched = threading.local()
_installed: list[bool] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    name = getattr(_watched, "name", "")
    if name and event.startswith(_EVENTS):
        _watched.name = ""  # What follows belongs to the report.
        message = f"{name} does input or output: {event} {arguments[:1]}"
        raise AssertionError(message)


@contextmanager
def no_input_or_output(name: str) -> Iterator[None]:
    """Raise AssertionError at the first file, socket or process that this thread opens inside.

    Not seen: what C code does without telling Python.
    """
    if not _installed:
        sys.addaudithook(_watch)  # It stays for good; it looks only while a name is set.
        _installed.append(True)
    _watched.name = name
    try:
        yield
    finally:
        _watched.name = ""
