"""ClamAV, by its daemon."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import shutil
import stat
import subprocess  # noqa: TID251  It starts clamd where none runs.
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from phage.clock import SystemClock
from phage.errors import PhageError, PluginUnavailableError
from phage.records.sample import Category, EngineKind, EngineVersion
from phage.scan.clamd import Clamd, ClamdError
from phage.scan.engine import Answer, EngineDefaults, Place
from phage.scan.sandbox.launch import confined, new_account, start_for_life
from phage.scan.trials import BENIGN, EVIL, GARBAGE, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

SOCKETS = ("/run/clamav/clamd.ctl", "/var/run/clamav/clamd.ctl", "/run/clamd.scan/clamd.sock")
"""Where distributions let clamd listen: Debian, Red Hat."""

DATABASE = "/var/lib/clamav"
SUFFIXES = frozenset(
    {".cvd", ".cld", ".cud", ".ndb", ".ndu", ".hdb", ".hsb", ".hdu", ".hsu", ".mdb", ".msb", ".ldb",
     ".ldu", ".idb", ".fp", ".sfp", ".ftm", ".cdb", ".crb", ".yar", ".yara", ".ign2", ".pdb",
     ".wdb"}
)  # fmt: skip
START_SECONDS = 120.0
"""The whole base takes 6 to 30 s to load."""

END_SECONDS = 10.0
"""How long a clamd that is replaced may take to end."""

_VERSION = re.compile(r"ClamAV ([^/\s]+)(?:/(\d+)/(.+))?")

# phage has opened what it can before; clamd still opens what only it knows (UPX, NSIS, ...). What
# it does not look at wholly, it is to say: else its OK would mean little.
CONFIGURATION = """
LocalSocket {socket}
LocalSocketMode 600
DatabaseDirectory {database}
TemporaryDirectory {folder}
Foreground yes
LogSyslog no
MaxThreads 8
MaxConnectionQueueLength 30
MaxScanTime 30000
MaxScanSize 400M
MaxFileSize 400M
StreamMaxLength 400M
AlertExceedsMax yes
AlertEncrypted no
AlertBrokenExecutables no
ExitOnOOM yes
SelfCheck 3600
"""


@dataclass(kw_only=True)
class ClamavEngine(EngineDefaults):
    """Asks clamd, over its socket, by handing over an open descriptor.

    A clamd that runs is used as it is. Where none runs and one is installed, phage starts its own,
    unprivileged, with the definitions in its folder, else with those of the system.
    """

    name: ClassVar[str] = "clamav"
    summary: ClassVar[str] = (
        "Asks ClamAV's daemon, and starts it where it is installed and not running."
    )
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS
    place: ClassVar[Place] = Place.SERVICE

    socket: str = ""
    """Socket of clamd: a path, or HOST:PORT; empty: where distributions put it."""
    start: bool = True
    """Start clamd where none runs."""
    largest: int = 400 * 2**20
    """Octets of the largest file that it takes."""
    timeout: float = 60.0
    """Seconds that one file may take."""
    _clamd: Clamd | None = field(default=None, init=False, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        if shutil.which("clamd", path="/usr/sbin:/usr/bin:/usr/local/sbin") or _running(""):
            return ""
        return "needs clamd (apt install clamav-daemon)"

    def version(self) -> EngineVersion:
        """Return clamd's version and that of its definitions. Raises PluginUnavailableError."""
        database = self._database()
        if self.definitions or not self._running():
            if not _has_definitions(database):
                message = (
                    f"clamd has no definitions in {database} (run freshclam, or "
                    "`phage engines update clamav --from FILE`)"
                )
                raise PluginUnavailableError(message)
            engine = _installed_version()
            return EngineVersion(engine, *_digest(database))
        match = _VERSION.match(Clamd(self._running()).ask("VERSION"))
        if match is None:
            message = "clamd says no version"
            raise PluginUnavailableError(message)
        return EngineVersion(match[1], match[2] or _digest(database)[0], _built(match[3]))

    @property
    def clamd(self) -> Clamd:
        """The clamd that `prepare` found. Raises ClamdError before that."""
        if self._clamd is None:
            message = "is not started"
            raise ClamdError(message)
        return self._clamd

    def prepare(self) -> None:
        """Find clamd, or start it. Raises PluginUnavailableError."""
        address = "" if self.definitions else self._running()
        if not address:
            self._process, address, _ = _own_clamd(self._database(), start=self.start)
        self._clamd = Clamd(address, self.timeout)

    def scan(self, content: Content) -> Answer:
        """Ask clamd; what it left out is a failure, so that it is never taken for clean."""
        if self._process is not None and self._process.poll() is not None:
            self.prepare()  # Our own has ended, as of too little memory.
        found = self.clamd.scan(content.descriptor)
        if found.startswith("Heuristics.Limits.Exceeded"):
            message = f"clamd did not look at all of it: {found}"
            raise ClamdError(message)
        if not found:
            return Answer()
        if found.startswith(("Heuristics.", "PUA.")):
            return Answer(Category.SUSPICIOUS, found)
        return Answer(Category.MALICIOUS, found)

    def trials(self) -> tuple[Trial, ...]:
        """Return EICAR, something good, garbage."""
        return (EVIL, BENIGN, GARBAGE)

    def take(self, source: Path, before: Path | None) -> None:
        """Take definition files (.cvd, .cld, .ndb, .hdb, ...)."""
        del before
        paths = [source] if source.is_file() else sorted(source.iterdir())
        taken = [path for path in paths if path.suffix in SUFFIXES and path.is_file()]
        if not taken:
            message = f"{source}: has no definitions of ClamAV"
            raise PhageError(message)
        for path in taken:
            shutil.copyfile(path, Path(self.definitions) / path.name)

    def close(self) -> None:
        """Leave clamd to others; it ends with this process."""
        self._clamd = self._process = None

    def _database(self) -> Path:
        return Path(self.definitions or DATABASE)

    def _running(self) -> str:
        return _running(self.socket)


