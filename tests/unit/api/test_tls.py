"""TLS: a certificate of phage's own, or a given one."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING

import pytest

from phage.api.server import ApiServer
from phage.api.tls import Certificate, self_made, server_context
from phage.clock import SystemClock
from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.clock import FixedClock
    from phage.testing.apilab import ApiLab

DAY = 86_400 * 10**9


@pytest.fixture
def made(tmp_path: Path) -> Certificate:
    return self_made(tmp_path / "tls", ["phage.lan"], SystemClock())


@pytest.fixture
def served(lab: ApiLab, made: Certificate) -> Iterator[ApiServer]:
    own = lab.having(secure=True)
    server = ApiServer(own.app, "127.0.0.1", 0, server_context(made))
    server.start()
    yield server
    server.stop()


def test_its_own_certificate_is_verified_by_who_has_it(
    served: ApiServer, made: Certificate
) -> None:
    context = ssl.create_default_context(cafile=str(made.chain))
    connection = http.client.HTTPSConnection("127.0.0.1", served.port, context=context, timeout=60)
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("Strict-Transport-Security") is None
    connection.close()
    stranger = http.client.HTTPSConnection("127.0.0.1", served.port, timeout=60)
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.request("GET", "/healthz")


def test_over_tls_the_cookie_is_for_this_host_and_tls_only(lab: ApiLab) -> None:
    client = lab.having(secure=True).nobody()
    body = {"user": "admin", "password": "correct horse battery"}
    cookie = client.post("/api/v1/session", json=body).headers["set-cookie"]
    assert cookie.startswith("__Host-phage_session=")
    assert "Secure" in cookie


def test_it_is_kept_and_made_anew_before_it_ends_or_for_another_name(
    tmp_path: Path, clock: FixedClock
) -> None:
    folder = tmp_path / "tls"
    first = self_made(folder, ["phage.lan"], clock)
    assert first.key.stat().st_mode & 0o777 == 0o600
    assert self_made(folder, ["phage.lan"], clock) == first
    assert self_made(folder, ["other.lan"], clock).fingerprint != first.fingerprint
    second = self_made(folder, ["other.lan"], clock)
    clock.nanoseconds += 380 * DAY
    assert self_made(folder, ["other.lan"], clock).fingerprint != second.fingerprint


def test_what_cannot_be_used_says_what_to_do(tmp_path: Path, made: Certificate) -> None:
    (tmp_path / "wrong.pem").write_text("nothing", encoding="ascii")
    for wrong in (
        Certificate(tmp_path / "none.pem", made.key),
        Certificate(tmp_path / "wrong.pem", made.key),
        Certificate(made.chain, tmp_path / "wrong.pem"),
    ):
        with pytest.raises(ConfigError, match="both must be PEM"):
            server_context(wrong)
