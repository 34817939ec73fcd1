"""InfluxDB's line protocol, and a sender that never holds anybody up.

Written as the reference says ("Line protocol", InfluxDB 2 documentation): measurement, tags,
fields, a time in nanoseconds. Lines wait in memory, bounded, while the database cannot be reached.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)

MOST_WAITING = 50_000
"""Lines kept while the database cannot be reached; the oldest go, and are counted."""

BATCH = 5000
"""Lines of one request: what the reference advises."""

RETRY_SECONDS = 10.0

_ESCAPES = str.maketrans(
    {",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\ ", "\r": "", "\\": r"\\", "\0": ""}
)


def line(measurement: str, tags: Mapping[str, str], fields: Mapping[str, float], time: int) -> str:
    """Return one line; `time` in nanoseconds. Tags without a value are left out."""
    named = "".join(
        f",{name.translate(_ESCAPES)}={value.translate(_ESCAPES)}"
        for name, value in sorted(tags.items())
        if value
    )
    values = ",".join(
        f"{name.translate(_ESCAPES)}={f'{value}i' if isinstance(value, int) else repr(value)}"
        for name, value in fields.items()
    )
    return f"{measurement.translate(_ESCAPES)}{named} {values} {time}"


@dataclass(slots=True)
class InfluxState:
    """How the sender does: lines sent and dropped, and what is wrong ('' when all is well)."""

    sent: int = 0
    dropped: int = 0
    fault: str = ""


class InfluxSender:
    """Sends lines in a thread of its own.

    Args:
        url: Where they are posted: `http://HOST:8086/write?db=NAME` or
            `.../api/v2/write?org=ORG&bucket=BUCKET`.
        token: Sent as `Authorization: Token ...`; '' for none.
        timeout: Seconds to wait for the database.
    """

    def __init__(self, url: str, token: str = "", timeout: float = 10.0) -> None:
        self.state = InfluxState()
        self._parts = urlsplit(url)
        self._token = token
        self._timeout = timeout
        self._lines: deque[str] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="phage-influx", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, lines: list[str]) -> None:
        """Hand lines over; never waits."""
        with self._wake:
            self._lines.extend(lines)
            self._drop_oldest()
            self._wake.notify()

    def _drop_oldest(self) -> None:
        while len(self._lines) > MOST_WAITING:
            self._lines.popleft()
            self.state.dropped += 1

    def stop(self, timeout: float = 5.0) -> None:
        """Send what waits, once, and end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: bool(self._lines) or self._stopping)
                # What is being sent is no longer among what waits, whose oldest may go meanwhile.
                batch = [self._lines.popleft() for _ in range(min(BATCH, len(self._lines)))]
                stopping = self._stopping
            is_done = not batch or self._send(batch)
            with self._wake:
                if not is_done:
                    self._lines.extendleft(reversed(batch))
                    self._drop_oldest()
                if not is_done and not stopping:
                    self._wake.wait_for(lambda: self._stopping, RETRY_SECONDS)
                if stopping and (not is_done or not self._lines):
                    return

    def _send(self, lines: list[str]) -> bool:
        """Post lines; false where they are to be sent again."""
        fault = ""
        again = True
        try:
            status, answer = self._post("\n".join(lines).encode())
            if 400 <= status < 500 and status not in {408, 429}:
                # What it does not take it will not take later either.
                again = False
                with self._wake:
                    self.state.dropped += len(lines)
            if status >= 300:
                fault = f"answered {status}: {answer[:200]}"
            else:
                again = False
                self.state.sent += len(lines)
        except (OSError, http.client.HTTPException, ValueError) as error:
            fault = str(error) or type(error).__name__
        if fault and fault != self.state.fault:
            _log.warning("InfluxDB at %s: %s", self._parts.hostname, fault)
        self.state.fault = fault
        return not again

    def _post(self, body: bytes) -> tuple[int, str]:
        host, port = self._parts.hostname or "", self._parts.port
        connection: http.client.HTTPConnection
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                host, port, timeout=self._timeout, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "phage"}
        if self._token:
            headers["Authorization"] = f"Token {self._token}"
        query = f"?{self._parts.query}" if self._parts.query else ""
        try:
            connection.request("POST", f"{self._parts.path or '/'}{query}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(4096).decode("utf-8", "replace").strip()
        finally:
            connection.close()
