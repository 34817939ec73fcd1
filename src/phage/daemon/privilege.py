"""Privileges: keep CAP_NET_RAW and nothing else, once the interfaces are open.

Linux only (capabilities(7), prctl(2)). Must run before any other thread is started: the kernel
keeps capabilities a thread.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from phage.config.ownership import hand_over
from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Iterator

CAP_NET_RAW = 13
_PR_SET_KEEPCAPS = 8
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x2008_0522
# An account of its own where the package made one, else the one that owns nothing.
ACCOUNTS = ("phage", "nobody")


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def account() -> pwd.struct_passwd | None:
    """Return the account to run as, or None where there is neither."""
    return next(_accounts(), None)


def successor(state_dir: Path) -> int:
    """Return the user id that `drop` will leave, for who has to know it before."""
    user = account()
    if os.geteuid() != 0 or user is None or _unreachable(state_dir):
        return os.geteuid()
    return user.pw_uid


def drop(state_dir: Path) -> str:
    """Give up every capability but CAP_NET_RAW, and the account root; return a line that says so.

    The state folder is handed to the account. Where the account cannot reach that folder or the
    program itself (a checkout below /root), the account stays root, which without capabilities
    owns root's files and nothing else. Does nothing when not root. Raises PhageError when the
    kernel refuses.
    """
    if os.geteuid() != 0:
        return ""
    user = account()
    blocked = _unreachable(state_dir)
    libc = ctypes.CDLL(None, use_errno=True)
    if user is not None and not blocked:
        hand_over(state_dir, user.pw_uid, user.pw_gid, {0, *_uids()})
        _checked(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities")
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    header = _Header(_CAPABILITY_VERSION_3, 0)
    sets = (_Sets * 2)(_Sets(1 << CAP_NET_RAW, 1 << CAP_NET_RAW, 0), _Sets(0, 0, 0))
    _checked(libc.capset(ctypes.byref(header), sets), "drop capabilities")
    # Without this a program that root starts would have them all again (execve(2)).
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "forbid new privileges")
    if user is None:
        return (
            f"running with CAP_NET_RAW only, as root: there is no account {' or '.join(ACCOUNTS)}"
        )
    if blocked:
        return f"running with CAP_NET_RAW only, as root: {user.pw_name} cannot enter {blocked}"
    return f"running with CAP_NET_RAW only, as {user.pw_name}"


def _accounts() -> Iterator[pwd.struct_passwd]:
    for name in ACCOUNTS:
        with suppress(KeyError):
            yield pwd.getpwnam(name)


def _uids() -> list[int]:
    """Return the accounts that the state may have belonged to, before there was a better one."""
    return [each.pw_uid for each in _accounts()]


def _checked(result: int, what: str) -> None:
    if result != 0:
        message = f"cannot {what}: {os.strerror(ctypes.get_errno())}"
        raise PhageError(message)


def _unreachable(state_dir: Path) -> str:
    """Return the first folder of the state's or the program's that others may not enter, or ''."""
    program = {Path(sys.prefix), Path(sys.base_prefix), Path(__file__).resolve().parent}
    needed = [*state_dir.resolve().parents]
    for folder in program:
        needed += [folder, *folder.parents]
    for folder in sorted(needed):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return str(folder)
    return ""
