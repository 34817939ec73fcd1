"""Secrets that phage gives out: random, and kept only as their digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode

SECRET_OCTETS = 32
"""256 bits: nobody guesses them, so a plain digest is as good as a slow one."""

LONGEST = 512
"""Characters of what is taken for a secret; more is none of ours."""


def new_secret() -> str:
    """Return a new random secret."""
    return secrets.token_urlsafe(SECRET_OCTETS)


def digest_of(secret: str) -> str:
    """Return what is kept of a secret: its SHA-256 in hex."""
    return hashlib.sha256(secret[:LONGEST].encode("utf-8", "replace")).hexdigest()


def csrf_token(secret: str) -> str:
    """Return the token that proves that a page of ours made a request of a session.

    It follows from the session's secret, which no page can read (HMAC based token pattern, OWASP
    Cross-Site Request Forgery Prevention Cheat Sheet).
    """
    made = hmac.digest(secret.encode("utf-8", "replace"), b"phage csrf", "sha256")
    return urlsafe_b64encode(made).decode().rstrip("=")


def is_same(one: str, other: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
