"""Whether a program is safe to run: nobody but its owner can change what it does."""

from __future__ import annotations

import os
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
    if status.st_uid not in {0, os.geteuid()}:
        return f"{path}: belongs to another account; make root its owner"
    open_places = [reason for place in (real, *real.parents) if (reason := _writable(place))]
    if not open_places and not os.access(real, os.X_OK):
        return f"{path}: may not be run; chmod +x it"
    return next(iter(open_places), "")


def _writable(place: Path) -> str:
    mode = place.stat().st_mode
    # In a sticky folder, as /tmp, only its owner can replace a file.
    if mode & stat.S_IWOTH and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
        return f"{place}: may be written by everybody; chmod o-w it"
    return ""
