"""ICAP (RFC 3507), for proxies and gateways that have what passes through them looked at."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote, urlsplit

from phage.errors import PhageError
from phage.frozen import frozen
from phage.records.sample import Outcome
from phage.scan.content import Content
from phage.scan.desk import DeskError, TooLargeError
from phage.scan.listener import Listener, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from phage.records.sample import Verdict
    from phage.scan.content import Intake
    from phage.scan.desk import Judge
    from phage.scan.listener import Reader

MOST_HEAD = 65_536
"""Octets of ICAP's own headers, and of the HTTP headers that they carry."""

MOST_LINE = 8192
PREVIEW = 4096
"""Octets of a body that clients send first: files that are smaller need no second step."""

OPTIONS_SECONDS = 300
"""How long clients may rely on what OPTIONS said."""

CHUNK = 65_536

_METHODS = frozenset({"OPTIONS", "REQMOD", "RESPMOD"})
_END = b"\r\n\r\n"


@frozen
class _Request:
    """A request's head.

    Attributes:
        method: OPTIONS, REQMOD or RESPMOD.
        headers: ICAP's headers, by name in lower case.
        parts: HTTP headers as they came, by what they are: "req-hdr", "res-hdr".
        body: "req-body", "res-body" or "" for none.
    """

    method: str
    headers: Mapping[str, str]
    parts: Mapping[str, bytes]
    body: str

    @property
    def lasts(self) -> bool:
        """Tell whether the connection is used again."""
        return self.headers.get("connection", "").lower() != "close"


