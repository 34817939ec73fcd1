"""A sample in an encrypted archive, so that nothing opens it by mistake on its way to an analyst.

WinZip's AES encryption (AE-2, winzip.com/en/support/aes-encryption), 256 bits, one member, stored.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from typing import TYPE_CHECKING

import numpy as np

from phage.scan.desk import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.scan.content import Content

PASSWORD = "infected"  # noqa: S105  What analysts have agreed on; it keeps nobody out.

MOST = 2**32 - 2**16
"""Octets of the largest member: beyond it the format needs zip64."""

_SALT, _KEY, _CHECK, _CODE = 16, 32, 2, 10
_ROUNDS = 1000
_METHOD, _ENCRYPTED = 99, 0x1
_EXTRA = struct.pack("<HHH2sBH", 0x9901, 7, 2, b"AE", 3, 0)  # AE-2, AES-256, stored.
_DATE = 0x21
"""1980-01-01: when the sample was made is not known."""


def locked_zip(content: Content, name: str) -> Iterator[bytes]:
    """Return an archive with a sample, some octets at a time. Raises TooLargeError."""
    if content.size > MOST:
        message = f"a sample of {content.size:,} octets does not fit into such an archive"
        raise TooLargeError(message)
    return _archive(content, name)


def _archive(content: Content, name: str) -> Iterator[bytes]:
    salt = os.urandom(_SALT)
    keys = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt, _ROUNDS, 2 * _KEY + _CHECK)
    stored = _SALT + _CHECK + content.size + _CODE
    label = name.encode()
    entry = struct.pack(
        "<HHHHHIIIHH", 51, _ENCRYPTED, _METHOD, 0, _DATE, 0, stored, content.size,
        len(label), len(_EXTRA),
    )  # fmt: skip
    head = b"PK\x03\x04" + entry + label + _EXTRA
    yield head + salt + keys[2 * _KEY :]
    code = hmac.new(keys[_KEY : 2 * _KEY], digestmod="sha1")
    for chunk in _encrypted(content, keys[:_KEY]):
        code.update(chunk)
        yield chunk
    directory = b"PK\x01\x02" + struct.pack("<H", 51) + entry + bytes(14) + label + _EXTRA
    begin = len(head) + stored
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(directory), begin, 0)
    yield code.digest()[:_CODE] + directory + b"PK\x05\x06" + end


def _encrypted(content: Content, key: bytes) -> Iterator[bytes]:
    """Yield the octets under AES in counter mode, the counter little-endian and from 1."""
    from cryptography.hazmat.primitives.ciphers import (  # noqa: PLC0415  Six megabytes of memory.
        Cipher,
        algorithms,
        modes,
    )

    # Each block of the key stream is a counter that was encrypted by itself: what ECB is.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    block = 1
    for chunk in content.chunks():
        count = -(-len(chunk) // 16)
        counters = np.zeros((count, 2), "<u8")
        counters[:, 0] = np.arange(block, block + count, dtype="<u8")
        stream = np.frombuffer(encryptor.update(counters.tobytes()), np.uint8)[: len(chunk)]
        yield (np.frombuffer(chunk, np.uint8) ^ stream).tobytes()
        block += count