def _running(configured: str) -> str:
    """Return the address of a clamd that answers; '' for none."""
    for address in (configured,) if configured else SOCKETS:
        if address.startswith("/") and not _is_socket(Path(address)):
            continue
        try:
            if Clamd(address, 5.0).ask("PING") == "PONG":
                return address
        except (ClamdError, TimeoutError):
            continue
    return ""


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def _has_definitions(folder: Path) -> bool:
    try:
        return any(path.suffix in SUFFIXES for path in folder.iterdir())
    except OSError:
        return False


def _digest(folder: Path) -> tuple[str, int]:
    """Return a digest of the names, sizes and times of definitions, and when the last was made."""
    told, built = hashlib.sha256(), 0
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES:
            about = path.stat()
            told.update(f"{path.name} {about.st_size} {about.st_mtime_ns}\n".encode())
            built = max(built, about.st_mtime_ns)
    return told.hexdigest()[:16], built


def _built(text: str | None) -> int:
    try:
        moment = datetime.datetime.strptime(text or "", "%a %b %d %H:%M:%S %Y")  # noqa: DTZ007  It is UTC.
    except ValueError:
        return 0
    return int(moment.replace(tzinfo=datetime.UTC).timestamp()) * 10**9


_versions: list[str] = []


def _installed_version() -> str:
    if not _versions:
        done = subprocess.run(
            [_program(), "--version"], capture_output=True, timeout=30, check=False
        )
        match = _VERSION.match(done.stdout.decode("utf-8", "replace"))
        _versions.append(match[1] if match else "unknown")
    return _versions[0]


def _program() -> str:
    found = shutil.which("clamd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if not found:
        message = "needs clamd (apt install clamav-daemon)"
        raise PluginUnavailableError(message)
    return found


_Started = tuple[subprocess.Popen[bytes], str, tempfile.TemporaryDirectory[str]]
"""A clamd, its socket, and the folder in which that is."""


class _Own:
    """The clamd that this process has started, one for each folder of definitions."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.processes: dict[str, _Started] = {}


_own = _Own()


def _own_clamd(database: Path, *, start: bool) -> _Started:
    """Return this process's clamd, started if need be."""
    key = f"{database} {_digest(database)[0]}"
    with _own.lock:
        known = _own.processes.get(key)
        if known is not None and known[0].poll() is None:
            return known
        if not start:
            message = "clamd does not run, and is not to be started"
            raise PluginUnavailableError(message)
        while _own.processes:  # With older definitions, or ended.
            _end(_own.processes.popitem()[1])
        started = _own.processes[key] = _start(database)
        return started


def _end(started: _Started) -> None:
    process, _, folder = started
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    folder.cleanup()


def _start(database: Path) -> _Started:
    folder = tempfile.TemporaryDirectory(prefix="phage-clamd-")
    path = Path(folder.name)
    socket, errors = path / "clamd.sock", path / "errors"
    configuration = path / "clamd.conf"
    configuration.write_text(
        CONFIGURATION.format(socket=socket, database=database, folder=path), encoding="utf-8"
    )
    account = new_account() if os.geteuid() == 0 else 0
    if account:
        for each in (path, configuration):
            os.chown(each, account, account)
    command = [_program(), f"--config-file={configuration}"]
    with errors.open("wb") as said:
        process = start_for_life(
            confined(command, (str(database.resolve()),), (str(path),), account),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
    clock = SystemClock()
    end = clock.monotonic() + START_SECONDS
    pause = threading.Event()
    while process.poll() is None and clock.monotonic() < end:
        if _running(str(socket)):
            return process, str(socket), folder
        pause.wait(0.02)
    process.kill()
    process.wait()
    said_text = errors.read_bytes().decode("utf-8", "replace").strip().splitlines()
    message = f"clamd does not start: {said_text[-1][:200] if said_text else 'no answer'}"
    folder.cleanup()
    raise PluginUnavailableError(message)
