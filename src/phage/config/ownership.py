"""Hands a folder to an account that will own it: nothing outside it, whatever is put there.

Root walks what an unprivileged account may change meanwhile: so names are looked up in open
folders only, no link is followed, and what is given away is what was looked at.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from pathlib import Path


def hand_over(folder: Path, user: int, group: int, owners: AbstractSet[int]) -> None:
    """Give a folder and what is in it to a user and group (numbers).

    Given are folders and regular files with one name, on the folder's file system, that belong to
    `owners` or the folder's own owner; all else stays whose it is. To be called as root.
    """
    top = folder.resolve().stat()
    givers = owners | {top.st_uid}
    for _, _, names, opened in os.fwalk(folder.resolve(), topdown=False, follow_symlinks=False):
        for name in names:
            with suppress(FileNotFoundError):
                _give_file(name, opened, top.st_dev, givers, user, group)
        found = os.fstat(opened)
        if found.st_uid in givers and found.st_dev == top.st_dev:
            os.fchown(opened, user, group)


def _give_file(
    name: str, within: int, device: int, givers: AbstractSet[int], user: int, group: int
) -> None:
    # By path only: opening has no effect on whatever it is, and nothing can take its place.
    opened = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    try:
        found = os.fstat(opened)
        is_given = (
            stat.S_ISREG(found.st_mode)
            and found.st_nlink == 1
            and found.st_uid in givers
            and found.st_dev == device
        )
        if is_given:
            os.chown(f"/proc/self/fd/{opened}", user, group)
    finally:
        os.close(opened)
