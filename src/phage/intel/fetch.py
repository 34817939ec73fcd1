"""Gets documents of feeds: conditionally, within limits, never from where they must not come.

What a feed's server says is hostile until proved otherwise: bodies may have no end, unpack to
gigabytes, come a byte a minute, or lead to an address inside our network.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import socket
import ssl
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from phage.intel.feed import FeedError, Unchanged
from phage.intel.timely import answer_within
from phage.records.address import is_never_asked, is_public

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.clock import Clock
    from phage.intel.proof import Proof

MAX_REDIRECTS = 5
PIECE = 256 * 1024
LONGEST_REST = 86_400.0
"""Seconds that a source can ask us to stay away, at most."""

MAX_VALIDATORS = 512
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class Validator:
    """What is told with the next request for a document: "only if it is another than this"."""

    etag: str = ""
    modified: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much and how long.

    `octets` bounds what comes and what it unpacks to; `seconds` the whole request, `silence` the
    time without a byte.
    """

    octets: int = 128 * 2**20
    seconds: float = 120.0
    silence: float = 20.0


@dataclass
class Fetcher:
    """Gets documents by HTTP, HTTPS, or from a file.

    A URL that is given may name a server at home, unless it is to be `public`; where it redirects
    to may not.

    Attributes:
        clock: Bounds the time of a request.
        limits: How much and how long.
        proxy: URL of a proxy for all requests; '' for none. The environment's is not used.
        agent: The User-Agent; some sources want an address of contact in it.
        ca_file: Certificates to trust instead of the system's, in PEM.
        proof: What each document has to prove itself by; None for nothing.
        public: Who gave the URL may be anywhere: nothing local is asked, and no file is read.
        validators: What is known of each document, by a digest of its URL; the caller keeps it
            over restarts.
    """

    clock: Clock
    limits: FetchLimits = FetchLimits()
    proxy: str = ""
    agent: str = "phage"
    ca_file: str = ""
    proof: Proof | None = None
    public: bool = False
    validators: dict[str, Validator] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def said(self, header: str) -> str:
        """Return a header of the last answer by its name in small letters; '' for none."""
        return self._said.get(header, "")

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        conditional: bool = True,
    ) -> bytes:
        """Return a document, unpacked. Raises FeedError and Unchanged."""
        name = hashlib.sha256(url.encode()).hexdigest()[:32]  # A URL may hold a key.
        known = self.validators.get(name, Validator()) if conditional else Validator()
        raw, fresh = self._raw(url, dict(headers or {}), body, known)
        found = self._unpacked([raw], url if "://" not in url else _place(_split(url)))
        if self.proof is not None and body is None:
            said = self._said
            self.proof.judge(url, (raw, found), self._sidecar)
            self._said = said
        fresh.digest = hashlib.sha256(found).hexdigest()
        if conditional:
            if fresh.digest == known.digest:
                raise Unchanged
            self.validators.pop(name, None)
            self.validators[name] = fresh
            while len(self.validators) > MAX_VALIDATORS:
                del self.validators[next(iter(self.validators))]
        return found

    def _raw(
        self, url: str, headers: dict[str, str], body: bytes | None, known: Validator
    ) -> tuple[bytes, Validator]:
        """Return a document as it came."""
        if "://" in url:
            return self._follow(url, headers, body, known)
        if self.public:
            message = "it is a file, and may only be got from a public address"
            raise FeedError(message)
        return self._file(Path(url)), Validator()

    def _sidecar(self, url: str) -> bytes:
        """Return what proves a document."""
        return self._raw(url, {}, None, Validator())[0]

    def _file(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                raw = file.read(self.limits.octets + 1)
        except OSError as error:
            message = f"{path}: {error.strerror}"
            raise FeedError(message) from error
        return raw

    def _follow(
        self, url: str, headers: dict[str, str], body: bytes | None, known: Validator
    ) -> tuple[bytes, Validator]:
        until = self.clock.monotonic() + self.limits.seconds
        origin = parts = _split(url)
        for hop in range(MAX_REDIRECTS + 1):
            with ExitStack() as stack:
                connection = self._connect(
                    parts, may_be_local=hop == 0 and not self.public, until=until
                )
                stack.callback(connection.close)
                answer = self._ask(connection, parts, headers, body, known)
                stack.callback(answer.close)
                self._said = {name.lower(): text[:1024] for name, text in answer.getheaders()}
                self._judge(answer, parts)
                if answer.status not in _REDIRECTS:
                    return self._body(answer, parts), Validator(
                        answer.getheader("ETag", "")[:256],
                        answer.getheader("Last-Modified", "")[:64],
                    )
                target = _split(urljoin(parts.geturl(), answer.getheader("Location", "")))
            if parts.scheme == "https" and target.scheme != "https":
                message = f"{_place(parts)}: redirects to {_place(target)}, which is not encrypted"
                raise FeedError(message)
            if target.netloc != origin.netloc:  # A key is for whom it was given.
                headers = {"Accept": headers["Accept"]} if "Accept" in headers else {}
            parts = target
        message = f"{_place(origin)}: redirects without end"
        raise FeedError(message)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        parts: SplitResult,
        headers: Mapping[str, str],
        body: bytes | None,
        known: Validator,
    ) -> http.client.HTTPResponse:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if self.proxy and parts.scheme == "http":
            target = f"http://{parts.netloc}{target}"
        asked = {"User-Agent": self.agent, "Accept-Encoding": "gzip", "Connection": "close"}
        if known.etag:
            asked["If-None-Match"] = known.etag
        if known.modified:
            asked["If-Modified-Since"] = known.modified
        try:
            connection.request(
                "POST" if body is not None else "GET", target, body, asked | {**headers}
            )
            return connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _failed(parts, error) from error

    def _judge(self, answer: http.client.HTTPResponse, parts: SplitResult) -> None:
        """Raise Unchanged or FeedError unless there is something to read."""
        if answer.status == 304:
            raise Unchanged
        if answer.status not in _REDIRECTS and not 200 <= answer.status < 300:
            message = f"{_place(parts)}: answered {answer.status} {answer.reason[:64]}".rstrip()
            raise FeedError(message, after=self._rest(answer))

    def _rest(self, answer: http.client.HTTPResponse) -> float:
        """Return how many seconds the source asks to be left alone (RFC 9110, section 10.2.3)."""
        text = answer.getheader("Retry-After", "")
        if text.isdecimal():
            return min(float(text[:9]), LONGEST_REST)
        try:
            until = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError, OverflowError):
            return 300.0 if answer.status == 429 else 0.0
        return min(max(0.0, until - self.clock.now() / 1e9), LONGEST_REST)

    def _connect(
        self, parts: SplitResult, *, may_be_local: bool, until: float
    ) -> http.client.HTTPConnection:
        """Connect to an address that was looked at: a name cannot turn into another meanwhile."""
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        via = _split(self.proxy) if self.proxy else None
        if via is None:
            found = _resolved(parts, host, port, may_be_local=may_be_local)
        else:
            if not may_be_local:
                _refuse_local(parts, host)
            found = _resolved(via, via.hostname or "", via.port or 3128, may_be_local=True)
        connection = http.client.HTTPConnection(host, port, timeout=self.limits.silence)

        def left() -> float:
            return min(self.limits.silence, until - self.clock.monotonic())

        answer_within(connection, left, f"took longer than {self.limits.seconds:g} s")
        try:
            opened = _opened(found, left())
        except OSError as error:
            raise _failed(parts, error) from error
        try:
            if via is not None and parts.scheme == "https":
                _tunnel(opened, host, port)
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=self.ca_file or None)
                opened = context.wrap_socket(opened, server_hostname=host)
        except (OSError, ValueError) as error:
            opened.close()
            raise _failed(parts, error) from error
        connection.sock = opened
        return connection

    def _body(self, answer: http.client.HTTPResponse, parts: SplitResult) -> bytes:
        pieces, size = [], 0
        try:
            while piece := answer.read1(PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > self.limits.octets:
                    raise _too_large(_place(parts), self.limits.octets)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _failed(parts, error) from error
        if answer.length:
            message = f"{_place(parts)}: the connection broke {answer.length} octets before the end"
            raise FeedError(message)
        return b"".join(pieces)

    def _unpacked(self, pieces: list[bytes], place: str) -> bytes:
        """Unpack gzip, announced or not; stop at the limit, whatever there is left to unpack."""
        if sum(map(len, pieces)) > self.limits.octets:
            raise _too_large(place, self.limits.octets)
        if not pieces or b"".join(pieces[:2])[:2] != b"\x1f\x8b":
            return b"".join(pieces)
        packed, made, size = b"".join(pieces), [], 0
        try:
            while packed:  # A file may have several members (RFC 1952, section 2.2).
                unpacker = zlib.decompressobj(31)
                made.append(unpacker.decompress(packed, self.limits.octets - size + 1))
                size += len(made[-1])
                if size > self.limits.octets:
                    raise _too_large(place, self.limits.octets)
                if not unpacker.eof:
                    message = f"{place}: the gzip data end too early"
                    raise FeedError(message)
                packed = unpacker.unused_data.lstrip(b"\0")
        except zlib.error as error:
            message = f"{place}: the gzip data are damaged: {error}"
            raise FeedError(message) from error
        return b"".join(made)


def read_key(value: str, file: str) -> str:
    """Return a key: the first line of a file, else the value itself. Raises FeedError."""
    if not file:
        return value
    try:
        with Path(file).open(encoding="ascii") as opened:
            return opened.readline(8192).strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: cannot be read: {getattr(error, 'strerror', None) or 'not ASCII'}"
        raise FeedError(message) from error


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = parts.port is None or parts.port > 0
    except ValueError:
        parts, sound = SplitResult("", "", "", "", ""), False
    if not (sound and parts.scheme in {"http", "https"} and parts.hostname):
        message = "a URL is none of http or https"
        raise FeedError(message)
    return parts


def _place(parts: SplitResult) -> str:
    """Return a URL without path and query: they may hold a key."""
    return f"{parts.scheme}://{parts.hostname}"


def _too_large(place: str, octets: int) -> FeedError:
    return FeedError(f"{place}: is larger than {octets // 2**20} MiB")


def _failed(parts: SplitResult, error: Exception) -> FeedError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return FeedError(f"{_place(parts)}: its certificate is not trusted: {error.verify_message}")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return FeedError(f"{_place(parts)}: {reason[:200]}")


_Found = list[tuple[int, tuple[str, int]]]


def _resolved(parts: SplitResult, host: str, port: int, *, may_be_local: bool) -> _Found:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _failed(parts, error) from error
    found: _Found = [(int(family), (str(place[0]), port)) for family, *_, place in answers]
    for _, (address, _port) in found:
        if not may_be_local:
            _refuse_local(parts, address)
        if is_never_asked(address):
            message = f"{_place(parts)}: is at {address}, where no feed can be"
            raise FeedError(message)
    return found


def _refuse_local(parts: SplitResult, host: str) -> None:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    if not is_public(host):
        message = f"{_place(parts)}: leads to a local address ({host})"
        raise FeedError(message)


def _opened(found: _Found, seconds: float) -> socket.socket:
    """Connect to the first address that answers. Raises OSError."""
    failure = OSError("has no address")
    for family, place in found:
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.settimeout(max(0.1, seconds))
        try:
            opened.connect(place)
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    raise failure


def _tunnel(opened: socket.socket, host: str, port: int) -> None:
    """Have a proxy connect to a server (RFC 9110, section 9.3.6). Raises OSError."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    opened.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode("ascii"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = opened.recv(1)
        if not piece or len(answer) > 8192:
            message = "the proxy does not answer"
            raise OSError(message)
        answer += piece
    if answer.split(None, 2)[1:2] != [b"200"]:
        message = f"the proxy refuses: {answer.splitlines()[0][:64]!r}"
        raise OSError(message)
