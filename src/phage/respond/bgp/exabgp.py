"""ExaBGP as a process of phage's own: started, talked to over private pipes, ended.

phage writes a configuration and starts ExaBGP on it. ExaBGP starts `handover.py`, which passes
ExaBGP's own pipes to phage. Whatever ends phage closes a socket and so ends ExaBGP: no route
outlives its reason.
"""

from __future__ import annotations

import collections
import contextlib
import os
import select
import shutil
import signal
import socket
import struct
import subprocess  # noqa: TID251  A responder's program.
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from phage.errors import ConfigError

if TYPE_CHECKING:
    from phage.respond.bgp.peering import Peering

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian keeps exabgp in /usr/sbin, which is not on the path of ordinary accounts."""

_MOST_UNREAD = 1 << 20
"""Octets without the end of a line that are kept; ExaBGP's longest line has some thousand."""

_LAST_WORDS = 20
_STOP_SECONDS = 3.0
"""ExaBGP says good-bye to its neighbours within a second; then it is killed."""

_SETTINGS = {
    "exabgp_api_ack": "true",
    "exabgp_api_cli": "false",
    "exabgp_api_encoder": "json",
    "exabgp_api_respawn": "false",
    "exabgp_api_terminate": "true",
    "exabgp_daemon_daemonize": "false",
    # The handover runs as phage itself; ExaBGP gives up root before it connects to anybody.
    "exabgp_daemon_drop": "false",
    "exabgp_daemon_pid": "",
    "exabgp_log_all": "false",
    "exabgp_log_destination": "stderr",
    "exabgp_log_enable": "true",
    "exabgp_log_level": "WARNING",
    "exabgp_tcp_bind": "",
    "exabgp_tcp_delay": "0",
    "exabgp_tcp_once": "false",
}


def find() -> str:
    """Return the path of the program, or '' where it is not installed."""
    beside = Path(sys.executable).parent
    return shutil.which("exabgp", path=f"{beside}:{os.environ.get('PATH', '')}:{_PATH}") or ""


def missing() -> str:
    """Return why BGP cannot be spoken here, or ''."""
    if find():
        return ""
    return "ExaBGP is not installed: apt install exabgp, or pip install 'phage[bgp]'"


class ExaBgp:
    """One running ExaBGP. Made by `start`; it cannot be started again."""

    def __init__(self, program: str, peering: Peering) -> None:
        self._program = program
        self._peering = peering
        self._folder = ""
        self._listener: socket.socket | None = None
        self._life: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = self._writer = -1
        self._unread = b""
        self._words: collections.deque[str] = collections.deque(maxlen=_LAST_WORDS)

    def start(self) -> None:
        """Start the program. Raises ConfigError with what to do when it cannot be started."""
        try:
            self._start()
        except OSError as error:
            self.stop()
            message = f"ExaBGP cannot be started: {error}"
            raise ConfigError(message) from error
        except ConfigError:
            self.stop()
            raise

    def _start(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="phage-bgp-")  # 0700: ours alone.
        meeting = Path(self._folder, "api")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(meeting))
        self._listener.listen(1)
        self._listener.setblocking(False)  # noqa: FBT003  The standard library's.
        handover = Path(__file__).with_name("handover.py")
        ending = signal.SIGKILL if self._peering.keep_s else signal.SIGTERM
        words = [sys.executable, "-IS", str(handover), str(meeting), str(int(ending))]
        if any(set(word) & set(" \t;{}[]\"'#\\") for word in words):
            message = "ExaBGP cannot be started: a path of phage has spaces or signs in it"
            raise ConfigError(message)
        configuration = Path(self._folder, "exabgp.conf")
        configuration.touch(0o600)
        configuration.write_text(self._peering.configuration(" ".join(words)), encoding="ascii")
        account = {"exabgp_daemon_user": self._peering.account}
        self._process = subprocess.Popen(  # noqa: S603  Our own list of arguments.
            [self._program, str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": _PATH, "LANG": "C.UTF-8", **_SETTINGS, **account},
            cwd="/",
            start_new_session=True,
            extra_groups=[] if os.geteuid() == 0 else None,
        )
        assert self._process.stderr is not None  # noqa: S101  For the type checker.
        threading.Thread(
            target=self._listen, args=(self._process.stderr,), name="exabgp", daemon=True
        ).start()

    def _listen(self, stream: IO[bytes]) -> None:
        """Take what ExaBGP writes to its log, so that it never waits for a reader."""
        with stream:
            while line := stream.readline(1000):
                self._words.append(line.decode("utf-8", "replace").strip())

    @property
    def is_running(self) -> bool:
        """Tell whether the program has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Tell whether its pipes are ours."""
        return self._writer >= 0

    @property
    def last_words(self) -> str:
        """Return the end of its log in one line."""
        text = " ".join("".join(c if c.isprintable() else " " for c in w) for w in self._words)
        return text[-300:]

    def meet(self) -> None:
        """Take the pipes if they have been handed over."""
        if self.is_ready or self._listener is None:
            return
        try:
            life, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError):
            return
        # Who can connect is phage's own account or root: the folder is closed to all others.
        credentials = life.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", credentials)[1] != os.geteuid():
            life.close()
            return
        life.settimeout(1.0)
        with contextlib.suppress(OSError):
            _, pipes, _, _ = socket.recv_fds(life, 1, 2)
            if len(pipes) == 2:
                self._reader, self._writer = pipes
                os.set_blocking(self._reader, False)
                os.set_blocking(self._writer, False)
                self._life = life
                self._listener.close()
                self._listener = None
                return
            for pipe in pipes:
                os.close(pipe)
        life.close()

    def lines(self) -> list[bytes]:
        """Return the lines that have come, without waiting. Raises OSError when no more come."""
        while self.is_ready:
            try:
                octets = os.read(self._reader, 65_536)
            except (BlockingIOError, InterruptedError):
                break
            if not octets or len(self._unread) > _MOST_UNREAD:
                message = "ExaBGP closed its pipe"
                raise OSError(message)
            self._unread += octets
        *lines, self._unread = self._unread.split(b"\n")
        return lines

    def wait(self, seconds: float) -> None:
        """Wait until something has come."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        poll.poll(max(seconds, 0.0) * 1000)

    def write(self, octets: bytes) -> int:
        """Write what the pipe takes, without waiting; return how much it took.

        Raises OSError when nobody reads any more.
        """
        try:
            return os.write(self._writer, octets)
        except (BlockingIOError, InterruptedError):
            return 0

    def stop(self) -> None:
        """End the program: with a good-bye, or without one where routers shall keep routes."""
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL if self._peering.keep_s else signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_STOP_SECONDS)
        for end in (self._reader, self._writer):
            if end >= 0:
                os.close(end)
        self._reader = self._writer = -1
        for peer in (self._life, self._listener):
            if peer is not None:
                peer.close()
        self._life = self._listener = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
