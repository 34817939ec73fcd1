"""Proof of the walls: a process in the sandbox tries what must not be possible."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from pathlib import Path
from typing import Any

CLONE_NEWUSER = 0x1000_0000
PROCESSES = 4096
"""More forks than any limit allows; the first that is refused ends the trial."""


def prove(message: dict[str, Any]) -> dict[str, str]:
    """Return each wall with '' where it stands, else what was possible."""
    trials = {
        "user": _is_root,
        "network": _reaches_network,
        "files": lambda: _reads(message["secret"]),
        "writing": lambda: _writes(message["outside"]),
        "memory": lambda: _allocates(int(message["memory"])),
        "hoarding": lambda: _hoards(("/", "/dev", "/dev/shm")),  # noqa: S108  To be refused.
        "processes": lambda: _forks(int(message["processes"])),
        "outside": lambda: _sees(int(message["parent"]), str(message["command"])),
        "calls": _makes_namespaces,
    }
    found = {}
    for wall, trial in trials.items():
        try:
            found[wall] = trial()
        except Exception as error:  # noqa: BLE001  Hostile input makes libraries raise anything.
            found[wall] = "" if isinstance(error, OSError | MemoryError) else repr(error)
    return found


def _is_root() -> str:
    capabilities = Path("/proc/self/status").read_bytes().decode()
    effective = next(
        line.split()[1] for line in capabilities.splitlines() if line.startswith("CapEff")
    )
    if os.geteuid() == 0:
        return "runs as root"
    return "" if int(effective, 16) == 0 else f"has capabilities {effective}"


def _reaches_network() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect(("192.0.2.1", 53))  # No packet is sent.
    return "a socket was connected"


def _reads(secret: str) -> str:
    Path(secret).read_bytes()
    return f"{secret} was read"


def _writes(folder: str) -> str:
    path = Path(folder) / f"phage-proof-{os.getpid()}"
    path.write_bytes(b"x")
    path.unlink()
    return f"{folder} was written to"


def _allocates(octets: int) -> str:
    size = len(bytearray(octets))
    return f"{size} octets of memory were had"


def _hoards(folders: tuple[str, ...]) -> str:
    """Try memory that stays when a process gives it up, and counts for no limit of it."""
    with contextlib.suppress(OSError):
        os.close(os.memfd_create("phage-proof"))
        return "files in memory can be made"
    for folder in folders:
        with contextlib.suppress(OSError):
            return _writes(folder)
    return ""


def _forks(most: int) -> str:
    """Fork until it is refused; the limit is per account, which has little else to do."""
    children = []
    try:
        for _ in range(most):
            pid = os.fork()
            if not pid:
                with contextlib.suppress(BaseException):
                    os.read(_never(), 1)
                os._exit(0)
            children.append(pid)
    except BlockingIOError:
        return ""
    finally:
        for pid in children:
            os.kill(pid, 9)
        for pid in children:
            os.waitpid(pid, 0)
    return f"{most} processes were started"


def _never() -> int:
    return os.pipe()[0]


def _sees(parent: int, command: str) -> str:
    """Tell whether the worker outside can be seen: its number with its own command line."""
    with contextlib.suppress(OSError):
        if Path(f"/proc/{parent}/cmdline").read_bytes().hex() == command:
            with contextlib.suppress(OSError):
                os.kill(parent, 0)
                return "processes outside can be signalled"
            return "processes outside can be seen"
    return ""


def _makes_namespaces() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    return "a user namespace was made" if libc.unshare(CLONE_NEWUSER) == 0 else ""