@dataclass(kw_only=True)
class IcapFront:
    """Looks at requests and responses that a proxy sends, and blocks what is infected.

    What cannot be looked at wholly passes, with a header that says so, unless `incomplete` is
    `block`. Where there is no verdict the answer is an error, and the proxy decides.
    """

    name: ClassVar[str] = "icap"
    summary: ClassVar[str] = "Looks at what proxies and gateways send by ICAP (RFC 3507)."

    listen: str = "127.0.0.1:1344"
    """Address and port."""
    largest: int = 100 * 2**20
    """Octets of the largest body; larger ones are incomplete."""
    connections: int = 64
    """Connections at a time."""
    patience: float = 60.0
    """Seconds that a client may be silent."""
    seconds: float = 300.0
    """Seconds that a verdict may take."""
    incomplete: str = "pass"
    """What becomes of what cannot be looked at wholly: pass or block."""
    suspicious: str = "block"
    """What becomes of what is suspicious: pass or block."""

    _listener: Listener | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Raise ValueError for settings that cannot be."""
        for name in ("incomplete", "suspicious"):
            if getattr(self, name) not in {"pass", "block"}:
                message = f"{name} is pass or block, not {getattr(self, name)!r}"
                raise ValueError(message)

    def open(self, judge: Judge) -> None:
        """Listen, and answer from now on. Raises FrontError."""
        listener = Listener(
            self.name,
            lambda reader: _Session(self, judge, reader, listener).run(),
            connections=self.connections,
            patience=self.patience,
        )
        self._listener = listener
        self.port = listener.tcp(self.listen)

    def counters(self) -> Mapping[str, int]:
        """Return what it has done and refused."""
        return self._listener.counters() if self._listener is not None else {}

    def close(self) -> None:
        """Stop listening, and end every connection."""
        if self._listener is not None:
            self._listener.close()

    def blocks(self, verdict: Verdict) -> bool:
        """Tell whether what has this verdict may not pass."""
        return {
            Outcome.INFECTED: True,
            Outcome.SUSPICIOUS: self.suspicious == "block",
            Outcome.INCOMPLETE: self.incomplete == "block",
            Outcome.CLEAN: False,
        }[verdict.outcome]


class _UnknownMethodError(ProtocolError):
    """A client asks for what ICAP has not."""


class _Session:
    """One connection, with one request after the other."""

    def __init__(self, front: IcapFront, judge: Judge, reader: Reader, listener: Listener) -> None:
        self._front = front
        self._judge = judge
        self._reader = reader
        self._count = listener.count
        self._may_204 = False

    def run(self) -> None:
        """Answer until the client ends, or what it sends makes no sense."""
        while True:
            self._reader.restart()
            try:
                request = self._request()
                if request is None:
                    return
                self._count("requests")
                self._answer(request)
            except _UnknownMethodError:
                allowed = ", ".join(sorted(_METHODS))
                self._say("405 Method Not Allowed", {"Connection": "close", "Allow": allowed})
                raise
            except ProtocolError as error:
                self._say("400 Bad Request", {"Connection": "close", "X-Reason": str(error)})
                raise
            if not request.lasts:
                return

    def _request(self) -> _Request | None:
        found = self._reader.until(_END, most=MOST_HEAD)
        if found is None:
            return None
        first, _, rest = found[0].decode("latin-1").lstrip("\r\n").partition("\r\n")
        words = first.split()
        if len(words) != 3 or words[2] != "ICAP/1.0":
            message = "is no ICAP/1.0"
            raise ProtocolError(message)
        if words[0] not in _METHODS:
            message = f"there is no {words[0]}"
            raise _UnknownMethodError(message)
        headers = {}
        for line in rest.split("\r\n"):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        parts, body = self._parts(headers.get("encapsulated", ""))
        return _Request(words[0], headers, parts, body)

    def _parts(self, encapsulated: str) -> tuple[dict[str, bytes], str]:
        """Read the HTTP headers that follow, by their offsets (section 4.4.1)."""
        places = []
        for each in filter(None, (one.strip() for one in encapsulated.split(","))):
            name, _, offset = each.partition("=")
            if not offset.isdecimal() or int(offset) > MOST_HEAD:
                message = f"Encapsulated: {each} makes no sense"
                raise ProtocolError(message)
            places.append((name.strip().lower(), int(offset)))
        parts: dict[str, bytes] = {}
        for (name, begin), (_, end) in pairwise(places):
            if not name.endswith("-hdr") or end < begin:
                message = "Encapsulated: makes no sense"
                raise ProtocolError(message)
            parts[name] = self._reader.take(end - begin)
        last = places[-1][0] if places else "null-body"
        return parts, last if last in {"req-body", "res-body"} else ""

    def _answer(self, request: _Request) -> None:
        # Section 4.6: to who allows it, and in place of asking for what a preview left out.
        self._may_204 = "204" in request.headers.get("allow", "") or "preview" in request.headers
        if request.method == "OPTIONS":
            self._options()
        elif not request.body:
            self._unchanged(request, None)
        else:
            self._body(request)

    def _options(self) -> None:
        self._say(
            "200 OK",
            {
                "Methods": "REQMOD, RESPMOD",
                "Service": "phage",
                "Max-Connections": str(self._front.connections),
                "Options-TTL": str(OPTIONS_SECONDS),
                "Allow": "204",
                "Preview": str(PREVIEW),
                "Transfer-Preview": "*",
                "Encapsulated": "null-body=0",
            },
        )

    def _body(self, request: _Request) -> None:
        self._count("bodies")
        octets = self._octets(request)
        try:
            with self._judge.intake() as intake:
                self._receive(octets, intake)
                with Content.of_intake(intake) as content:
                    self._judged(request, content)
        except DeskError as error:
            for _ in octets:  # To its end: another request may follow.
                continue
            if isinstance(error, TooLargeError):
                self._too_large(str(error))
            else:
                self._no_verdict(error)

    def _receive(self, octets: Iterator[bytes], intake: Intake) -> None:
        for piece in octets:
            if intake.size + len(piece) > self._front.largest:
                message = f"it has more than {self._front.largest} octets"
                raise TooLargeError(message)
            intake.write(piece)

    def _too_large(self, why: str) -> None:
        """Let a body pass that nobody looked at, or block it; nobody keeps it to send it back."""
        self._count("too_large")
        if self._front.incomplete == "block":
            self._blocked(Outcome.INCOMPLETE, "too-large", why)
        elif self._may_204:
            self._say("204 No Content", {"X-Phage-Outcome": "incomplete", "X-Reason": why})
        else:
            self._say("500 Server error", {"X-Reason": why})

    def _judged(self, request: _Request, content: Content) -> None:
        name = _name(request.parts)
        try:
            verdict = self._judge.judge(content, name, self._front.seconds)
        except (PhageError, OSError) as error:
            self._no_verdict(error)
            return
        if self._front.blocks(verdict):
            self._count("blocked")
            labels = [row.label for row in verdict.results if row.label]
            why = verdict.reasons[0].text if verdict.reasons else ""
            self._blocked(verdict.outcome, labels[0] if labels else str(verdict.outcome), why)
        else:
            self._unchanged(request, content, verdict)

    def _no_verdict(self, error: Exception) -> None:
        self._count("no_verdict")
        self._say("500 Server error", {"X-Reason": str(error)})

    def _octets(self, request: _Request) -> Iterator[bytes]:
        """Yield a body: its preview, and after our word the rest (section 4.5)."""
        preview = request.headers.get("preview", "")
        whole = yield from self._chunks()
        if preview and not whole:
            self._may_204 = "204" in request.headers.get("allow", "")
            self._reader.connection.sendall(b"ICAP/1.0 100 Continue\r\n\r\n")
            yield from self._chunks()

    def _chunks(self) -> Generator[bytes, None, bool]:
        """Yield chunks up to the one of length 0; return whether that said "ieof"."""
        while True:
            line = self._reader.until(b"\r\n", most=MOST_LINE)
            size, _, extension = (line[0] if line else b"").partition(b";")
            try:
                count = int(size.strip(), 16)
            except ValueError:
                message = "a chunk has no length"
                raise ProtocolError(message) from None
            if count < 0 or count > 2**40:
                message = "a chunk's length makes no sense"
                raise ProtocolError(message)
            yield from self._reader.exactly(count)
            if count == 0:
                while (trailer := self._reader.until(b"\r\n", most=MOST_LINE)) and trailer[0]:
                    continue
                return extension.strip().lower() == b"ieof"
            self._reader.take(2)

    def _unchanged(
        self, request: _Request, content: Content | None, verdict: Verdict | None = None
    ) -> None:
        """Say that nothing is to be changed; to who knows no 204 the message itself."""
        about = {"X-Phage-Outcome": str(verdict.outcome)} if verdict is not None else {}
        if self._may_204:
            self._say("204 No Content", about)
            return
        name = "req-hdr" if request.method == "REQMOD" else "res-hdr"
        head = request.parts.get(name, b"")
        body = request.body if content is not None else "null-body"
        places = f"{name}=0, {body}={len(head)}" if head else f"{body}=0"
        self._say("200 OK", {**about, "Encapsulated": places}, head)
        if content is not None:
            send = self._reader.connection.sendall
            for chunk in content.chunks():
                send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            send(b"0\r\n\r\n")

    def _blocked(self, outcome: Outcome, label: str, why: str) -> None:
        """Answer with a page in place of what was asked for, and headers that others know."""
        threat = "".join(each for each in label if each.isprintable() and each not in ';"')[:200]
        page = _PAGE.format(outcome=outcome, why=html.escape(why[:1000])).encode()
        head = (
            b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html; charset=utf-8\r\n"
            b"Cache-Control: no-store\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(page)
        )
        self._say(
            "200 OK",
            {
                "X-Infection-Found": f"Type=0; Resolution=2; Threat={threat};",
                "X-Virus-ID": threat,
                "X-Phage-Outcome": str(outcome),
                "Encapsulated": f"res-hdr=0, res-body={len(head)}",
            },
            head + b"%x\r\n" % len(page) + page + b"\r\n0\r\n\r\n",
        )

    def _say(self, status: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        told = {"ISTag": f'"{self._judge.fingerprint[:32] or "phage"}"', **headers}
        lines = [f"ICAP/1.0 {status}", *(f"{name}: {_plain(each)}" for name, each in told.items())]
        head = "\r\n".join(lines).encode("utf-8", "replace") + _END
        self._reader.connection.sendall(head + body)


_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Blocked</title></head>
<body><h1>Blocked by phage</h1><p>What you asked for is {outcome}.</p><p>{why}</p></body></html>
"""


def _plain(text: str) -> str:
    """Return text that can stand in a header."""
    return "".join(each for each in " ".join(text.split()) if each.isprintable())[:500]


def _name(parts: Mapping[str, bytes]) -> str:
    """Return what a body is called: the last part of the address it was asked for by."""
    words = parts.get("req-hdr", b"").split(b"\r\n", 1)[0].split(b" ")
    if len(words) < 2:
        return ""
    try:
        path = urlsplit(words[1].decode("latin-1")).path
    except ValueError:
        return ""
    return unquote(path).rstrip("/").rpartition("/")[2][:255]
