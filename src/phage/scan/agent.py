"""The agent: runs one scanner with a command line where a worker cannot be, as on Windows.

It needs Python's standard library only, and may be copied alone to another machine:

    python agent.py --description scanner.json --certificate c.pem --key k.pem --token-file token

The description is JSON (or YAML, where PyYAML is there):

    {"program": "C:/Program Files/Scanner/scan.exe", "arguments": ["/quiet", "{file}"],
     "clean": [0], "infected": [1], "suspicious": [], "pattern": "FOUND: (?P<label>.+)",
     "version": ["/version"], "definitions": "C:/ProgramData/Scanner/base.dat", "timeout": 60}

A worker on Linux asks it over HTTPS (`engines/agent.py`) and shows the token. What it can do to
shut the scanner in is little, and it says so: the scanner sees the machine and its network.
"""

from __future__ import annotations

import argparse
import contextlib
import hmac
import json
import os
import re
import signal
import socket
import ssl
import subprocess  # noqa: TID251  It is all that this does.
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ISOLATION = "none: a process of its own with a limit of time, on a machine and network it can see"
LONGEST = 2**20
"""Octets of a scanner's answer that are looked at."""

CHUNK = 2**18
MOST_CONNECTIONS = 32
"""Connections at a time; more are closed at once: who shows no token yet gets no thread either."""

LONGEST_SECONDS = 600.0
"""How long a connection may last besides the scanner: who sends an octet now and then goes."""

KEYS = frozenset(
    {
        "program", "arguments", "clean", "infected", "suspicious", "pattern", "version",
        "definitions", "timeout",
    }
)  # fmt: skip


class DescriptionError(Exception):
    """A description makes no sense; says which key."""


@dataclass(frozen=True)
class Scanner:
    """A scanner as it is described."""

    program: str
    arguments: tuple[str, ...]
    clean: frozenset[int]
    infected: frozenset[int]
    suspicious: frozenset[int]
    pattern: re.Pattern[str] | None
    version: tuple[str, ...]
    definitions: str
    timeout: float

    @classmethod
    def read(cls, path: Path) -> Scanner:
        """Read a description. Raises DescriptionError."""
        about = _parsed(path)
        for key in about:
            if key not in KEYS:
                message = f"{path}: {key}: no such key; there are {', '.join(sorted(KEYS))}"
                raise DescriptionError(message)
        try:
            pattern = about.get("pattern")
            return cls(
                str(about["program"]),
                tuple(map(str, about.get("arguments", ("{file}",)))),
                frozenset(map(int, about.get("clean", (0,)))),
                frozenset(map(int, about.get("infected", (1,)))),
                frozenset(map(int, about.get("suspicious", ()))),
                re.compile(str(pattern)) if pattern else None,
                tuple(map(str, about.get("version", ()))),
                str(about.get("definitions", "")),
                float(about.get("timeout", 60.0)),
            )
        except (KeyError, TypeError, ValueError, re.error) as error:
            message = f"{path}: {error}; see the agent's documentation"
            raise DescriptionError(message) from error

    def scan(self, path: str) -> dict[str, Any]:
        """Run the scanner on a file; return what it said."""
        began = time.perf_counter()
        words = [each.replace("{file}", path) for each in self.arguments]
        try:
            code, text = run([self.program, *words], self.timeout)
        except subprocess.TimeoutExpired:
            return {"category": "timeout", "error": f"took longer than {self.timeout:g} s"}
        except OSError as error:
            return {"category": "failure", "error": str(error)[:500]}
        return {**self.judged(code, text), "seconds": round(time.perf_counter() - began, 6)}

    def judged(self, code: int, text: str) -> dict[str, Any]:
        """Return what an exit code and an answer mean."""
        if code in self.clean:
            return {"category": "undetected"}
        for category, codes in (("malicious", self.infected), ("suspicious", self.suspicious)):
            if code in codes:
                match = self.pattern.search(text) if self.pattern else None
                label = (match.groupdict().get("label") or match[0]) if match else "unnamed"
                return {"category": category, "label": label.strip()[:200] or "unnamed"}
        last = text.strip().splitlines()[-1:] or [""]
        return {"category": "failure", "error": f"ended with {code}: {last[0][:300]}"}

    def about(self) -> dict[str, Any]:
        """Return versions, and how little the scanner is shut in."""
        version = ""
        if self.version:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                _, text = run([self.program, *self.version], 30.0)
                version = " ".join(text.split())[:200]
        found: dict[str, Any] = {"version": version or Path(self.program).name}
        if self.definitions:
            with contextlib.suppress(OSError):
                stamp = Path(self.definitions).stat()
                found["definitions"] = f"{stamp.st_size}-{stamp.st_mtime_ns // 10**9}"
                found["built"] = stamp.st_mtime_ns
        return {**found, "isolation": ISOLATION, "timeout": self.timeout}


