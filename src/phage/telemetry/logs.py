"""Logs: text for people or JSON for machines, with a level for each package, and never a secret."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, TextIO

from phage.clock import Clock, SystemClock, rfc3339
from phage.telemetry import requestid
from phage.telemetry.escape import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.telemetry.rotation import RotatingFile

LIMIT_SECONDS = 60.0
"""What repeats is logged once a minute, with how often it happened since."""

MAX_LIMITED = 1000
"""Places that are limited at a time; the one seen longest ago is forgotten."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRET_URL = re.compile(r"(?<=://)([^\s/:@]*):([^\s/@]+)@")
_OWN_TOKEN = re.compile(r"phage_[A-Za-z0-9_-]{20,}")
_SECRET_PAIR = re.compile(
    r"(?i)\b(password|passwd|token|secret|cookie|api_?key|authorization)(\s*[=:]\s*)(?:bearer\s+)?[^\s,;&]+"
)


def mask(text: str) -> str:
    """Replace passwords in addresses and values after words such as password or token."""
    text = _OWN_TOKEN.sub("phage_***", text)
    return _SECRET_PAIR.sub(r"\1\2***", _SECRET_URL.sub(r"\1:***@", text))


class TextFormatter(logging.Formatter):
    """One line a record: time, level, logger, message; a traceback below, if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        message = escape(mask(record.getMessage()))
        line = f"{_time(record)} {record.levelname.lower():7} {record.name}: {message}"
        for name, value in _extras(record).items():
            line += f" {name}={escape(mask(str(value)))}"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "".join(f"\n  {escape(mask(row))}" for row in trace.splitlines())
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, logger, message, and what was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        fields: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask(record.getMessage()),
        }
        for name, value in _extras(record).items():
            fields.setdefault(
                name, value if isinstance(value, int | float | bool) else mask(str(value))
            )
        if record.exc_info:
            fields["exception"] = mask(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=True)


def _time(record: logging.LogRecord) -> str:
    return rfc3339(int(record.created * 1e9))


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class RequestId(logging.Filter):
    """Gives a record the id of the request that is being answered, as `request`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take every record."""
        if (request := requestid.current.get()) and not hasattr(record, "request"):
            record.request = request
        return True


class FileHandler(logging.Handler):
    """Writes records to a file that begins anew when it is large."""

    def __init__(self, file: RotatingFile) -> None:
        super().__init__()
        self.file = file

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; what cannot be written is counted."""
        self.file.write([self.format(record)])

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        super().close()


class Limiter(logging.Filter):
    """Lets records marked `extra={"limit": KEY}` through once a minute for each key.

    The record that comes through carries `repeated`: how many were held back since the last.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._last: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is logged."""
        key = getattr(record, "limit", None)
        if key is None:
            return True
        del record.__dict__["limit"]
        key = f"{record.name} {key}"
        now = self._clock.monotonic()
        since, held = self._last.get(key, (None, 0))
        if since is not None and now - since < LIMIT_SECONDS:
            self._last[key] = (since, held + 1)
            return False
        if held:
            record.repeated = held
        self._last[key] = (now, 0)
        self._last.move_to_end(key)
        if len(self._last) > MAX_LIMITED:
            self._last.popitem(last=False)
        return True


def configure(
    form: str,
    level: str,
    levels: Mapping[str, str],
    clock: Clock | None = None,
    stream: TextIO | None = None,
    file: RotatingFile | None = None,
) -> None:
    """Set logging up for a process; a second call replaces the first.

    Args:
        form: "text" or "json".
        level: Least level to log.
        levels: Levels by logger name, for example {"phage.store": "debug"}.
        clock: Tells when a minute is over.
        stream: Where to write; None for standard error.
        file: Where to write instead.
    """
    handler = FileHandler(file) if file else logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    handler.addFilter(Limiter(clock or SystemClock()))
    handler.addFilter(RequestId())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        if isinstance(old, FileHandler):
            old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name, own in levels.items():
        logging.getLogger(name).setLevel(own.upper())
    logging.captureWarnings(capture=True)
    # A full disk or a closed pipe behind standard error must not stop phage.
    logging.raiseExceptions = False
