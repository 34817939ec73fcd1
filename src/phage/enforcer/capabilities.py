"""Linux capabilities: keep some, give up the rest for good (capabilities(7), prctl(2)).

Must run before a second thread is started: the kernel keeps capabilities a thread.
"""

from __future__ import annotations

import ctypes
import os
import pwd
from typing import TYPE_CHECKING

from phage.errors import PhageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CAP_NET_ADMIN = 12
CAP_NET_RAW = 13
_LAST_CAPABILITY = 63
_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x2008_0522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def account(names: Iterable[str], *, but: int) -> pwd.struct_passwd | None:
    """Return the first account of these that exists and has not the user id `but`."""
    for name in names:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid != but:
            return found
    return None


def keep_only(capabilities: Sequence[int], user: pwd.struct_passwd | None) -> None:
    """Become a user (None: stay who we are) with some capabilities, which programs inherit.

    Neither this process nor what it starts can have another again. Raises PhageError when the
    kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for each in range(_LAST_CAPABILITY + 1):
        if each not in capabilities:
            # Refused for those that the kernel does not have, and without CAP_SETPCAP.
            libc.prctl(_PR_CAPBSET_DROP, each, 0, 0, 0)
    if user is not None:
        _checked(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities")
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    bits = sum(1 << each for each in capabilities)
    sets = (_Sets * 2)(_Sets(bits, bits, bits), _Sets(0, 0, 0))
    header = _Header(_CAPABILITY_VERSION_3, 0)
    _checked(libc.capset(ctypes.byref(header), sets), "drop capabilities")
    for each in capabilities:
        ambient = libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, each, 0, 0)
        _checked(ambient, "hand a capability on")
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "forbid new privileges")
    _checked(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "keep others out of its memory")


def _checked(result: int, what: str) -> None:
    if result != 0:
        message = f"cannot {what}: {os.strerror(ctypes.get_errno())}"
        raise PhageError(message)
