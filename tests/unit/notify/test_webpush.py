"""Web Push against the examples of the RFCs, and against a push service that decrypts."""

from __future__ import annotations

import json
import ssl
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from phage.api.tls import self_made
from phage.clock import FixedClock, SystemClock
from phage.notify import webpush
from phage.notify.browsers import MAX_FAILURES, Browsers, message
from phage.notify.notice import Notice, notice_of_finding
from phage.notify.notifier import NotifyError
from phage.notify.webpush import (
    MAX_PAYLOAD,
    GoneError,
    Pusher,
    Recipient,
    new_key,
    packed,
    recipient,
    sealed,
    unpacked,
)
from phage.records import Severity
from phage.records.address import is_public
from phage.records.browser import Browser
from phage.testing.records import EPOCH, make_finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pem_of(private: str) -> bytes:
    key = ec.derive_private_key(int.from_bytes(unpacked(private), "big"), ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_the_example_of_the_standard() -> None:
    """RFC 8291, appendix A."""
    to = Recipient(
        "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
        unpacked(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx"
            "aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        ),
        unpacked("BTBZMqHH6r4Tts7J_aSIgg"),
    )
    text = b"When I grow up, I want to be a watermelon"
    salt = unpacked("DGv6ra1nlYgDCS1FRnbzlw")
    assert packed(
        sealed(text, to, salt, pem_of("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
    ) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
        "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


class Phone:
    """A browser: it has a key, and reads what is meant for it."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secret = bytes(range(16))

    @property
    def point(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def browser(self, endpoint: str, **more: Any) -> Browser:
        return Browser("a" * 16, "ada", endpoint, packed(self.point), packed(self.secret), **more)

    def opened(self, body: bytes) -> bytes:
        """Decrypt as RFC 8291 and 8188 say, from the other side."""
        salt, length = body[:16], body[20]
        point, text = body[21 : 21 + length], body[21 + length :]
        other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)

        def derived(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
            return HKDF(hashes.SHA256(), length, salt, info).derive(material)

        shared = self.key.exchange(ec.ECDH(), other)
        info = b"WebPush: info\0" + self.point + point
        material = derived(shared, self.secret, info, 32)
        key = derived(material, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = derived(material, salt, b"Content-Encoding: nonce\0", 12)
        plain = AESGCM(key).decrypt(nonce, text, None)
        assert plain.endswith(b"\2")
        return plain[:-1]


class Service:
    """A push service: it takes what it is sent, and answers as it is told."""

    def __init__(self, folder: Path) -> None:
        certificate = self_made(folder, ["localhost"], SystemClock())
        self.status = 201
        self.drips = False
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        taken, service = self.taken, self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                taken.append((self.path, dict(self.headers), body))
                while service.drips:
                    try:
                        self.wfile.write(b"H")
                    except OSError:
                        return
                    time.sleep(0.05)
                self.send_response(service.status)
                self.send_header("Retry-After", "7")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.context = ssl.create_default_context(cafile=str(certificate.chain))
        self.endpoint = f"https://localhost:{self.server.server_port}/push/abc?d=1"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(60)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    found = Service(tmp_path / "tls")
    yield found
    found.close()


class KeptBrowsers:
    def __init__(self, *browsers: Browser) -> None:
        self.browsers = list(browsers)
        self.notes: list[str] = []

    def list(self, username: str = "") -> list[Browser]:
        return [each for each in self.browsers if username in {"", each.username}]

    def told(self, id: str, now: int) -> None:  # noqa: A002  The field's name.
        self.notes.append(f"told {id[0]}")

    def failed(self, id: str) -> None:  # noqa: A002  As above.
        self.notes.append(f"failed {id[0]}")

    def remove(self, id: str) -> bool:  # noqa: A002  As above.
        self.notes.append(f"removed {id[0]}")
        return True


def pusher(service: Service, contact: str = "mailto:ada@example.org") -> Pusher:
    return Pusher(new_key(), contact, lambda _address: True, service.context)


def test_a_browser_reads_what_it_is_told(service: Service) -> None:
    phone, kept = Phone(), KeptBrowsers()
    kept.browsers = [phone.browser(service.endpoint)]
    finding = make_finding(1, severity=Severity.HIGH)
    own = pusher(service)
    assert Browsers(kept, own, FixedClock(EPOCH)).tell(notice_of_finding(finding)) == 1
    ((path, headers, body),) = service.taken
    told = json.loads(phone.opened(body))
    assert told["body"] == finding.summary
    assert told["url"] == f"/findings/{finding.id}"
    assert path == "/push/abc?d=1"
    assert (headers["Content-Encoding"], headers["Urgency"]) == ("aes128gcm", "high")
    assert int(headers["TTL"]) > 0
    assert len(headers["Topic"]) <= 32
    assert kept.notes == ["told a"]


def test_who_sends_is_signed(service: Service) -> None:
    """RFC 8292: ES256 over the header and claims, by the key that the browser knows."""
    own, phone = pusher(service), Phone()
    own.push(recipient(service.endpoint, packed(phone.point), packed(phone.secret)), b"{}", EPOCH,
             topic="", urgent=False)  # fmt: skip
    scheme, _, rest = service.taken[0][1]["Authorization"].partition(" ")
    fields = dict(each.strip().split("=", 1) for each in rest.split(","))
    assert (scheme, fields["k"]) == ("vapid", own.public_key)
    head, claims, signature = fields["t"].split(".")
    said = json.loads(unpacked(claims))
    assert said["aud"] == f"https://localhost:{service.server.server_port}"
    assert said["sub"] == "mailto:ada@example.org"
    assert 0 < said["exp"] - EPOCH // 10**9 <= 86_400
    octets = unpacked(signature)
    pair = (int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big"))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unpacked(fields["k"]))
    key.verify(
        utils.encode_dss_signature(*pair), f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256())
    )


@pytest.mark.parametrize(
    ("status", "note", "error"),
    [(201, "told", None), (410, "removed", None), (404, "removed", None), (403, "failed", False),
     (429, "failed", True), (503, "failed", True)],
)  # fmt: skip
def test_what_the_service_answers_is_noted(
    service: Service, status: int, note: str, error: bool | None
) -> None:
    service.status = status
    kept = KeptBrowsers(Phone().browser(service.endpoint))
    browsers = Browsers(kept, pusher(service), FixedClock(EPOCH))
    notice = Notice("t", "x", Severity.INFO, EPOCH)
    if error is None:
        assert browsers.tell(notice) == (status == 201)
    else:
        with pytest.raises(NotifyError, match=str(status)) as caught:
            browsers.tell(notice)
        assert (caught.value.retry, caught.value.after) == (error, 7.0)
    assert kept.notes == [f"{note} a"]


def test_who_never_answers_is_forgotten(service: Service) -> None:
    service.status = 500
    kept = KeptBrowsers(Phone().browser(service.endpoint, failures=MAX_FAILURES - 1))
    with pytest.raises(NotifyError):
        Browsers(kept, pusher(service), FixedClock(EPOCH)).tell(Notice("", "", Severity.LOW, 0))
    assert kept.notes == ["removed a"]


def test_a_service_that_answers_an_octet_now_and_then_is_left(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.drips = True
    monkeypatch.setattr(webpush, "TIMEOUT_SECONDS", 1.0)
    kept = KeptBrowsers(Phone().browser(service.endpoint))
    with pytest.raises(NotifyError, match=r"TimeoutError|cannot be reached"):
        Browsers(kept, pusher(service), FixedClock(EPOCH)).tell(Notice("", "", Severity.LOW, 0))


def test_while_our_own_network_is_away_no_browser_is_forgotten(service: Service) -> None:
    phone = Phone()
    away = replace(phone.browser("https://localhost:1/", failures=MAX_FAILURES - 1), id="b" * 16)
    kept = KeptBrowsers(away)
    browsers = Browsers(kept, pusher(service), FixedClock(EPOCH))
    with pytest.raises(NotifyError, match="cannot be reached"):
        browsers.tell(Notice("", "", Severity.LOW, 0))
    assert kept.notes == []
    kept.browsers.append(phone.browser(service.endpoint))
    assert browsers.tell(Notice("", "", Severity.LOW, 0)) == 1
    assert kept.notes == ["told a", "removed b"]


def test_a_test_does_not_go_on_for_ever(service: Service) -> None:
    clock, own = FixedClock(EPOCH), pusher(service)
    kept = KeptBrowsers(*[Phone().browser(service.endpoint)] * 3)
    kept.told = lambda id, now: setattr(clock, "nanoseconds", now + 5 * 10**9)  # type: ignore[method-assign]  # noqa: A006
    assert Browsers(kept, own, clock).tell(Notice("", "", Severity.LOW, 0), seconds=8.0) == 2


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "fd00::1",
     "::ffff:10.0.0.1", "224.0.0.1", "nonsense", "100.64.0.1"],
)  # fmt: skip
def test_nothing_of_ours_is_asked(address: str) -> None:
    assert not is_public(address)
    assert is_public("142.250.185.110")
    assert is_public("2a00:1450:4001:80b::200a")


def test_an_endpoint_at_home_is_refused_before_anything_is_sent(service: Service) -> None:
    kept = KeptBrowsers(Phone().browser(service.endpoint))
    own = Pusher(new_key(), context=service.context)
    with pytest.raises(NotifyError, match="not in the internet"):
        Browsers(kept, own, FixedClock(EPOCH)).tell(Notice("", "", Severity.LOW, 0))
    assert service.taken == []


def test_a_certificate_that_nobody_trusts_is_refused(service: Service) -> None:
    kept = KeptBrowsers(Phone().browser(service.endpoint))
    own = Pusher(new_key(), "", lambda _address: True, ssl.create_default_context())
    with pytest.raises(NotifyError, match="cannot be reached"):
        Browsers(kept, own, FixedClock(EPOCH)).tell(Notice("", "", Severity.LOW, 0))
    assert service.taken == []


@pytest.mark.parametrize(
    "endpoint",
    ["http://push.example/1", "ftp://x", "https://", "https://u:p@push.example/1", "", "\0",
     "https://push.example:0/", "https://push.example:x/", "https://p.example/" + "x" * 1024,
     "https://push.example/a\r\nX: y", "https://[::1", "https://push.example/é"],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    phone = Phone()
    with pytest.raises(NotifyError, match="endpoint"):
        recipient(endpoint, packed(phone.point), packed(phone.secret))


def test_what_is_no_key_is_refused() -> None:
    phone, endpoint = Phone(), "https://push.example/1"
    for key in ("", "AAAA", packed(b"\4" + bytes(64)), "*" * 87, "é"):
        with pytest.raises(NotifyError, match="point"):
            recipient(endpoint, key, packed(phone.secret))
    for secret in ("", "AAAA", packed(bytes(17))):
        with pytest.raises(NotifyError, match=r"secret|point"):
            recipient(endpoint, packed(phone.point), secret)
    with pytest.raises(NotifyError, match="remove the file"):
        Pusher(b"nothing")


def test_what_is_told_fits() -> None:
    notice = Notice(
        "\N{GRINNING FACE}" * 160, "\N{GRINNING FACE}" * 2000, Severity.LOW, 0, "k" * 90
    )
    assert len(message(notice)) <= MAX_PAYLOAD
    assert json.loads(message(notice))["url"] == "/"
    assert issubclass(GoneError, NotifyError)
