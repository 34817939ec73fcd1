"""Notifiers against real servers: HTTP, SMTP, syslog over UDP, TCP and a Unix socket."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.server
import json
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs

import pytest

from phage.notify.chat import STYLES
from phage.notify.notice import Notice
from phage.notify.notifier import NotifyError
from phage.notify.notifiers.abuseipdb import AbuseIpdb
from phage.notify.notifiers.email import Email
from phage.notify.notifiers.syslog import Syslog
from phage.notify.notifiers.webhook import Webhook
from phage.records import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTICE = Notice(
    title="HIGH loginfail: 192.0.2.7",
    text='The account "<!channel> @everyone [x](http://evil.example)" was guessed',
    severity=Severity.HIGH,
    time=1_795_230_390_000_000_000,
    kind="finding",
    fields={"detector": "loginfail", "subject": '192.0.2.7"]\\', "score": 0.7},
)


class Handler(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted; answers what the test wants."""

    posts: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []
    answer: ClassVar[tuple[int, dict[str, str]]] = (200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.posts.append((self.path, dict(self.headers), body))
        status, headers = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()


@pytest.fixture
def web() -> Iterator[str]:
    Handler.posts.clear()
    Handler.answer = (200, {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_webhook_posts_signed_json(web: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n", encoding="ascii")
    Webhook(url=f"{web}/hook?x=1", token_file=str(tmp_path / "token"), key="k").tell(NOTICE)
    ((path, headers, body),) = Handler.posts
    assert path == "/hook?x=1"
    assert headers["Authorization"] == "Bearer abc"
    assert json.loads(body) == NOTICE.document()
    wanted = hmac.new(b"k", body, hashlib.sha256).hexdigest()
    assert headers["X-Phage-Signature"] == f"sha256={wanted}"


@pytest.mark.parametrize("style", STYLES)
def test_styles(web: str, style: str) -> None:
    Webhook(url=web, style=style).tell(NOTICE)
    text = Handler.posts[0][2].decode()
    assert "loginfail" in text
    told = json.loads(text)
    if style == "slack":
        assert "<!channel>" not in told["text"]
        assert all(
            block["text"]["type"] == "plain_text" for block in told["blocks"] if "text" in block
        )
    elif style == "discord":
        assert told["allowed_mentions"] == {"parse": []}
    if style in {"discord", "mattermost", "teams"}:
        assert "@everyone" not in json.dumps(told, ensure_ascii=False)
        assert "](http://" not in text


@pytest.mark.parametrize(
    ("status", "headers", "retry", "after"),
    [
        (500, {}, True, 0),
        (429, {"Retry-After": "7"}, True, 7),
        (429, {"Retry-After": "tomorrow"}, True, 0),
        (403, {}, False, 0),
        (302, {"Location": "http://127.0.0.1:1/"}, False, 0),
    ],
)
def test_what_is_tried_again(
    web: str, status: int, headers: dict[str, str], retry: bool, after: float
) -> None:
    Handler.answer = (status, headers)
    with pytest.raises(NotifyError, match=str(status)) as caught:
        Webhook(url=f"{web}/secret-path").tell(NOTICE)
    assert (caught.value.retry, caught.value.after) == (retry, after)
    assert "secret-path" not in str(caught.value)
    assert len(Handler.posts) == 1  # A redirect is not followed.


@pytest.mark.parametrize("url", ["http://", "ftp://x/", "http://h:99999/", "http://h/\x00", "h"])
def test_wrong_urls_are_no_other_exception(url: str) -> None:
    with pytest.raises(NotifyError):
        Webhook(url=url, timeout=0.2).tell(NOTICE)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate of 127.0.0.1 that nobody else trusts, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("lacks openssl")
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text("ascii") + Path(f"{path}.crt").read_text("ascii"), "ascii")
    return path


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_webhook_over_tls_trusts_whom_it_is_told(certificate: Path) -> None:
    Handler.posts.clear()
    Handler.answer = (200, {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = server_side(certificate).wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    with serving(server):
        url = f"https://127.0.0.1:{server.server_port}/"
        with pytest.raises(NotifyError, match="not trusted"):
            Webhook(url=url).tell(NOTICE)
        Webhook(url=url, ca_file=f"{certificate}.crt").tell(NOTICE)
    assert len(Handler.posts) == 1


def test_syslog_over_tls(certificate: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        plain.settimeout(60)
        address = f"127.0.0.1:{plain.getsockname()[1]}"
        got: list[bytes] = []

        def receive() -> None:
            connection, _ = plain.accept()
            with server_side(certificate).wrap_socket(connection, server_side=True) as secure:
                got.append(secure.recv(9000))

        receiver = threading.Thread(target=receive)
        receiver.start()
        syslog = Syslog(address=address, transport="tls", ca_file=f"{certificate}.crt")
        syslog.tell(NOTICE)
        receiver.join(60)
        syslog.close()
    syslog_message(got[0].partition(b" ")[2].decode())


class Smtp(socketserver.StreamRequestHandler):
    """A server of mail that takes what it is given."""

    mails: ClassVar[list[str]] = []
    logins: ClassVar[list[str]] = []
    refuse: ClassVar[str] = ""
    tls: ClassVar[ssl.SSLContext | None] = None

    def handle(self) -> None:
        self._serve()

    def _secure(self) -> None:
        """Go on over TLS."""
        assert self.tls is not None
        with (
            contextlib.suppress(ssl.SSLError),  # The client may not trust us.
            self.tls.wrap_socket(self.request, server_side=True) as self.request,
        ):
            self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
            self._serve()
            self.rfile.close()
            self.wfile.close()

    def _serve(self) -> None:
        if not isinstance(self.request, ssl.SSLSocket):
            self._say("220 test")
        data: list[str] | None = None
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            if data is not None:
                if line == ".":
                    self.mails.append("\n".join(data))
                    data = None
                    self._say("250 taken")
                else:
                    data.append(line)
                continue
            verb = line.partition(" ")[0].upper()
            self._say("550 no" if verb == self.refuse else self._answer(verb, line))
            if verb == "DATA" and verb != self.refuse:
                data = []
            elif verb == "STARTTLS":
                self._secure()
                return
            elif verb == "QUIT":
                return

    def _answer(self, verb: str, line: str) -> str:
        if verb == "AUTH":
            assert isinstance(self.request, ssl.SSLSocket)
            self.logins.append(line)
            return "235 welcome"
        if verb == "EHLO" and self.tls:
            return "250-test\r\n250-AUTH PLAIN\r\n250 STARTTLS"
        return {"DATA": "354 go on", "STARTTLS": "220 go on", "QUIT": "221 bye"}.get(verb, "250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def mail() -> Iterator[Email]:
    Smtp.mails.clear()
    Smtp.logins.clear()
    Smtp.refuse, Smtp.tls = "", None
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)
    server.daemon_threads = True
    with serving(server):
        yield Email(
            host="127.0.0.1",
            port=server.server_address[1],
            security="none",
            sender="phage@example.com",
            to=("a@example.com", "b@example.com"),
            timeout=60,
        )


def test_mail(mail: Email) -> None:
    mail.tell(NOTICE)
    (text,) = Smtp.mails
    assert "Subject: [phage] HIGH loginfail: 192.0.2.7" in text
    assert "To: a@example.com, b@example.com" in text
    assert "Auto-Submitted: auto-generated" in text
    assert "detector: loginfail" in text


def test_mail_with_starttls_and_a_login(mail: Email, certificate: Path, tmp_path: Path) -> None:
    Smtp.tls = server_side(certificate)
    (tmp_path / "password").write_text("secret\n", encoding="ascii")
    mail.security, mail.ca_file = "starttls", f"{certificate}.crt"
    mail.user, mail.password_file = "phage", str(tmp_path / "password")
    mail.tell(NOTICE)
    assert len(Smtp.mails) == len(Smtp.logins) == 1
    mail.ca_file = ""  # The system does not know who signed it.
    with pytest.raises(NotifyError):
        mail.tell(NOTICE)
    assert len(Smtp.mails) == len(Smtp.logins) == 1


def test_a_title_cannot_add_headers(mail: Email) -> None:
    mail.tell(Notice("x\r\nBcc: evil@example.com", "text", Severity.LOW, 0))
    assert not re.search(r"^Bcc:", Smtp.mails[0], re.MULTILINE)


@pytest.mark.parametrize("verb", ["RCPT", "DATA", "MAIL"])
def test_refused_mail_is_not_tried_again(mail: Email, verb: str) -> None:
    Smtp.refuse = verb
    with pytest.raises(NotifyError, match=r"550|503") as caught:
        mail.tell(NOTICE)
    assert not caught.value.retry


def test_no_password_without_tls() -> None:
    mail = Email(host="h", security="none", sender="a@b", to=("c@d",), user="x", password="y")
    assert "not sent without TLS" in mail.check()


def test_a_server_without_starttls_is_not_given_the_password(mail: Email) -> None:
    mail.security = "starttls"
    mail.user, mail.password = "x", "y"
    with pytest.raises(NotifyError):
        mail.tell(NOTICE)
    assert Smtp.mails == []


def syslog_message(text: str) -> re.Match[str]:
    match = re.fullmatch(
        r"<(\d+)>1 (\S+) (\S+) phage (\d+) finding "
        r"\[phage@32473((?: \S+=\"(?:[^\"\]\\]|\\.)*\")*)\]"
        r" (.*)",
        text,
    )
    assert match is not None, text
    return match


def test_syslog_over_udp() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(60)
        syslog = Syslog(address=f"127.0.0.1:{server.getsockname()[1]}", facility="local3")
        syslog.tell(NOTICE)
        match = syslog_message(server.recv(4096).decode())
        syslog.close()
    assert match[1] == str(19 * 8 + 3)
    assert match[2] == "2026-11-21T03:06:30.000000Z"
    assert r'subject="192.0.2.7\"\]\\"' in match[5]


def test_syslog_over_tcp_connects_anew() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        syslog = Syslog(address=address, transport="tcp")
        for _ in range(2):
            syslog.tell(NOTICE)
            connection, _ = server.accept()
            with connection:
                length, _, text = connection.recv(9000).partition(b" ")
                assert len(text) == int(length)
                syslog_message(text.decode())
            syslog.close()


def test_cef_over_syslog() -> None:
    notice = replace(
        NOTICE,
        title="HIGH a|b\\c",
        text="one=two\nthree \\",
        fields={"detector": "portscan", "subject": "192.0.2.7", "finding": "f1", "rule": "a=b"},
    )
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(60)
        syslog = Syslog(address=f"127.0.0.1:{server.getsockname()[1]}", format="cef")
        assert syslog.check() == ""
        syslog.tell(notice)
        text = server.recv(4096).decode()
        syslog.close()
    header, _, body = text.partition(" - ")
    assert header.startswith("<27>1 2026-11-21T03:06:30.000000Z ")
    head = re.split(r"(?<!\\)\|", body)
    assert head[:3] == ["CEF:0", "phage", "phage"]
    assert head[4:7] == ["portscan", "HIGH a\\|b\\\\c", "8"]
    extension = dict(re.findall(r"(\w+)=((?:\\.|[^\\=])*)(?= \w+=|$)", head[7]))
    assert extension == {
        "rt": "1795230390000",
        "msg": "one\\=two three \\\\",
        "cat": "portscan",
        "src": "192.0.2.7",
        "externalId": "f1",
        "cs1": "a\\=b",
        "cs1Label": "rule",
    }
    assert "fields and cef" in Syslog(format="leef").check()


def test_the_local_syslog(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log"))
        syslog = Syslog(address=str(tmp_path / "log"))
        syslog.tell(NOTICE)
        syslog_message(server.recv(4096).decode())
        syslog.tell(Notice("x" * 5000 + "é" * 5000, "", Severity.LOW, 0, kind="finding"))
        assert len(server.recv(9000)) <= 2048
        syslog.close()


ATTACK = replace(
    NOTICE,
    fields={
        "detector": "portscan",
        "stranger": "8.8.8.8",
        "last_seen": "2026-11-20T10:00:00.000000Z",
    },
)


@pytest.fixture
def abuseipdb(web: str, tmp_path: Path) -> AbuseIpdb:
    (tmp_path / "key").write_text("k3y\n", encoding="ascii")
    own = ("9.9.9.0/24",)
    return AbuseIpdb(own=own, key_file=str(tmp_path / "key"), url=f"{web}/api/v2/report")


def test_an_attacker_is_reported_once_in_fifteen_minutes(abuseipdb: AbuseIpdb) -> None:
    assert abuseipdb.check() == ""
    abuseipdb.tell(ATTACK)
    abuseipdb.tell(ATTACK)
    abuseipdb.tell(replace(ATTACK, time=ATTACK.time + 901 * 10**9))
    assert len(Handler.posts) == 2
    path, headers, body = Handler.posts[0]
    assert (path, headers["Key"]) == ("/api/v2/report", "k3y")
    assert parse_qs(body.decode()) == {
        "ip": ["8.8.8.8"],
        "categories": ["14"],
        "comment": ["portscan seen by phage"],
        "timestamp": ["2026-11-20T10:00:00.000000Z"],
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"detector": "portscan"},
        {"detector": "portscan", "stranger": "192.168.1.7"},
        {"detector": "portscan", "stranger": "9.9.9.9"},
        {"detector": "anomaly", "stranger": "8.8.8.8"},
    ],
    ids=["nobody", "private", "own", "no attack"],
)
def test_who_is_never_reported(abuseipdb: AbuseIpdb, fields: dict[str, str]) -> None:
    abuseipdb.tell(replace(ATTACK, fields=fields))
    assert Handler.posts == []


def test_a_report_that_is_refused_says_why(abuseipdb: AbuseIpdb) -> None:
    Handler.answer = (429, {"Retry-After": "60"})
    with pytest.raises(NotifyError) as refused:
        abuseipdb.tell(ATTACK)
    assert (refused.value.retry, refused.value.after) == (True, 60.0)
    Handler.answer = (401, {})
    with pytest.raises(NotifyError, match="401"):
        abuseipdb.tell(ATTACK)


def test_own_networks_must_be_named(abuseipdb: AbuseIpdb) -> None:
    assert "own" in replace(abuseipdb, own=()).check()
    assert "own" in replace(abuseipdb, own=("x",)).check()


def test_a_webhook_does_not_reach_what_holds_a_machines_credentials(
    monkeypatch: pytest.MonkeyPatch, web: str
) -> None:
    monkeypatch.setattr(
        "phage.notify.notifiers.webhook.is_never_asked", lambda address: address == "127.0.0.1"
    )
    with pytest.raises(NotifyError, match="nobody can be told") as caught:
        Webhook(url=web).tell(NOTICE)
    assert not caught.value.retry
