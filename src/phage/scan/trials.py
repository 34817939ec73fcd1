"""Files of self-tests: the EICAR test file, something good, garbage.

The EICAR file is harmless by definition (eicar.org, 68 octets). It is put together here so that no
scanner takes phage's own source for it.
"""

from __future__ import annotations

import hashlib

from phage.frozen import frozen
from phage.records.sample import Category


@frozen
class Trial:
    """One file of an engine's self-test, and the categories that are right for it.

    `facts` are names of facts that must be told.
    """

    name: str
    data: bytes
    right: frozenset[Category]
    facts: tuple[str, ...] = ()


EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"
"""The EICAR standard anti-virus test file."""

NOT_EVIL = frozenset({Category.UNDETECTED, Category.HARMLESS, Category.TYPE_UNSUPPORTED})
"""What may be said of something good."""

EVIL = Trial("eicar.com", EICAR, frozenset({Category.MALICIOUS}))
"""What every engine with definitions of viruses must find."""

BENIGN = Trial("benign.txt", b"The quick brown fox jumps over the lazy dog.\n" * 40, NOT_EVIL)
"""Something good."""

GARBAGE = Trial(
    "garbage.bin",
    b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(256)),
    NOT_EVIL | {Category.FAILURE},
)
"""Octets without meaning; the same ones each time."""
