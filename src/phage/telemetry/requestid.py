"""The id of the request that is being answered: in its answer, and in every line of log."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

current: ContextVar[str] = ContextVar("phage_request_id", default="")
"""The id; '' where no request is answered."""

_SOUND = re.compile(r"[A-Za-z0-9._-]{8,64}")


def take_request_id(offered: str) -> str:
    """Return the id that a client gave its request, if it is sound, else a new one."""
    return offered if _SOUND.fullmatch(offered) else secrets.token_hex(8)
