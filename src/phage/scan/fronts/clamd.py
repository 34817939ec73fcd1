"""clamd's protocol (clamd(8)), for clamdscan, mail filters and libraries that speak it."""

from __future__ import annotations

import os
import re
import stat
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from phage.errors import PhageError
from phage.records.sample import Outcome
from phage.scan.content import Content
from phage.scan.desk import DeskError, TooLargeError
from phage.scan.listener import Listener, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from phage.records.sample import Verdict
    from phage.scan.content import Intake
    from phage.scan.desk import Judge
    from phage.scan.listener import Reader

LONGEST = 5000
"""Octets of a command, a path of PATH_MAX included."""

MOST_FILES = 100_000
"""Files of one command; of more the rest is left out, and said to be."""

MOST_UNREAD = 100
"""Folders that cannot be read of which a command says so."""

CHUNK = 2**20

COMMANDS = (
    "PING", "VERSION", "VERSIONCOMMANDS", "STATS", "SCAN", "CONTSCAN", "MULTISCAN", "ALLMATCHSCAN",
    "INSTREAM", "FILDES", "IDSESSION", "END",
)  # fmt: skip

_PATHS = frozenset({"SCAN", "CONTSCAN", "MULTISCAN", "ALLMATCHSCAN", "RAWSCAN"})
_PLAIN = re.compile(r"[^\x21-\x7e]+")


