"""Secrets by file: read when needed, so that they can be changed, and are in no settings."""

from __future__ import annotations

from pathlib import Path

from phage.notify.notifier import NotifyError

_LONGEST = 8192


def secret(value: str, file: str) -> str:
    """Return a secret: the first line of a file, else the value itself.

    Raises NotifyError when the file cannot be read.
    """
    if not file:
        return value
    try:
        with Path(file).open(encoding="utf-8") as opened:
            return opened.readline(_LONGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        raise NotifyError(message, retry=False) from error
