"""The first start of `phage run`, as a person meets it: a certificate, a link that works once."""

from __future__ import annotations

import hashlib
import http.client
import re
import signal
import ssl
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from phage.testing.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.system

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
PASSWORD = "correct horse battery"


@dataclass
class Started:
    """A phage that runs, with what it said."""

    port: int
    lines: list[str]
    state: Path

    def said(self, pattern: str) -> str:
        """Return what the first group matches in a line that it said; '' for no such line."""
        return next((found[1] for each in self.lines if (found := re.search(pattern, each))), "")

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, **fields: str
    ) -> http.client.HTTPResponse:
        """Ask over TLS, trusting its certificate only."""
        context = ssl.create_default_context(cafile=self.state / "tls" / "certificate.pem")
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=context, timeout=60
        )
        connection.request(method, path, urlencode(fields) or None, {**FORM, **(headers or {})})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


@contextmanager
def started(folder: Path, port: int) -> Iterator[Started]:
    """Run phage without an interface until it serves."""
    settings = folder / "phage.yaml"
    settings.write_text(
        f"api: {{listen: '127.0.0.1:{port}', tls: self-made}}\n"
        f"collect: {{flows: {{netflow: ['127.0.0.1:{free_port()}']}}}}\n"
    )
    state = folder / "state"
    process = subprocess.Popen(
        [sys.executable, "-m", "phage", "run", "--no-interface", "--config", str(settings),
         "--state-dir", str(state)],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        lines = []
        for line in process.stderr:
            lines.append(line.rstrip())
            if "state in" in line:
                break
        yield Started(port, lines, state)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_the_first_login_over_tls(tmp_path: Path) -> None:
    port = free_port()
    with started(tmp_path, port) as phage:
        link = phage.said(r"first login, once and within a day: https://127\.0\.0\.1:\d+(/\S+)")
        assert link, phage.lines
        certificate = ssl.get_server_certificate(("127.0.0.1", port))
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
        told = phage.said(r"SHA-256 (\S+)")
        assert told.replace(":", "").lower() == digest

        assert phage.ask("GET", link).status == 200
        assert phage.ask("GET", link).status == 200  # Looking does not use it up.
        secret = link.partition("link=")[2]
        taken = phage.ask(
            "POST", "/welcome", link=secret, user="ada", password=PASSWORD, again=PASSWORD
        )
        assert taken.status == 303
        cookie = taken.getheader("Set-Cookie", "")
        for word in ("__Host-phage_session=", "Secure", "HttpOnly", "SameSite=", "Path=/"):
            assert word.lower() in cookie.lower()
        who = {"Cookie": cookie.partition(";")[0]}
        assert phage.ask("GET", "/", who).status == 200
        assert phage.ask("GET", "/users", who).status == 200  # The first is admin.

        # The link is used up, for looking and for taking.
        assert phage.ask("GET", link).status == 404
        again = phage.ask(
            "POST", "/welcome", link=secret, user="eve", password=PASSWORD, again=PASSWORD
        )
        assert again.status == 422
        assert phage.ask("GET", "/").status == 303
        assert phage.ask("POST", "/login", user="eve", password=PASSWORD).status == 401

        plain = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        plain.request("GET", "/")
        with pytest.raises((http.client.HTTPException, OSError)):
            plain.getresponse()
        plain.close()
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=old, timeout=60)
        with pytest.raises(OSError, match=r"(?i)protocol|version|alert|eof"):
            connection.request("GET", "/")
        connection.close()

    with started(tmp_path, port) as phage:
        assert phage.said("(first login)") == ""
        assert phage.said(r"(dashboard at https://\S+)")
        assert phage.said(r"SHA-256 (\S+)") == told  # The browser knows it already.
        assert phage.ask("POST", "/login", user="ada", password=PASSWORD).status == 303
        assert phage.ask("GET", "/", who).status == 200  # The session outlives a restart.


def test_a_link_that_nobody_used_is_replaced_by_the_next_start(tmp_path: Path) -> None:
    port = free_port()
    links = []
    for _ in range(2):
        with started(tmp_path, port) as phage:
            links.append(phage.said(r"first login.*?(/welcome\S+)"))
            assert phage.ask("GET", links[-1]).status == 200
            if len(links) == 2:
                assert phage.ask("GET", links[0]).status == 404
    assert links[0] != links[1]
