"""The enforcer as a process: CAP_NET_ADMIN and nothing else, until whoever started it is gone.

With iptables also CAP_NET_RAW, which iptables needs to ask about a set.

The kernel keeps the bans with their timeouts when it ends; the next one takes over with `Replace`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import resource
import signal
import socket
import stat
import subprocess  # noqa: TID251  This is its launcher.
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import phage
from phage.clock import SystemClock
from phage.config.ownership import hand_over
from phage.enforcer import ipsets
from phage.enforcer.capabilities import CAP_NET_ADMIN, CAP_NET_RAW, account, keep_only
from phage.enforcer.keeper import keep
from phage.enforcer.server import Server
from phage.enforcer.service import Service
from phage.errors import PhageError
from phage.respond.netlink.errors import AbsentError
from phage.respond.netlink.link import Link
from phage.respond.netlink.tables import Table
from phage.respond.nft import layout, saved
from phage.respond.nft.apply import RuleSwitch
from phage.respond.remote import EnforcerError, RemoteResponder
from phage.respond.responders.nftables import NftablesResponder

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)

ACCOUNTS = ("phage-enforcer", "nobody", "daemon")
"""An account of its own where the package made one, else one that owns nothing; never the
controller's, which could end it."""
RULES_FILE = "rules.json"
PANIC_SECONDS = 1.0
"""How long an enforcer may take for `panic`; one that hangs holds nobody up."""
OPEN_FILES = 64
BACKLOG = 64
"""Who asks for a seat in vain must not keep root from asking."""


@dataclass(slots=True)
class Enforcer:
    """A running enforcer, as its starter holds it.

    It ends when `stop` is called or the holder ends, however that comes.

    Attributes:
        path: Its socket.
        process: Its process.
    """

    path: Path
    process: subprocess.Popen[bytes]
    _lifeline: int

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self.process.pid

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self.process.poll() is None

    def stop(self, seconds: float = 5.0) -> None:
        """End it and wait; blocks stay in the kernel until they expire."""
        with contextlib.suppress(OSError):
            os.close(self._lifeline)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            # After the controller gave up root, only its pipe is left to it.
            with contextlib.suppress(PermissionError):
                self.process.kill()


def start(
    socket_path: Path,
    controller_uid: int,
    folder: Path,
    devices: Sequence[str] = (),
    *,
    iptables: bool = False,
) -> Enforcer:
    """Start the enforcer; to be called as root, before privileges are given up.

    Args:
        socket_path: Where it listens; its folder must exist.
        controller_uid: The only user beside root that it serves.
        folder: Where it keeps the static rules; made if need be, and its own.
        devices: Interfaces at whose ingress bans are asked.
        iptables: It may run iptables, for the responder `ipset`.

    Raises PhageError when it cannot be started.
    """
    listener = listen(socket_path, controller_uid)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    told = json.dumps(
        [listener.fileno(), controller_uid, str(folder), [*devices], reading, iptables]
    )
    command = [sys.executable, "-P", "-m", "phage.enforcer.process", told]
    try:
        process = subprocess.Popen(  # noqa: S603  Our own program.
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=(listener.fileno(), reading),
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    except OSError as error:
        os.close(writing)
        message = f"cannot start the enforcer: {error.strerror}"
        raise PhageError(message) from error
    finally:
        listener.close()
        os.close(reading)
    return Enforcer(socket_path, process, writing)


def listen(path: Path, user: int) -> socket.socket:
    """Return a listening socket that only a user and root may open. Raises PhageError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        if path.exists() and stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
        listener.bind(str(path))
        if os.geteuid() == 0:
            os.chown(path, user, -1, follow_symlinks=False)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        message = f"cannot listen at {path}: {error.strerror}"
        raise PhageError(message) from error
    finally:
        os.umask(mask)
    return listener


def beside(state: Path) -> Path:
    """Return where the enforcer keeps its own: not in the controller's folder of state."""
    return state.with_name(f"{state.name}-enforcer")


def panic_directly(folder: Path | None = None) -> None:
    """Take all blocks out without an enforcer: the table, what is in sets, the static rules.

    Takes CAP_NET_ADMIN. `folder` is where the enforcer keeps its rules, which then do not come
    back at its next start. That there is no table is no error. Raises PhageError.
    """
    link = Link()
    try:
        link.transact([Table(layout.TABLE).delete()])
    except AbsentError:
        pass
    finally:
        link.close()
    ipsets.empty()
    if folder is not None and (folder / RULES_FILE).exists():
        saved.save(folder / RULES_FILE, saved.Saved())


def panic(socket_path: Path, folder: Path | None = None) -> bool:
    """Take all blocks out, directly as root, and by the enforcer; tell whether an enforcer did it.

    Raises PhageError when neither is possible.
    """
    is_root = os.geteuid() == 0
    if is_root:
        panic_directly(folder)  # First: an enforcer may be busy for a minute, or hang.
    remote = RemoteResponder(socket_path, PANIC_SECONDS)
    try:
        remote.panic()
    except EnforcerError:
        if not is_root:
            panic_directly(folder)
        return False
    finally:
        remote.close()
    if is_root:
        panic_directly(folder)  # An enforcer that lies has no say in this.
    return True


def run(
    listener: socket.socket,
    user: int,
    folder: Path,
    devices: Sequence[str] = (),
    lifeline: int | None = None,
    *,
    iptables: bool = False,
) -> None:
    """Give up all privileges but one and serve, until told to end or the lifeline is cut.

    What serves is a child, and another one when it dies. Raises PhageError when it cannot serve.
    """
    _log.info("%s", confine(user, folder, iptables=iptables))
    clock = SystemClock()

    def serve() -> None:
        service = Service(
            NftablesResponder(tuple(devices)),
            RuleSwitch(folder / RULES_FILE, clock),
            clock,
            iptables=iptables,
        )
        _serve(Server(listener, service, clock, frozenset({0, user})), service, lifeline)

    keep(serve, clock)


def _serve(server: Server, service: Service, lifeline: int | None) -> None:
    wake, told = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: ended.append(received))
    signal.set_wakeup_fd(told)
    service.start()
    release_memory()
    try:
        wakes = [wake] if lifeline is None else [wake, lifeline]
        server.serve(lambda: bool(ended) or _is_cut(lifeline), wakes)
    finally:
        server.close()
        service.close()