def run(command: list[str], seconds: float) -> tuple[int, str]:
    """Run a program without input; return its exit code and the beginning of what it says.

    Raises subprocess.TimeoutExpired after all that it has started was killed, and OSError.
    """
    with tempfile.TemporaryFile() as said:  # A pipe would be held open by what it leaves behind.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",
        )
        try:
            code = process.wait(seconds)
        finally:
            _kill(process)
        said.seek(0)
        return code, said.read(LONGEST).decode("utf-8", "replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with what it has started."""
    if sys.platform == "win32":
        command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        if process.poll() is None:
            subprocess.run(command, check=False, capture_output=True)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Agent(ThreadingHTTPServer):
    """Answers workers. Each asks for a file at a time; of more than `most` files some wait."""

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        scanner: Scanner,
        token: str,
        tls: ssl.SSLContext | None,
        *,
        largest: int = 2**30,
        most: int = 2,
    ) -> None:
        super().__init__(address, _Handler)
        self.scanner = scanner
        self.token = token
        self.largest = largest
        self.room = threading.BoundedSemaphore(most)
        self.longest = LONGEST_SECONDS + scanner.timeout
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._tls = tls

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  As there.
        """Give a connection a thread, where there is one left."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # As where no thread is to be had.
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer one connection, and let the next have its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  As there.
        """Answer one connection; TLS begins in its own thread, so that nobody holds up others."""
        request.settimeout(60.0)
        with contextlib.suppress(OSError, ValueError):  # It went away, or makes no sense.
            if self._tls is None:
                with _cut_after(self.longest, request):
                    super().finish_request(request, client_address)
                return
            with (
                self._tls.wrap_socket(
                    request, server_side=True, do_handshake_on_connect=False
                ) as secure,
                _cut_after(self.longest, secure),
            ):
                secure.do_handshake()
                super().finish_request(secure, client_address)


@contextlib.contextmanager
def _cut_after(seconds: float, connection: socket.socket) -> Iterator[None]:
    """Cut a connection that lasts too long; its own limit begins anew with each octet."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    end = threading.Timer(seconds, cut)
    end.daemon = True
    end.start()
    try:
        yield
    finally:
        end.cancel()
        end.join()


class _Handler(BaseHTTPRequestHandler):
    server: Agent
    protocol_version = "HTTP/1.1"
    server_version = "phage-agent"
    sys_version = ""

    def do_GET(self) -> None:
        """Tell of the scanner."""
        if self._may() and self.path == "/v1/about":
            self._answer(200, self.server.scanner.about())
        elif self._may():
            self._answer(404, {"error": "no such thing"})

    def do_POST(self) -> None:
        """Scan a file: the body."""
        length = self.headers.get("Content-Length", "")
        if not self._may():
            return
        if self.path != "/v1/scan" or not length.isdecimal():
            self._answer(404, {"error": "send a file with its length to /v1/scan"}, close=True)
        elif int(length) > self.server.largest:
            self._answer(413, {"error": f"larger than {self.server.largest}"}, close=True)
        elif not self.server.room.acquire(timeout=30.0):
            self._answer(503, {"error": "too many files at a time"}, close=True)
        else:
            try:
                self._scan(int(length))
            finally:
                self.server.room.release()

    def _scan(self, length: int) -> None:
        with tempfile.TemporaryDirectory(prefix="phage-agent-") as folder:
            path = Path(folder) / "sample"
            left = length
            with path.open("wb") as file:
                while left and (chunk := self.rfile.read(min(left, CHUNK))):
                    file.write(chunk)
                    left -= len(chunk)
            if left:
                self.close_connection = True
                return
            said = self.server.scanner.scan(str(path))
        self._answer(200, said)

    def _may(self) -> bool:
        shown = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if hmac.compare_digest(shown.encode(), self.server.token.encode()):
            return True
        self._answer(401, {"error": "that token is not valid"}, close=True)
        return False

    def _answer(self, status: int, body: dict[str, Any], *, close: bool = False) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The library's name.
        """Say nothing of each request."""


def _parsed(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            about = json.loads(text)
        else:
            import yaml  # noqa: PLC0415  Only where it is there.

            about = yaml.safe_load(text)
    except Exception as error:
        message = f"{path}: cannot be read: {error}"
        raise DescriptionError(message) from error
    if not isinstance(about, dict) or "program" not in about:
        message = f"{path}: program: is missing; name the scanner's program"
        raise DescriptionError(message)
    return about


def make_agent(
    listen: str, description: Path, token_file: Path, certificate: Path, key: Path, **bounds: int
) -> Agent:
    """Return an agent that listens. Raises DescriptionError, OSError."""
    host, _, port = listen.rpartition(":")
    token = token_file.read_text(encoding="ascii").strip()
    if len(token) < 16:
        message = f"{token_file}: a token has at least 16 characters"
        raise DescriptionError(message)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(certificate, key)
    return Agent((host, int(port)), Scanner.read(description), token, tls, **bounds)


def main(arguments: list[str] | None = None) -> int:
    """Serve until stopped."""
    parser = argparse.ArgumentParser("phage-agent", description="Runs a scanner for phage.")
    parser.add_argument("--listen", default="127.0.0.1:8484", metavar="ADDRESS:PORT")
    for name in ("description", "certificate", "key", "token-file"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    parser.add_argument("--files", default=2, type=int, help="scanned at a time")
    chosen = parser.parse_args(arguments)
    try:
        agent = make_agent(
            chosen.listen, chosen.description, chosen.token_file, chosen.certificate, chosen.key,
            most=chosen.files,
        )  # fmt: skip
    except (DescriptionError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"scanning at {chosen.listen}; isolation is {ISOLATION}\n")
    with contextlib.suppress(KeyboardInterrupt):
        agent.serve_forever()
    agent.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
