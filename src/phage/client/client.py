"""A client of phage's REST API: typed where it matters, bounded everywhere, standard library only.

Redirects are not followed and no proxy of the environment is used: the token goes where it was
meant to go.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

MAX_ANSWER = 64 << 20
"""Octets of an answer."""

PAGE = 1000
"""Rows that are asked for at a time."""

Record = dict[str, Any]


class ClientError(PhageError):
    """phage could not be asked, or refused.

    Attributes:
        status: The status code; 0 where there was no answer.
        kind: The problem's name ("permission", "refused"); '' where it has none.
    """

    def __init__(self, message: str, status: int = 0, kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


@dataclass
class Client:
    """Asks one phage. Not for several threads at a time.

    Attributes:
        url: Where it is: "https://phage.lan:8080".
        token: Its token ("phage_..."); made by `phage tokens create`.
        ca_file: Certificates to trust instead of the system's, in PEM.
        seconds: How long an answer may take.
        repeats: What changes something is asked again too, as it may be, when the connection was
            closed while nothing was asked.
    """

    url: str
    token: str = field(repr=False)
    ca_file: str = ""
    seconds: float = 30.0
    repeats: bool = False
    _connection: http.client.HTTPConnection | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def status(self) -> Record:
        """Return how phage does."""
        return self._record("GET", "/api/v1/status")

    def findings(self, limit: int = 100, **wanted: object) -> Iterator[Record]:
        """Yield findings, those seen last first; `wanted` are the parameters of the API."""
        return self.listed("/api/v1/findings", limit, **wanted)

    def finding(self, id: str) -> Record:  # noqa: A002  The field's name.
        """Return a finding by id, or the beginning of one."""
        return self._record("GET", f"/api/v1/findings/{quote(id, safe='')}")

    def label(self, id: str, label: str, note: str = "") -> Record:  # noqa: A002  As above.
        """Say what a finding was."""
        place = f"/api/v1/findings/{quote(id, safe='')}/label"
        return self._record("PUT", place, {"label": label, "note": note})

    def flows(self, limit: int = 100, **wanted: object) -> Iterator[Record]:
        """Yield flows, those seen last first."""
        return self.listed("/api/v1/flows", limit, **wanted)

    def attacks(self, limit: int = 100, **wanted: object) -> Iterator[Record]:
        """Yield attacks by volume, those seen last first."""
        return self.listed("/api/v1/attacks", limit, **wanted)

    def attack(self, id: str) -> Record:  # noqa: A002  The field's name.
        """Return an attack by id, or the beginning of one."""
        return self._record("GET", f"/api/v1/attacks/{quote(id, safe='')}")

    def exporters(self, limit: int = 1000) -> list[Record]:
        """Return exporters of flows, those heard last first."""
        found = self.ask("GET", f"/api/v1/exporters?limit={limit}")
        return found if isinstance(found, list) else []

    def devices(self, limit: int = 100, **wanted: object) -> Iterator[Record]:
        """Yield devices, those seen last first."""
        return self.listed("/api/v1/devices", limit, **wanted)

    def decisions(self, limit: int = 100, **wanted: object) -> Iterator[Record]:
        """Yield decisions, the newest first."""
        return self.listed("/api/v1/decisions", limit, **wanted)

    def decision(self, id: str) -> Record:  # noqa: A002  The field's name.
        """Return a decision by id, or the beginning of one."""
        return self._record("GET", f"/api/v1/decisions/{quote(id, safe='')}")

    def decide(self, target: str, **values: object) -> Record:
        """Decide against a target; return decision, receipts and whether panic holds it."""
        return self._record("POST", "/api/v1/decisions", {"target": target, **values})

    def revoke(self, names: list[str]) -> list[Record]:
        """Take decisions back, by id or target; return them."""
        found: list[Record] = self._record("POST", "/api/v1/decisions/revoke", {"names": names})[
            "decisions"
        ]
        return found

    def rules(self) -> list[Record]:
        """Return the rules in the order in which they are asked."""
        found: list[Record] = self.ask("GET", "/api/v1/rules")
        return found

    def listed(self, path: str, limit: int, **wanted: object) -> Iterator[Record]:
        """Yield rows of a list, page after page, at most `limit` of them."""
        cursor, left = "", limit
        given = {name: value for name, value in wanted.items() if value not in {None, ""}}
        while left > 0:
            query = {**given, "limit": min(left, PAGE), "cursor": cursor}
            page = self._record("GET", f"{path}?{urlencode(_words(query))}")
            rows = page["items"][:left]
            yield from rows
            left -= len(rows)
            cursor = page["next"]
            if not cursor:
                return

    def _record(self, method: str, path: str, body: object = None) -> Record:
        found = self.ask(method, path, body)
        if not isinstance(found, dict):
            message = f"{self.url}: answered what phage does not; is the address right?"
            raise ClientError(message)
        return found

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  JSON.
        """Ask, and return what is answered; None for nothing. Raises ClientError."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        status, text = self._answer(method, path, data, headers)
        found = _read(text)
        if status >= 400 or status in range(300, 400):
            raise _refused(self.url, status, found)
        return found

    @contextlib.contextmanager
    def octets(self, path: str, headers: Mapping[str, str] | None = None) -> Iterator[Octets]:
        """Open a file that is answered, to be read a piece at a time. Raises ClientError."""
        asked = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        answer = self._response("GET", path, None, asked)
        try:
            if answer.status != 200:
                text = self._whole(answer)
                raise _refused(self.url, answer.status, _read(text))  # noqa: TRY301  Closed below.
            yield Octets(self.url, answer)
        except BaseException:
            self.close()
            raise
        if not answer.isclosed():
            self.close()

    def _answer(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        answer = self._response(method, path, data, headers)
        return answer.status, self._whole(answer)

    def _whole(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            text = answer.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise _failed(self.url, error) from error
        if len(text) > MAX_ANSWER:
            self.close()
            message = f"{self.url}: the answer is larger than {MAX_ANSWER >> 20} MiB"
            raise ClientError(message)
        return text

    def _response(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        parts = _parts(self.url)
        fresh = self._connection is None
        connection = self._connection or self._opened(parts)
        try:
            connection.request(method, parts.path.rstrip("/") + path, data, dict(headers))
            return connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            idle = isinstance(error, http.client.RemoteDisconnected | BrokenPipeError)
            if idle and not fresh and (self.repeats or method == "GET"):
                return self._response(method, path, data, headers)
            raise _failed(self.url, error) from error

    def _opened(self, parts: SplitResult) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        if parts.scheme == "http":
            made = http.client.HTTPConnection(host, parts.port or 8080, timeout=self.seconds)
        else:
            try:
                context = ssl.create_default_context(cafile=self.ca_file or None)
            except OSError as error:
                message = f"{self.ca_file}: no certificates can be read there: {error.strerror}"
                raise ClientError(message) from error
            made = http.client.HTTPSConnection(
                host, parts.port or 8080, timeout=self.seconds, context=context
            )
        self._connection = made
        return made


class Octets:
    """A file as it comes."""

    def __init__(self, url: str, answer: http.client.HTTPResponse) -> None:
        self._url = url
        self._answer = answer

    def read(self, count: int, /) -> bytes:
        """Return octets, fewer at the end. Raises ClientError when it breaks off."""
        try:
            return self._answer.read(count)
        except (OSError, http.client.HTTPException) as error:
            raise _failed(self._url, error) from error


def _read(text: bytes) -> Any:  # noqa: ANN401  JSON.
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode("utf-8", "replace")[:200]


def _words(query: Mapping[str, object]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in query.items()
        if value != ""
    }


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = parts.port is None or parts.port > 0
    except ValueError:
        parts, sound = SplitResult("", "", "", "", ""), False
    if not (sound and parts.scheme in {"http", "https"} and parts.hostname):
        message = f"{url}: is no address of phage; write https://HOST:8080"
        raise ClientError(message)
    return parts


def _refused(url: str, status: int, found: object) -> ClientError:
    """Return what a problem (RFC 9457) says."""
    if not isinstance(found, dict):
        return ClientError(f"{url}: answered {status}", status)
    errors = found.get("errors") or ()
    lines = [str(found.get("detail") or found.get("title") or f"answered {status}")]
    lines += [f"{each.get('where')}: {each.get('detail')}" for each in errors]
    kind = str(found.get("type", "")).rpartition("/")[2]
    return ClientError("\n".join(lines), status, "" if ":" in kind else kind)


def _failed(url: str, error: Exception) -> ClientError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ClientError(
            f"{url}: its certificate is not trusted: {error.verify_message}; "
            "--ca-file names a file with one that is"
        )
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ClientError(f"{url}: cannot be asked: {reason}")