def release_memory() -> None:
    """Give what the C library keeps for later back to the kernel, where the library can (glibc)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def confine(user: int, folder: Path, *, iptables: bool = False) -> str:
    """Give up everything but CAP_NET_ADMIN; return a line that says as whom it goes on.

    With iptables CAP_NET_RAW is kept too: without it iptables cannot ask ipset about a set.

    Where the account cannot reach the program or the folder (a checkout below /root), root's
    account stays, which without capabilities owns root's files and nothing else.
    """
    kept = (CAP_NET_ADMIN, CAP_NET_RAW) if iptables else (CAP_NET_ADMIN,)
    names = "CAP_NET_ADMIN and CAP_NET_RAW" if iptables else "CAP_NET_ADMIN"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    os.umask(0o077)
    if os.geteuid() != 0:
        keep_only(kept, None)
        return f"enforcing with {names} only"
    chosen = account(ACCOUNTS, but=user)
    blocked = _unreachable(folder)
    if chosen is None or blocked:
        keep_only(kept, None)
        why = f"others cannot enter {blocked}" if blocked else "there is no other account"
        return f"enforcing with {names} only, as root: {why}"
    hand_over(folder, chosen.pw_uid, chosen.pw_gid, {0})
    keep_only(kept, chosen)
    return f"enforcing with {names} only, as {chosen.pw_name}"


def _is_cut(lifeline: int | None) -> bool:
    """Tell whether the other end of the pipe is closed: nothing is ever written to it."""
    if lifeline is None:
        return False
    os.set_blocking(lifeline, False)
    try:
        return os.read(lifeline, 1) == b""
    except BlockingIOError:
        return False


def _unreachable(folder: Path) -> str:
    """Return the first folder on the way to program and state that others may not enter, or ''."""
    program = {Path(sys.prefix), Path(sys.base_prefix), Path(phage.__file__).resolve().parent}
    needed = list(folder.resolve().parents)
    for each in program:
        needed += [each, *each.parents]
    for each in sorted(needed):
        if not each.stat().st_mode & stat.S_IXOTH:
            return str(each)
    return ""


def _environment() -> dict[str, str]:
    """Return what the enforcer needs to know: where Python and phage are."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(Path(phage.__file__).resolve().parent.parent),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as `start` starts it: with the arguments of `run` as one array of JSON."""
    (told,) = sys.argv[1:] if arguments is None else arguments
    listener, user, folder, devices, lifeline, iptables = json.loads(told)
    try:
        run(
            socket.socket(fileno=listener),
            user,
            Path(folder),
            devices,
            lifeline,
            iptables=iptables,
        )
    except PhageError as error:
        sys.stderr.write(f"phage enforcer: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
