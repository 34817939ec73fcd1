"""TLS for the API: with a certificate that is given, or with one that phage makes for itself."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import ssl
from typing import TYPE_CHECKING

from phage.errors import ConfigError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography import x509

    from phage.clock import Clock

VALID_DAYS = 397
"""Browsers take none that lasts longer (CA/Browser Forum, Baseline Requirements, 6.3.2)."""

RENEW_DAYS = 30
"""One that ends sooner is made anew at the next start."""


@frozen
class Certificate:
    """A certificate with its key, as PEM files.

    Attributes:
        chain: The certificate and those above it.
        key: Its key.
        fingerprint: SHA-256 of the certificate, for people to compare.
    """

    chain: Path
    key: Path
    fingerprint: str = ""


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """Return what serves a certificate, by TLS 1.2 or later. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate.chain, certificate.key, password="")
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        message = (
            f"api.certificate: {certificate.chain} and {certificate.key} cannot be used: {reason}; "
            "both must be PEM, belong together, and be readable for phage's account"
        )
        raise ConfigError(message) from error
    return context


def self_made(folder: Path, names: Sequence[str], clock: Clock) -> Certificate:
    """Return phage's own certificate, made anew when it ends soon or lacks a name.

    Args:
        folder: Where it is kept.
        names: Host names and addresses that it is for; localhost is added.
        clock: Tells when it ends soon.

    Raises ConfigError when it cannot be written.
    """
    chain, key = folder / "certificate.pem", folder / "private-key.pem"
    wanted = sorted({*names, "localhost", "127.0.0.1", "::1"})
    try:
        if not _is_good(chain, key, wanted, clock.now()):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            certificate, secret = _made(wanted, clock.now())
            for path, text in ((key, secret), (chain, certificate)):
                path.unlink(missing_ok=True)
                number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(number, "wb") as file:
                    file.write(text)
        der = ssl.PEM_cert_to_DER_cert(chain.read_text(encoding="ascii"))
    except OSError as error:
        message = f"{folder}: a certificate cannot be kept there: {error.strerror}"
        raise ConfigError(message) from error
    return Certificate(chain, key, hashlib.sha256(der).hexdigest())


def own_fingerprint(folder: Path) -> str:
    """Return the SHA-256 of phage's own certificate; '' where it has none yet."""
    try:
        der = ssl.PEM_cert_to_DER_cert((folder / "certificate.pem").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(der).hexdigest()


def _is_good(chain: Path, key: Path, wanted: Sequence[str], now: int) -> bool:
    from cryptography import x509  # noqa: PLC0415  Only for a certificate of one's own.

    if not (chain.is_file() and key.is_file()):
        return False
    try:
        found = x509.load_pem_x509_certificate(chain.read_bytes())
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound):
        return False
    listed = {str(each.value) for each in extension.value}
    ends = found.not_valid_after_utc.timestamp()
    return set(wanted) <= listed and ends - now / 1e9 > RENEW_DAYS * 86_400


def _made(names: Sequence[str], now: int) -> tuple[bytes, bytes]:
    """Return a new certificate and its key in PEM: ECDSA on P-256, for a server only."""
    from cryptography import x509  # noqa: PLC0415  Only when one is made.
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "phage")])
    begin = datetime.datetime.fromtimestamp(now // 10**9 - 3600, tz=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(text: str) -> x509.GeneralName:
    from cryptography import x509  # noqa: PLC0415  As above.

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
