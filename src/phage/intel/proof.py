"""Proof that a document is what its maker published: a checksum or a signature beside it.

A checksum from the same server tells of damage, and of documents that were cut; who owns the server
can change both. A signature tells who made it: the key comes from elsewhere, once, by a person.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shutil
import subprocess  # noqa: TID251  gpgv only tells whether a signature is good.
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.intel.feed import FeedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_SIDECAR = 64 * 1024
"""Octets of a checksum file or signature."""

_ALGORITHMS = {128: "sha512", 96: "sha384", 64: "sha256", 40: "sha1", 32: "md5"}
_HEX = re.compile(r"\b[0-9a-fA-F]{32,128}\b")
_GPGV_SECONDS = 20.0


@frozen
class Proof:
    """What is asked for beside each document; `{url}` in an address stands for the document's.

    Attributes:
        checksum: Where the checksum is, as sha256sum and others write it; '' for none.
        signature: Where the signature is: minisign's, signify's, or PGP's; '' for none.
        signed_by: File with the public key.
    """

    checksum: str = ""
    signature: str = ""
    signed_by: Path | None = None

    def judge(self, url: str, bodies: Sequence[bytes], sidecar: Callable[[str], bytes]) -> None:
        """Raise FeedError unless a document is proved.

        `bodies` are the document as it came and unpacked: what of them is proved depends on its
        maker. `sidecar` gets a document.
        """
        if self.checksum:
            place = self.checksum.replace("{url}", url)
            _judge_checksum(url, bodies, _small(sidecar(place)))
        if self.signature:
            if self.signed_by is None:
                message = "signature is set, and signed_by is not: a key is needed"
                raise FeedError(message)
            signature = _small(sidecar(self.signature.replace("{url}", url)))
            verify(bodies, signature, self.signed_by)


def _small(body: bytes) -> bytes:
    if len(body) > MAX_SIDECAR:
        message = f"its checksum or signature has more than {MAX_SIDECAR // 1024} kB"
        raise FeedError(message)
    return body


def _judge_checksum(url: str, bodies: Sequence[bytes], listed: bytes) -> None:
    lines = listed.decode("utf-8", "replace").splitlines()
    name = url.partition("?")[0].rpartition("/")[2]
    # Of a file that lists many, the line that names the document counts.
    own = [line for line in lines if name and name in re.split(r"[\s()*]+", line)] or lines
    found = [match[0].lower() for line in own if (match := _HEX.search(line))]
    wanted = [digest for digest in found if len(digest) in _ALGORITHMS]
    if not wanted:
        message = "its checksum file holds no checksum"
        raise FeedError(message)
    if len(own) == len(lines) and len(set(wanted)) > 1:
        message = "its checksum file does not name the document"
        raise FeedError(message)
    algorithm = _ALGORITHMS[len(wanted[0])]
    if not any(
        hashlib.new(algorithm, body, usedforsecurity=False).hexdigest() == wanted[0]
        for body in bodies
    ):
        message = f"its {algorithm.upper()} is not what its maker says: damaged, cut, or changed"
        raise FeedError(message)


def verify(bodies: Sequence[bytes], signature: bytes, key_file: Path) -> None:
    """Raise FeedError unless a signature by a key is good for one of some bodies."""
    try:
        key = key_file.read_bytes()
    except OSError as error:
        message = f"{key_file}: {error.strerror}"
        raise FeedError(message) from error
    is_minisign = signature.lstrip().startswith(b"untrusted comment:")
    check = _by_minisign if is_minisign else _by_pgp
    if not any(check(body, signature, key) for body in bodies):
        message = f"its signature is not one by the key in {key_file}"
        raise FeedError(message)


def _by_minisign(body: bytes, signature: bytes, key: bytes) -> bool:
    """Verify as minisign and signify do: Ed25519 over the body, or over its BLAKE2b (`ED`)."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  Only where it is used.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    lines = signature.splitlines()
    raw = _base64(lines[1] if len(lines) > 1 else b"")
    public = _base64((key.strip().splitlines() or [b""])[-1])
    if len(raw) != 74 or len(public) != 42 or raw[2:10] != public[2:10] or public[:2] != b"Ed":
        return False
    signed = hashlib.blake2b(body).digest() if raw[:2] == b"ED" else body
    own = Ed25519PublicKey.from_public_bytes(public[10:])
    try:
        own.verify(raw[10:], signed)
        if len(lines) >= 4:  # minisign signs its comment too.
            comment = lines[2].removeprefix(b"trusted comment: ")
            own.verify(_base64(lines[3]), raw[10:] + comment)
    except InvalidSignature:
        return False
    return True


def _by_pgp(body: bytes, signature: bytes, key: bytes) -> bool:
    """Have gpgv verify a detached signature (RFC 9580, section 10.4)."""
    program = shutil.which("gpgv")
    if program is None:
        message = "gpgv is not installed, which verifies PGP signatures"
        raise FeedError(message)
    with tempfile.TemporaryDirectory(prefix="phage-proof-") as folder:
        place = Path(folder)
        for name, content in (("key", _bare(key)), ("sig", _bare(signature)), ("data", body)):
            (place / name).write_bytes(content)
        try:
            done = subprocess.run(  # noqa: S603  No shell, and no argument from outside.
                [program, "--homedir", folder, "--status-fd", "1", "--keyring", place / "key",
                 place / "sig", place / "data"],
                capture_output=True, timeout=_GPGV_SECONDS, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            message = f"gpgv failed: {error}"
            raise FeedError(message) from error
    # A key that has expired makes no good signature (EXPKEYSIG instead of GOODSIG).
    return done.returncode == 0 and b"[GNUPG:] GOODSIG" in done.stdout


def _bare(data: bytes) -> bytes:
    """Return what is in ASCII armour (RFC 9580, section 6.2); other data as they are."""
    if not data.lstrip().startswith(b"-----BEGIN PGP"):
        return data
    _, _, rest = data.replace(b"\r\n", b"\n").partition(b"\n\n")
    body = rest.partition(b"-----END")[0].split(b"\n=")[0]
    return _base64(b"".join(body.split()))


def _base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
