"""Passwords: argon2id (RFC 9106), with the parameters that OWASP names for small machines."""

from __future__ import annotations

import secrets
import threading
from functools import cache

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from phage.access.errors import AccessError

SHORTEST = 10
"""Characters; length is what counts: no rules about digits (NIST SP 800-63B, section 3.1.1)."""

LONGEST = 1024

_MEMORY_KIB = 19_456
"""OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane."""

_hasher = PasswordHasher(
    time_cost=2, memory_cost=_MEMORY_KIB, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
_one_at_a_time = threading.Lock()
"""Logins of many at once shall not take many times the memory."""

_COMMON = frozenset(
    {"1234567890", "password12", "password123", "qwertyuiop", "administrator", "letmein123",
     "changeme123", "0123456789", "1111111111", "password1234", "123456789a", "phagephage"}
)  # fmt: skip


def check_password(password: str, user: str) -> None:
    """Raise AccessError for a password that is too short, too common or the name itself."""
    if not SHORTEST <= len(password) <= LONGEST:
        message = f"a password has {SHORTEST} to {LONGEST} characters"
        raise AccessError(message)
    lowered = password.lower()
    if lowered in _COMMON or len(set(password)) < 4 or user.lower() * 2 in lowered * 2:
        message = "that password is among the first that are tried; take several words"
        raise AccessError(message)


@cache
def _nobody() -> str:
    """Return what is verified against where there is no such user: that takes as long."""
    return hash_password(secrets.token_hex())


def hash_password(password: str) -> str:
    """Return the hash of a password as a PHC string."""
    with _one_at_a_time:
        return _hasher.hash(password)


def is_password(password: str, hashed: str) -> bool:
    """Tell whether a password is the one that was hashed; takes the same time either way."""
    wanted = hashed or _nobody()
    with _one_at_a_time:
        try:
            _hasher.verify(wanted, password[: LONGEST + 1])
        except (Argon2Error, InvalidHashError):
            return False
    return bool(hashed)
