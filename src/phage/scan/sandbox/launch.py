"""Starting a zygote: in bubblewrap where that works, else locked in by Landlock alone.

bubblewrap (bwrap(1)) gives namespaces of its own for files, processes, network, IPC and host name.
As root no user namespace is needed: the zygote gives up root by itself, for an account that nobody
else has, so that limits of processes count. Otherwise bubblewrap makes a user namespace.
"""

from __future__ import annotations

import errno
import functools
import itertools
import json
import os
import shutil
import socket
import subprocess  # noqa: TID251  This starts the sandbox.
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_ACCOUNT = 2_100_000_000
"""Accounts from here up to 2^31 are nobody's by the conventions of Linux distributions (systemd,
"Users, Groups, UIDs and GIDs")."""

WORK = 64 * 2**20
"""Octets of the folder /tmp inside."""

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from phage.scan.sandbox.zygote import main; main(int(sys.argv[2]))"
)
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Walls:
    """What a zygote may see.

    Attributes:
        readable: Files and folders besides the system's programs and Python.
        bubblewrap: The program; '' to do without it.
    """

    readable: tuple[str, ...] = ()
    bubblewrap: str = field(default_factory=lambda: shutil.which("bwrap") or "")


@dataclass(slots=True)
class Launched:
    """A process that was started: its control socket, and a file with what it says."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    errors: IO[bytes]
    uid: int
    work: str
    """The folder that is writable inside."""

    def complaint(self) -> str:
        """Return the last line that it said."""
        self.errors.seek(0)
        lines = self.errors.read(65_536).decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else f"ended with {self.process.poll()}"

    def end(self) -> None:
        """Kill it with all that is in it."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        self.errors.close()
        if self.work != INSIDE:
            shutil.rmtree(self.work, ignore_errors=True)


INSIDE = "/tmp"  # noqa: S108  Inside, it is the sandbox's own.


def launch(walls: Walls) -> Launched:
    """Start a zygote. Raises OSError."""
    if os.geteuid() == 0 and not _may_become_another():
        raise PermissionError(errno.EPERM, HALF_ROOT)
    outside, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    errors = tempfile.TemporaryFile(prefix="phage-sandbox-")  # noqa: SIM115  Launched ends it.
    uid = new_account() if os.geteuid() == 0 else 0
    work = INSIDE if walls.bubblewrap else tempfile.mkdtemp(prefix="phage-sandbox-")
    if uid and not walls.bubblewrap:
        os.chown(work, uid, uid)
    command = list(_bubblewrap(walls)) if walls.bubblewrap else []
    command += [sys.executable, "-I", "-S", "-c", _BEGIN]
    command += [json.dumps(python_paths()), str(inside.fileno())]
    try:
        process = start_for_life(
            command,
            pass_fds=(inside.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except BaseException:
        outside.close()
        errors.close()
        raise
    finally:
        inside.close()
    return Launched(process, outside, errors, uid, work)


HALF_ROOT = (
    "this is root without capabilities, which can neither become another account nor make a "
    "namespace; run `phage worker` by itself (scan.own_worker: false)"
)
"""So is `phage run` where no account can enter the folder of the program."""

CAP_SETUID = 7


def _may_become_another() -> bool:
    """Tell whether this process has CAP_SETUID (capabilities(7))."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SETUID & 1)
    return True


ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",  # noqa: S108  Inside, it is the sandbox's own.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "2",
}
"""Nothing of the outside's environment goes in: it may hold secrets."""


def new_account() -> int:
    """Return the number of an account that no other process has."""
    return FIRST_ACCOUNT + (os.getpid() * 64 + next(_numbers)) % 40_000_000


def python_paths() -> list[str]:
    """Return where modules are found: phage's own, then Python's; never where a script lies."""
    own = str(Path(__file__).resolve().parents[3])
    python = (sys.prefix, sys.base_prefix)
    return [
        own,
        *(
            path
            for path in sys.path
            if path != own and (path.startswith(python) or path.endswith("-packages"))
        ),
    ]


def readable_paths(walls: Walls) -> list[str]:
    """Return what is shown inside: programs, libraries, Python, phage, and what walls add."""
    wanted = ["/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin"]
    wanted += ["/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives"]
    wanted += ["/etc/perl", "/etc/magic", "/etc/magic.mime"]
    wanted += [sys.base_prefix, sys.prefix, sys.base_exec_prefix, *python_paths()]
    wanted += _chain(Path(sys.executable))
    return [path for path in dict.fromkeys([*wanted, *walls.readable]) if Path(path).exists()]


def confined(
    command: list[str], readable: tuple[str, ...], writable: tuple[str, ...], account: int
) -> list[str]:
    """Return a command that runs a program in bubblewrap, without network, as an account.

    Without bubblewrap the program only gets the account. Args: folders that it may read, and write.
    """
    walls = Walls(readable)
    drop = []
    if account:
        drop = ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups"]
        drop += ["--no-new-privs", "--"]
    if not walls.bubblewrap:
        return [*drop, *command]
    return [*_bubblewrap(walls, writable), *drop, *command]


def start_for_life(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program that is to end with this process.

    `--die-with-parent` means the thread that starts it: one that lives as long as the process does.
    """
    return _starter().submit(lambda: subprocess.Popen(command, **options)).result()


@functools.cache
def _starter() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "phage-start")


# A process that was forked, as those of a pool, has none of its parent's threads.
os.register_at_fork(after_in_child=_starter.cache_clear)


def _chain(executable: Path) -> list[str]:
    """Return the folders of an executable and of what it links to."""
    found = [str(executable.parent)]
    while executable.is_symlink():
        executable = executable.parent / executable.readlink()
        found.append(str(executable.parent))
    return found


def _bubblewrap(walls: Walls, writable: tuple[str, ...] = ()) -> Iterator[str]:
    yield walls.bubblewrap
    yield from ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
    yield from ("--unshare-cgroup-try", "--die-with-parent", "--new-session")
    yield from ("--cap-drop", "ALL")
    if os.geteuid() == 0:
        yield from ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    else:
        yield from ("--unshare-user", "--uid", "65534", "--gid", "65534")
    yield from ("--size", str(WORK), "--perms", "1777", "--tmpfs", "/tmp")  # noqa: S108  Inside, it is the sandbox's own.
    shown: list[str] = []
    made = {Path("/tmp")}  # noqa: S108  Inside, it is the sandbox's own.
    for path in sorted(readable_paths(walls), key=len):
        if any(path == other or path.startswith(f"{other}/") for other in shown):
            continue  # It is shown with a folder around it.
        if Path(path).is_symlink() and path.count("/") == 1:
            yield from ("--symlink", str(Path(path).readlink()), path)
        else:
            shown.append(path)
            # bubblewrap makes missing folders for their owner alone, and the zygote is another.
            for folder in reversed(Path(path).parents):
                if folder.parent != folder and folder not in made:
                    made.add(folder)
                    yield from ("--perms", "0755", "--dir", str(folder))
            yield from ("--ro-bind", path, path)
    for place in writable:
        yield from ("--bind", place, place)
    yield from ("--proc", "/proc", "--dev", "/dev")
    # Both lie in memory, and nothing bounds what the owner of the namespace may write there.
    yield from ("--remount-ro", "/dev", "--remount-ro", "/")
    yield from ("--chdir", "/tmp", "--")  # noqa: S108  Inside, it is the sandbox's own.
