"""Files that come in: read as they come, from forms (RFC 7578), never whole in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from anyio.to_thread import run_sync
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from phage.access.credentials import csrf_token, is_same
from phage.api.problem import ProblemError
from phage.api.security import CSRF_FIELD, needs_csrf
from phage.scan.content import Content

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request

    from phage.scan.content import Intake
    from phage.scan.desk import ScanDesk

FORM = "multipart/form-data"
FILE = "file"
"""The field with the file."""

FIELDS = frozenset({"password", "name", "force", "engine", CSRF_FIELD})
"""Fields that are read besides; others are left out."""

MOST_PARTS = 32
MOST_HEADER = 4096
MOST_FIELD = 4096
"""Bounds of a form: parts, octets of a part's headers, octets of a field."""

FORM_ROOM = MOST_PARTS * (MOST_HEADER + MOST_FIELD)
"""Octets of a form besides its file."""

AT_ONCE = 1 << 20
"""Octets that are gathered before they are written: fewer writes, and still little memory."""

PACE = 64 << 20
"""Octets after which a file that still comes is given time anew: who sends slowly is cut off, a
large file is not."""

LONGEST_NAME = 255

UPLOADS_AT_ONCE = 8
"""Files that come in at a time; each may take `scan.largest` of the disk."""

PATHS = frozenset({"/api/v1/samples", "/api/v1/releases", "/api/v3/files", "/files"})
"""Where files may be sent to: their bodies may be large, and are not remembered."""

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": [FILE],
                    "properties": {
                        FILE: {"type": "string", "format": "binary"},
                        "password": {"type": "string"},
                    },
                }
            }
        },
    }
}
"""The body of an upload, for the description of the API."""


@dataclass
class Upload:
    """A file that has come.

    Attributes:
        content: The file; to be closed.
        fields: Other fields of the form.
    """

    content: Content
    fields: dict[str, str] = field(default_factory=dict)


class _Form:
    """What the parser of a form tells."""

    def __init__(self, check: Callable[[dict[str, str]], None]) -> None:
        self.fields: dict[str, str] = {}
        self.name: str | None = None
        self.waiting = bytearray()
        self.done = False
        self._check = check
        self._parts = 0
        self._header, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field = ""
        self._text = bytearray()

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._grow(self._header, data[start:end]),
            "on_header_value": lambda data, start, end: self._grow(self._value, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            _refuse(f"has at most {MOST_PARTS} parts")
        self._headers, self._field = {}, ""
        self._text = bytearray()

    def _grow(self, text: bytearray, data: bytes) -> None:
        if len(text) + len(data) > MOST_HEADER:
            _refuse(f"has at most {MOST_HEADER} octets of headers in a part")
        text += data

    def _header_end(self) -> None:
        if len(self._headers) < MOST_PARTS:
            self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if self._field != FILE:
            return
        if self.name is not None:
            _refuse("has one file")
        self._check(self.fields)
        self.name = plain_name(options.get(b"filename", b"").decode("utf-8", "replace"))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field == FILE:
            self.waiting += data[start:end]
        elif self._field in FIELDS:
            if len(self._text) + end - start > MOST_FIELD:
                _refuse(f"has at most {MOST_FIELD} octets in a field")
            self._text += data[start:end]

    def _end(self) -> None:
        self.done = True

    def _part_end(self) -> None:
        if self._field in FIELDS:
            self.fields[self._field] = self._text.decode("utf-8", "replace")


async def receive(request: Request, desk: ScanDesk) -> Upload:
    """Read the form of a request as it comes; return the file in it.

    Raises ProblemError for what is no form with a file, DeskError for a file that is not taken.
    """
    state = request.app.state
    state.uploads = getattr(state, "uploads", 0) + 1
    try:
        if state.uploads > UPLOADS_AT_ONCE:
            message = "too many files come in at a time; try again"
            raise ProblemError(503, message, headers={"Retry-After": "5"})
        return await _receive(request, desk)
    finally:
        state.uploads -= 1


async def _receive(request: Request, desk: ScanDesk) -> Upload:
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != FORM.encode() or not 0 < len(boundary) <= 256:
        message = f"send a form ({FORM}) with the field {FILE!r}"
        raise ProblemError(415, message)
    length = request.headers.get("Content-Length", "")
    intake = desk.intake(int(length) if length.isdecimal() and len(length) < 19 else 0)
    form = _Form(lambda fields: _check_csrf(request, fields))
    try:
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        await _read(request, form, parser, intake)
        content = await run_sync(Content.of_intake, intake, form.name or "")
    except MultipartParseError as error:
        _refuse(f"cannot be read: {error}")
    except ClientDisconnect:
        _refuse("has no end")
    finally:
        intake.close()
    return Upload(content, form.fields)


async def _read(request: Request, form: _Form, parser: MultipartParser, intake: Intake) -> None:
    give_time: Callable[[], None] = getattr(request.state, "upload", lambda: None)
    give_time()
    renew = PACE
    async for chunk in request.stream():
        parser.write(chunk)
        if len(form.waiting) >= AT_ONCE:
            await run_sync(intake.write, bytes(form.waiting))
            form.waiting.clear()
        if intake.size >= renew:
            renew = intake.size + PACE
            give_time()
    parser.finalize()
    if not form.done:
        _refuse("has no end")
    if form.name is None:
        _refuse(f"has no field {FILE!r} with a file")
    await run_sync(intake.write, bytes(form.waiting))


def plain_name(name: str) -> str:
    """Return what a file is called without where it lay; never used as a path.

    Control characters, also those that turn text around, are left out.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each if each.isprintable() else "\ufffd" for each in last)
    return shown[:LONGEST_NAME]


def _check_csrf(request: Request, fields: dict[str, str]) -> None:
    """Refuse a form of a session that is not ours, before its file is read."""
    secret = needs_csrf(request)
    if secret and not is_same(fields.get(CSRF_FIELD, ""), csrf_token(secret)):
        message = f"the field {CSRF_FIELD} is missing or wrong; load the page again"
        raise ProblemError(403, message, kind="csrf")


def _refuse(what: str) -> NoReturn:
    message = f"the form {what}"
    raise ProblemError(400, message)
