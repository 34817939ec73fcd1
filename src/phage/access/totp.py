"""The second factor: time-based one-time passwords (RFC 6238, with RFC 4226 and SHA-1)."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from urllib.parse import quote

STEP_SECONDS = 30
DIGITS = 6
WINDOW = 1
"""Steps that the clocks of phone and phage may differ by."""


def new_totp_secret() -> str:
    """Return a new secret in base32, 160 bits as RFC 4226 section 4 asks."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def totp_uri(secret: str, user: str) -> str:
    """Return what a phone reads from a QR code (Key Uri Format)."""
    return f"otpauth://totp/phage:{quote(user)}?secret={secret}&issuer=phage"


def totp_code(secret: str, step: int) -> str:
    """Return the code of a time step (RFC 4226, section 5.3)."""
    key = base64.b32decode(secret)
    mac = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def matching_step(secret: str, code: str, now: int) -> int | None:
    """Return the time step near a time whose code this is; None where it is no such code."""
    step = now // 1_000_000_000 // STEP_SECONDS
    offered = code.replace(" ", "").encode("utf-8", "replace")
    found = None
    try:
        for each in range(max(0, step - WINDOW), step + WINDOW + 1):
            if hmac.compare_digest(totp_code(secret, each).encode(), offered):
                found = each
    except (binascii.Error, ValueError):
        return None
    return found
