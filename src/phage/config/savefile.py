"""Files of text that appear whole or not at all, also when the power fails."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def save_new(path: Path, text: str) -> None:
    """Write a file that is not there yet; never over another one.

    Raises ConfigError when there is one, or it cannot be written.
    """
    with _written_beside(path, text) as written:
        try:
            os.link(written, path)  # Fails if there is one, in one step.
        except FileExistsError:
            message = f"{path}: is there already; give another name, or remove it"
            raise ConfigError(message) from None


def save_over(path: Path, text: str, *, folder_mode: int = 0o700) -> None:
    """Write a file in place of the one that is there, with its owner and permissions.

    A new file is for its owner only; a folder that is made for it gets `folder_mode`.

    Raises ConfigError when it cannot be written.
    """
    path = path.resolve()  # A link to the file stays a link.
    with _written_beside(path, text, folder_mode) as written:
        if path.exists():
            about = path.stat()
            written.chmod(about.st_mode & 0o7777)
            with contextlib.suppress(PermissionError):  # The group of another account.
                os.chown(written, about.st_uid, about.st_gid)
        written.replace(path)


@contextlib.contextmanager
def _written_beside(path: Path, text: str, folder_mode: int = 0o700) -> Iterator[Path]:
    """Write to a file in the same folder, which is gone afterwards unless it was renamed."""
    try:
        path.parent.mkdir(mode=folder_mode, parents=True, exist_ok=True)
        # `tempfile` would do the same, and bring a megabyte of modules into the enforcer.
        written = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
        number = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            yield written
            _settle(path.parent)
        finally:
            written.unlink(missing_ok=True)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}; check the path and its permissions"
        raise ConfigError(message) from error


def _settle(folder: Path) -> None:
    """Make the names in a folder last."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
