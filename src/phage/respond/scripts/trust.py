"""Whether a program is safe to run: nobody but root and the running account can change it."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path


def distrust(path: str) -> str:
    """Return why a program should not be run, or ''.

    Whoever can write to it, or to a folder above it, decides what phage does. Links are followed,
    and what they lead to is looked at.
    """
    if not path.startswith("/"):
        return f"{path}: must be an absolute path"
    try:
        real = Path(path).resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError, ValueError) as error:
        return f"{path}: cannot be found: {getattr(error, 'strerror', None) or error}"
    if not stat.S_ISREG(status.st_mode):
        return f"{path}: is no file"
    open_places = [reason for place in (real, *real.parents) if (reason := _writable(place))]
    if not open_places and not os.access(real, os.X_OK):
        return f"{path}: may not be run; chmod +x it"
    return next(iter(open_places), "")


def _writable(place: Path) -> str:
    status = place.stat()
    mode = status.st_mode
    if status.st_uid not in {0, os.geteuid()}:
        return f"{place}: belongs to another account; make root its owner"
    # In a sticky folder, as /tmp, only its owner can replace a file.
    if stat.S_ISDIR(mode) and mode & stat.S_ISVTX:
        return ""
    if mode & stat.S_IWOTH:
        return f"{place}: may be written by everybody; chmod o-w it"
    if mode & stat.S_IWGRP and status.st_gid != 0 and not _is_private(status.st_gid):
        return f"{place}: may be written by a group; chmod g-w it"
    return ""


def _is_private(number: int) -> bool:
    """Tell whether a group is the running account's own: its primary one, of its name, no others.

    Many systems make one for each account, whose files are writable by it.
    """
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(number)
    except KeyError:
        return False
    is_own = user.pw_gid == number and group.gr_name == user.pw_name
    return is_own and set(group.gr_mem) <= {user.pw_name}