@dataclass(kw_only=True)
class ClamdFront:
    """Answers as clamd does.

    A file that is infected or suspicious is FOUND. Where something could not be looked at, the
    answer is an ERROR with the reason, never OK; `incomplete` may say otherwise.
    """

    name: ClassVar[str] = "clamd"
    summary: ClassVar[str] = "Answers as clamd does, for clamdscan and mail filters."

    listen: str = "127.0.0.1:3310"
    """Address and port; empty for none."""
    socket: str = ""
    """Path of a Unix socket; empty for none."""
    mode: int = 0o660
    """Mode of that socket."""
    folders: tuple[str, ...] = ()
    """Folders whose files clients may have scanned by their path; none: no path is taken."""
    largest: int = 100 * 2**20
    """Octets of the largest stream (StreamMaxLength)."""
    connections: int = 32
    """Connections at a time."""
    patience: float = 30.0
    """Seconds that a client may be silent."""
    seconds: float = 300.0
    """Seconds that a verdict may take."""
    incomplete: str = "error"
    """What is said where not all could be looked at: error, found or ok."""

    _listener: Listener | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Raise ValueError for settings that cannot be."""
        if self.incomplete not in {"error", "found", "ok"}:
            message = f"incomplete is error, found or ok, not {self.incomplete!r}"
            raise ValueError(message)
        if not self.listen and not self.socket:
            message = "needs listen or socket"
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
        if self.listen:
            self.port = listener.tcp(self.listen)
        if self.socket:
            listener.unix(Path(self.socket), self.mode)

    def counters(self) -> Mapping[str, int]:
        """Return what it has done and refused."""
        return self._listener.counters() if self._listener is not None else {}

    def close(self) -> None:
        """Stop listening, and end every connection."""
        if self._listener is not None:
            self._listener.close()


class _Session:
    """One connection."""

    def __init__(self, front: ClamdFront, judge: Judge, reader: Reader, listener: Listener) -> None:
        self._front = front
        self._judge = judge
        self._reader = reader
        self._listener = listener
        self._number = 0
        self._lasts = False
        self._end = b"\n"

    def run(self) -> None:
        """Answer one command; in a session, until END."""
        while True:
            self._reader.restart()
            command = self._command()
            if command is None or command == "END":
                return
            if command == "IDSESSION":
                self._lasts = True
                continue
            self._number += self._lasts
            self._answer(command)
            if not self._lasts:
                return

    def _command(self) -> str | None:
        first = self._reader.first()
        if first in {b"n", b"z"}:
            self._reader.take(1)
            self._end = b"\0" if first == b"z" else b"\n"
        elif self._lasts and first:
            message = "commands of a session begin with n or z"
            raise ProtocolError(message)
        line = self._reader.until(self._end, most=LONGEST)
        # A name is any octets: they come back as they came.
        return None if line is None else line[0].decode("utf-8", "surrogateescape").rstrip("\r")

    def _say(self, text: str) -> None:
        told = f"{self._number}: {text}" if self._lasts else text
        self._reader.connection.sendall(told.encode("utf-8", "surrogateescape") + self._end)

    def _answer(self, command: str) -> None:
        verb, _, argument = command.partition(" ")
        self._listener.count("commands")
        simple: dict[str, Callable[[], str]] = {
            "PING": lambda: "PONG",
            "VERSION": lambda: f"phage/{self._judge.fingerprint[:8] or 'none'}",
            "VERSIONCOMMANDS": lambda: f"phage| COMMANDS: {' '.join(COMMANDS)}",
            "STATS": self._stats,
            "RELOAD": lambda: "RELOADING",
        }
        if verb in simple and not argument:
            self._say(simple[verb]())
        elif verb == "INSTREAM":
            self._instream()
        elif verb == "FILDES":
            self._fildes()
        elif verb in _PATHS and argument:
            self._paths(argument, goes_on=verb != "SCAN")
        else:
            self._say("UNKNOWN COMMAND")

    def _stats(self) -> str:
        return (
            f"POOLS: 1\n\nSTATE: VALID PRIMARY\nTHREADS: live {self._listener.open}  idle 0 "
            f"max {self._front.connections} idle-timeout {self._front.patience:g}\nQUEUE: 0 items\n"
            "END"
        )

    def _instream(self) -> None:
        """Read a stream, and say what it is; where it is not taken, that is the last word."""
        try:
            with self._judge.intake() as intake:
                self._receive(intake)
                with Content.of_intake(intake) as content:
                    self._say(self._judged(content, "stream"))
        except TooLargeError:
            self._say("INSTREAM size limit exceeded. ERROR")
            raise
        except DeskError as error:
            self._say(f"stream: {_one_line(str(error))} ERROR")
            raise

    def _receive(self, intake: Intake) -> None:
        """Read chunks, each after its length in four octets; one of length 0 ends the stream."""
        while length := struct.unpack("!I", self._reader.take(4))[0]:
            if intake.size + length > self._front.largest:
                message = "the stream is too large"
                raise TooLargeError(message)
            for piece in self._reader.exactly(length):
                intake.write(piece)

    def _fildes(self) -> None:
        descriptor = self._reader.descriptor()
        if descriptor is None:
            self._say("No file descriptor received. ERROR")
            return
        try:
            self._say(self._opened(descriptor, f"fd[{descriptor}]"))
        finally:
            os.close(descriptor)

    def _opened(self, descriptor: int, name: str) -> str:
        """Return what is said of an open file.

        It is copied: it could be changed while it is looked at, and engines, which run as another
        account, could not read it.
        """
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            return f"{name}: Not supported file type. ERROR"
        try:
            with self._judge.intake(about.st_size) as intake:
                offset = 0
                while chunk := os.pread(descriptor, CHUNK, offset):
                    intake.write(chunk)
                    offset += len(chunk)
                with Content.of_intake(intake) as content:
                    return self._judged(content, name)
        except DeskError as error:
            return f"{name}: {_one_line(str(error))} ERROR"

    def _paths(self, argument: str, *, goes_on: bool) -> None:
        """Scan a file, or a folder with all below it; without `goes_on` up to the first find."""
        top = Path(argument.replace("\0", "?"))
        allowed = [Path(os.path.realpath(folder)) for folder in self._front.folders]
        if not top.is_absolute() or not _is_below(Path(os.path.realpath(top)), allowed):
            self._say(f"{argument}: Access denied. ERROR")
            return
        unread: list[OSError] = []
        said, clean = 0, True
        for count, path in enumerate(_files_below(top, unread.append)):
            if count >= MOST_FILES:
                self._say(f"{argument}: more than {MOST_FILES} files, the rest is left out. ERROR")
                return
            answer = self._path(path, allowed)
            if not answer.endswith(": OK"):
                clean = False
                self._say(answer)
                if answer.endswith(" FOUND") and not goes_on:
                    return
            said += 1
        for error in unread[:MOST_UNREAD]:
            self._say(f"{error.filename}: {error.strerror or 'Cannot be read'}. ERROR")
        if unread:
            return
        if not said:
            self._say(f"{argument}: No such file or directory. ERROR")
        elif clean:
            self._say(f"{argument}: OK")

    def _path(self, path: Path, allowed: list[Path]) -> str:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError as error:
            return f"{path}: {error.strerror or 'Cannot be read'}. ERROR"
        try:
            # What was opened, not what the name leads to by now.
            if not _is_below(Path(f"/proc/self/fd/{descriptor}").readlink(), allowed):
                return f"{path}: Access denied. ERROR"
            return self._opened(descriptor, str(path))
        finally:
            os.close(descriptor)

    def _judged(self, content: Content, name: str) -> str:
        self._listener.count("files")
        try:
            verdict = self._judge.judge(content, Path(name).name, self._front.seconds)
        except (PhageError, OSError) as error:
            return f"{name}: {_one_line(str(error))} ERROR"
        return f"{name}: {self._told(verdict)}"

    def _told(self, verdict: Verdict) -> str:
        if verdict.outcome in {Outcome.INFECTED, Outcome.SUSPICIOUS}:
            return f"{threat(verdict)} FOUND"
        if verdict.outcome is Outcome.CLEAN or self._front.incomplete == "ok":
            return "OK"
        why = _one_line(verdict.reasons[0].text if verdict.reasons else "incomplete")
        return "Phage.Incomplete FOUND" if self._front.incomplete == "found" else f"{why} ERROR"


def threat(verdict: Verdict) -> str:
    """Return the name of what was found, as one word."""
    found = {row.engine: row.label for row in verdict.results if row.label}
    engine = verdict.reasons[0].engine if verdict.reasons else ""
    label = found.get(engine) or next(iter(found.values()), "") or str(verdict.outcome)
    return _PLAIN.sub("_", label)[:200]


def _one_line(text: str) -> str:
    """Return a reason as clients can tell it: clamdscan takes what comes after the last ": "."""
    return " ".join(text.split()).replace(": ", ", ")[:400]


def _is_below(path: Path, folders: list[Path]) -> bool:
    return any(path == folder or folder in path.parents for folder in folders)


def _files_below(top: Path, unread: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield files, and tell which folders cannot be read."""
    if not top.is_dir():
        if top.exists():
            yield top
        return
    for folder, _, names in os.walk(top, onerror=unread):
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path
