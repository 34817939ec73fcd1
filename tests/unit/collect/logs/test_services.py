"""Lines of services become events, and nobody can put another's address into one."""

# ruff: noqa: ISC004  Lines of logs are long.

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.collect.logs.parser import Context, Parser, SyslogParser, make_parser
from phage.collect.logs.service import known_services
from phage.errors import ConfigError
from phage.records import LogEvent, LogKind

NOW = 1_795_230_390_000_000_000
"""2026-11-21T03:06:30Z"""

SYSLOG = "Nov 21 03:06:30 host "
BAD, GOOD = "198.51.100.7", "203.0.113.9"


def parser(service: str = "") -> Parser:
    return make_parser(service, "", "auth_failed", Context("test"))


def events(line: str, service: str = "") -> list[LogEvent]:
    return list(parser(service).parse(line, NOW))


LINES = [
    # sshd, as rsyslog writes it in the old and the new form, and with other decorations.
    ("", SYSLOG + f"sshd[811]: Failed password for root from {BAD} port 4242 ssh2",
     LogKind.AUTH_FAILED, "root"),
    ("", "2026-11-21T03:06:30.123456+00:00 host sshd-session[811]: Failed password for invalid "
     f"user admin from {BAD} port 4242 ssh2", LogKind.AUTH_FAILED, "admin"),
    ("", f"<38>Nov  1 03:06:30 host sshd[811]: Invalid user  from {BAD} port 4242",
     LogKind.USER_UNKNOWN, ""),
    ("", f"{SYSLOG}sshd[811]: Accepted publickey for bob from {BAD} port 1 ssh2: ED25519 "
     "SHA256:8c9Qx/7", LogKind.AUTH_OK, "bob"),
    ("", f"{SYSLOG}sshd[811]: Accepted password for bob from {BAD} port 1 ssh2",
     LogKind.AUTH_OK, "bob"),
    ("", f"{SYSLOG}sshd[8]: User root from {BAD} not allowed because not listed in AllowUsers",
     LogKind.AUTH_FAILED, "root"),
    ("", f"{SYSLOG}sshd[8]: error: maximum authentication attempts exceeded for root from {BAD} "
     "port 22 ssh2 [preauth]", LogKind.AUTH_FAILED, "root"),
    ("", f"{SYSLOG}sshd[8]: Connection closed by authenticating user root {BAD} port 1 [preauth]",
     LogKind.AUTH_FAILED, "root"),
    ("", f"{SYSLOG}sshd[8]: Unable to negotiate with {BAD} port 1: no matching key exchange "
     "method found. Their offer: x [preauth]", LogKind.ABUSE, ""),
    ("", f"{SYSLOG}dropbear[9]: Bad password attempt for 'root' from {BAD}:51234",
     LogKind.AUTH_FAILED, "root"),
    ("", f"{SYSLOG}postfix/submission/smtpd[9]: warning: unknown[{BAD}]: SASL LOGIN "
     "authentication failed: UGFzc3dvcmQ6, sasl_username=info", LogKind.AUTH_FAILED, "info"),
    ("", f"{SYSLOG}postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[{BAD}]: 554 5.7.1 <a@b>: "
     "Relay access denied; from=<c@d> to=<a@b> proto=ESMTP helo=<x>", LogKind.ABUSE, ""),
    ("", f"{SYSLOG}dovecot: imap-login: Disconnected: Connection closed (auth failed, 3 attempts "
     f"in 12 secs): user=<joe>, method=PLAIN, rip={BAD}, lip=192.0.2.1, TLS, session=<x>",
     LogKind.AUTH_FAILED, "joe"),
    ("", f"{SYSLOG}dovecot: imap-login: Login: user=<joe>, method=PLAIN, rip={BAD}, "
     "lip=192.0.2.1, mpid=1, TLS, session=<x>", LogKind.AUTH_OK, "joe"),
    ("exim", f"2026-11-21 03:06:30 login authenticator failed for (helo) [{BAD}]:51000: 535 "
     "Incorrect authentication data (set_id=info)", LogKind.AUTH_FAILED, "info"),
    ("", f"{SYSLOG}imapd: LOGIN FAILED, user=joe, ip=[::ffff:{BAD}]", LogKind.AUTH_FAILED, "joe"),
    ("vsftpd", f'Sat Nov 21 03:06:30 2026 [pid 2] [joe] FAIL LOGIN: Client "::ffff:{BAD}"',
     LogKind.AUTH_FAILED, "joe"),
    ("", f"{SYSLOG}proftpd[7]: host ({BAD}[{BAD}]) - USER joe (Login failed): Incorrect password",
     LogKind.AUTH_FAILED, "joe"),
    ("", f"{SYSLOG}pure-ftpd: (?@{BAD}) [WARNING] Authentication failed for user [joe]",
     LogKind.AUTH_FAILED, "joe"),
    ("mysql", f"2026-11-21  3:06:30 12 [Warning] Access denied for user 'root'@'{BAD}' (using "
     "password: YES)", LogKind.AUTH_FAILED, "root"),
    ("mysql", "2026-11-21T03:06:30.000000Z 12 [Note] [MY-010926] [Server] Access denied for user "
     f"'root'@'{BAD}' (using password: NO)", LogKind.AUTH_FAILED, "root"),
    ("postgresql", f"2026-11-21 03:06:30.123 UTC [812] {BAD}(51000) joe@db FATAL:  password "
     'authentication failed for user "joe"', LogKind.AUTH_FAILED, "joe"),
    ("", f"{SYSLOG}cockpit-session[1]: pam_unix(cockpit:auth): authentication failure; logname= "
     f"uid=0 euid=0 tty= ruser= rhost={BAD}  user=joe", LogKind.AUTH_FAILED, "joe"),
    ("", f"{SYSLOG}webmin[3]: Invalid login as root from {BAD}", LogKind.AUTH_FAILED, "root"),
    ("", f"{SYSLOG}pvedaemon[3]: authentication failure; rhost=::ffff:{BAD} user=root@pam msg=no",
     LogKind.AUTH_FAILED, "root@pam"),
    ("gitea", "2026/11/21 03:06:30 routers/web/auth/auth.go:201:SignInPost() [W] Failed "
     f"authentication attempt for joe from {BAD}:51000: user does not exist",
     LogKind.AUTH_FAILED, "joe"),
    ("homeassistant", "2026-11-21 03:06:30.123 WARNING (MainThread) [homeassistant.components."
     f"http.ban] Login attempt or request with invalid authentication from x.example ({BAD}). "
     "Requested URL: '/auth'. (Mozilla)", LogKind.AUTH_FAILED, ""),
    ("nextcloud", '{"reqId":"a","level":2,"time":"2026-11-21T03:06:30+00:00","remoteAddr":'
     f'"{BAD}","user":"--","app":"core","method":"POST","url":"/login","message":"Login failed: '
     'joe (Remote IP: x)","userAgent":"y"}', LogKind.AUTH_FAILED, ""),
    ("nginxerror", '2026/11/21 03:06:30 [error] 12#12: *5 user "joe": password mismatch, client: '
     f'{BAD}, server: _, request: "GET / HTTP/1.1", host: "x"', LogKind.AUTH_FAILED, "joe"),
    ("apacheerror", "[Sat Nov 21 03:06:30.123456 2026] [auth_basic:error] [pid 9:tid 8] [client "
     f'{BAD}:51000] AH01617: user joe: authentication failure for "/x": Password Mismatch',
     LogKind.AUTH_FAILED, "joe"),
    ("asterisk", "[2026-11-21 03:06:30] NOTICE[812] res_pjsip/pjsip_distributor.c: Request "
     f"'REGISTER' from '<sip:1@x>' failed for '{BAD}:5060' (callid: 77) - No matching endpoint "
     "found", LogKind.AUTH_FAILED, ""),
]  # fmt: skip


@pytest.mark.parametrize(("service", "line", "kind", "user"), LINES, ids=range(len(LINES)))
def test_a_line_tells_who_did_what(service: str, line: str, kind: LogKind, user: str) -> None:
    (event,) = events(line, service)
    assert (event.kind, event.address, event.user) == (kind, BAD, user)


def test_ipv6_is_read_and_mapped_ipv4_is_ipv4() -> None:
    for told, meant in (
        ("2001:DB8::7", "2001:db8::7"),
        ("::ffff:198.51.100.7", BAD),
        ("fe80::1%eth0", "fe80::1"),
    ):
        (event,) = events(f"{SYSLOG}sshd[1]: Failed password for root from {told} port 1 ssh2")
        assert event.address == meant


@pytest.mark.parametrize("told", ["example.com", "999.1.1.1", "UNKNOWN", "::", "1::2::3"])
def test_what_is_no_address_gives_nothing(told: str) -> None:
    assert not events(f"{SYSLOG}sshd[1]: Failed password for root from {told} port 1 ssh2")


def test_joined_lines_count_as_many() -> None:
    joined = f"[ Failed password for root from {BAD} port 1 ssh2]"
    line = f"{SYSLOG}sshd[1]: message repeated 4 times: {joined}"
    assert [event.address for event in events(line)] == [BAD] * 4


def test_what_was_joined_is_not_joined_again() -> None:
    parts = 3000
    message = "message repeated 2 times: [ " * parts + "x" + "]" * parts
    assert list(parser().parse_message("sshd", message, NOW)) == []


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"])
def test_times_that_no_clock_tells_are_that_of_reading(stamp: str) -> None:
    tail = f"sshd[1]: Failed password for root from {BAD} port 1 ssh2"
    (event,) = events(f"{stamp} host {tail}")
    assert event.time == NOW


def test_stamps_give_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import time as clock

    monkeypatch.setenv("TZ", "UTC")
    clock.tzset()
    tail = f"sshd[1]: Failed password for root from {BAD} port 1 ssh2"
    for stamp, seconds in (
        ("Nov 21 03:06:29", -1),
        ("Dec 25 03:06:30", -331 * 86_400),
        ("2026-11-21T03:06:29.500000+00:00", -0.5),
        ("2026-11-21T04:06:30+01:00", 0),
    ):
        (event,) = events(f"{stamp} host {tail}")
        assert event.time == NOW + round(seconds * 1e9)


def test_keys_that_were_refused_are_no_failure() -> None:
    assert not events(
        f"{SYSLOG}sshd[1]: Failed publickey for git from {BAD} port 5 ssh2: RSA SHA256:abc"
    )


ACCESS = '{} - {} [21/Nov/2026:03:06:30 +0000] "{}" {} 153 "-" "{}"'


@pytest.mark.parametrize(
    ("user", "request_line", "status", "agent", "kind"),
    [
        ("-", "GET / HTTP/1.1", 200, "Mozilla/5.0", None),
        ("-", "GET /blog/author/2024.html?page=2 HTTP/1.1", 301, "Mozilla/5.0", None),
        ("-", "GET /none HTTP/1.1", 404, "Mozilla/5.0", LogKind.HTTP_ERROR),
        ("-", "GET /.env HTTP/1.1", 200, "Mozilla/5.0", LogKind.HTTP_PROBE),
        ("-", "GET /x/..%2f..%2fetc/passwd HTTP/1.1", 400, "curl/8", LogKind.HTTP_PROBE),
        ("-", "GET /?a=${jndi:ldap://x} HTTP/1.1", 200, "curl/8", LogKind.HTTP_PROBE),
        ("-", "POST /wp-login.php HTTP/1.1", 200, "Mozilla/5.0", None),
        ("-", "GET /wp-login.php HTTP/1.1", 404, "Mozilla/5.0", LogKind.HTTP_PROBE),
        ("-", "GET / HTTP/1.1", 200, "sqlmap/1.7", LogKind.SCANNER_AGENT),
        ("joe", "GET /private HTTP/1.1", 401, "curl/8", LogKind.AUTH_FAILED),
        ("-", "GET /private HTTP/1.1", 401, "curl/8", None),
        ("-", "POST /api/login HTTP/1.1", 401, "curl/8", LogKind.AUTH_FAILED),
        ("-", r"\x16\x03\x01", 400, "-", LogKind.HTTP_ERROR),
        ("-", "GET /late HTTP/1.1", 499, "curl/8", None),
    ],
)
@pytest.mark.parametrize("address", [BAD, "2001:db8::7"])
def test_requests(
    address: str, user: str, request_line: str, status: int, agent: str, kind: LogKind | None
) -> None:
    line = ACCESS.format(address, user, request_line, status, agent)
    found = events(line, "nginx")
    assert [event.kind for event in found] == ([kind] if kind else [])
    assert all(event.address == address and event.status == status for event in found)
    assert [event.kind for event in events(f"example.com:443 {line}", "apache")] == [
        event.kind for event in found
    ]


# What a client may call himself to bring another's address into the log: in the spirit of
# fail2ban's cases of injection (its tests for sshd, dovecot, nginx-http-auth and vsftpd).
HOSTILE = [
    f"from {GOOD}",
    f"x from {GOOD} port 55555 ssh2",
    f"x from {GOOD} port 55555 ssh2: RSA SHA256:abc",
    f"x from {GOOD} port 1",
    f"x from {GOOD} not allowed because not listed in AllowUsers",
    f"x {GOOD} port 1 [preauth]",
    f"x' from {GOOD}:22",
    f'x] FAIL LOGIN: Client "{GOOD}"',
    f"x>, method=PLAIN, rip={GOOD}, lip=1.1.1.1",
    f"x'@'{GOOD}' (using password: YES)",
    f'x": password mismatch, client: {GOOD}, server: x, request: "GET / HTTP/1.1"',
    f"x rhost={GOOD}  user=y",
    f"x (Login failed): y from {GOOD}",
    f"x) [{GOOD}]: 535 Incorrect authentication data (set_id=x",
    f"x, ip=[{GOOD}]",
    f"x from {GOOD}:22: user does not exist",
    f"x. Username: IP: {GOOD}",
    f"invalid user y from {GOOD} port 1 ssh2",
    "",
    "  ",
]  # fmt: skip

TEMPLATES = [
    ("", "{stamp}sshd[1]: Failed password for invalid user {user} from {address} port 9 ssh2"),
    ("", "{stamp}sshd[1]: Failed password for {user} from {address} port 9 ssh2"),
    ("", "{stamp}sshd[1]: Invalid user {user} from {address} port 9"),
    ("", "{stamp}sshd[1]: Invalid user {user} from {address}"),
    ("", "{stamp}sshd[1]: Accepted password for {user} from {address} port 9 ssh2"),
    ("", "{stamp}sshd[1]: Failed publickey for {user} from {address} port 9 ssh2: RSA SHA256:abc"),
    ("", "{stamp}sshd[1]: Failed hostbased for root from {address} port 9 ssh2: RSA SHA256:abc, "
     'client user "{user}", client host "x"'),
    ("", "{stamp}sshd[1]: Failed password for root from {address} port 9 ssh2: {user}"),
    ("", "{stamp}sshd[1]: User {user} from {address} not allowed because not listed in AllowUsers"),
    ("", "{stamp}sshd[1]: Connection closed by authenticating user {user} {address} port 9 "
     "[preauth]"),
    ("", "{stamp}sshd[1]: error: maximum authentication attempts exceeded for {user} from "
     "{address} port 9 ssh2 [preauth]"),
    ("", "{stamp}sshd[1]: Bad protocol version identification '{user}' from {address} port 9"),
    ("", "{stamp}dropbear[1]: Bad password attempt for '{user}' from {address}:9"),
    ("", "{stamp}dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): "
     "user=<{user}>, method=PLAIN, rip={address}, lip=192.0.2.1, session=<x>"),
    ("", "{stamp}postfix/smtpd[1]: warning: unknown[{address}]: SASL LOGIN authentication failed: "
     "x, sasl_username={user}"),
    ("", "{stamp}postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[{address}]: 554 5.7.1 "
     "<{user}>: Relay access denied; helo=<{user}>"),
    ("", "{stamp}cockpit-session: pam_unix(cockpit:auth): authentication failure; logname= uid=0 "
     "euid=0 tty= ruser={user} rhost={address}  user={user}"),
    ("", "{stamp}imapd: LOGIN FAILED, user={user}, ip=[{address}]"),
    ("", "{stamp}proftpd[7]: host (x[{address}]) - USER {user} (Login failed): Incorrect password"),
    ("", "{stamp}proftpd[7]: host (x[{address}]) - USER {user}: no such user found from x [y] "
     "to z"),
    ("", "{stamp}webmin[3]: Invalid login as {user} from {address}"),
    ("", "{stamp}pvedaemon[3]: authentication failure; rhost={address} user={user} msg=no"),
    ("exim", "2026-11-21 03:06:30 login authenticator failed for (x) [{address}]: 535 Incorrect "
     "authentication data (set_id={user})"),
    ("vsftpd", 'Sat Nov 21 03:06:30 2026 [pid 2] [{user}] FAIL LOGIN: Client "{address}"'),
    ("mysql", "2026-11-21  3:06:30 12 [Warning] Access denied for user '{user}'@'{address}' "
     "(using password: YES)"),
    ("postgresql", "2026-11-21 03:06:30.123 UTC [812] {address}(51000) FATAL:  password "
     'authentication failed for user "{user}"'),
    ("gitea", "2026/11/21 03:06:30 [W] Failed authentication attempt for {user} from {address}:9: "
     "user does not exist"),
    ("nginxerror", '2026/11/21 03:06:30 [error] 12#12: *5 user "{user}": password mismatch, '
     'client: {address}, server: _, request: "GET /{user} HTTP/1.1", host: "{user}"'),
    ("vaultwarden", "[2026-11-21 03:06:30.123][vaultwarden::api::identity][ERROR] Username or "
     "password is incorrect. Try again. IP: {address}. Username: {user}"),
    ("nginx", ACCESS.format("{address}", "{user}", "GET /none HTTP/1.1", 404, "Mozilla/5.0")),
]  # fmt: skip
PARSERS = {service: parser(service) for service, _ in TEMPLATES}


def never_another(service: str, template: str, user: str) -> None:
    if service == "nginx":
        user = user.replace('"', r"\x22")  # As nginx writes it.
    line = template.format(stamp=SYSLOG, user=user, address=BAD)
    for event in PARSERS[service].parse(line, NOW):
        assert event.address == BAD, line


@pytest.mark.parametrize("user", HOSTILE)
@pytest.mark.parametrize(("service", "template"), TEMPLATES, ids=range(len(TEMPLATES)))
def test_a_name_never_becomes_an_address(service: str, template: str, user: str) -> None:
    never_another(service, template, user)


pieces = st.sampled_from([
    " ", "from ", GOOD, " port 22", " ssh2", ": ", "'", '"', "@", "[", "]", "<", ">", "(", ")",
    ", client: ", ", rip=", "rhost=", "  user=", "invalid user ", " [preauth]", ", ip=[", "x",
    "Client ", " (using password: YES)", "; ", " (Login failed): ", " not allowed because ",
    "535 ", "::1", "port", ", lip=", "FAIL LOGIN: ", "\\", "#", "\t",
])  # fmt: skip


@given(
    st.sampled_from(TEMPLATES),
    st.lists(pieces | st.text(max_size=3), max_size=9).map("".join),
)
def test_no_name_at_all_becomes_an_address(template: tuple[str, str], user: str) -> None:
    never_another(*template, user.replace("\n", " "))


@given(st.text(max_size=300), st.sampled_from([*known_services(), "syslog"]))
def test_any_line_is_no_exception(line: str, service: str) -> None:
    reader = parser(service)
    for start in ("", SYSLOG + "sshd[1]: ", SYSLOG + "dovecot: ", "Failed password for "):
        for event in reader.parse(start + line, NOW):
            assert len(event.message) <= 512


def test_a_message_as_long_as_daemons_cut_is_not_believed() -> None:
    context = Context("test")
    name = "x" * 1000 + f" from {GOOD} port 1 ssh2"
    assert not list(
        SyslogParser(context).parse(f"{SYSLOG}sshd[1]: Failed password for {name}", NOW)
    )
    assert context.counters.too_long == 1


def test_ambiguous_lines_are_counted() -> None:
    context = Context("test")
    reader = make_parser("nginxerror", "", "auth_failed", context)
    line = (
        f'2026/11/21 03:06:30 [error] 1#1: *5 user "x": password mismatch, client: {GOOD}, '
        f'server: a": password mismatch, client: {BAD}, server: _'
    )
    assert not list(reader.parse(line, NOW))
    assert context.counters.ambiguous == 1


def test_a_log_by_pattern() -> None:
    context = Context("app.log")
    reader = make_parser("", "login of (?P<user>.*) refused from <address>", "abuse", context)
    for prefix in (
        "",
        "2026-11-21 03:06:30 ",
        SYSLOG + "app[3]: ",
        "[21/Nov/2026:03:06:30 +0000] ",
    ):
        (event,) = reader.parse(f"{prefix}login of joe refused from {BAD}", NOW)
        assert (event.kind, event.user, event.address) == (LogKind.ABUSE, "joe", BAD)
        assert event.service == "custom"
        assert abs(event.time - NOW) < 86_400 * 10**9
    assert not list(reader.parse(f"login of joe refused from {BAD} and more", NOW))


@pytest.mark.parametrize(
    ("service", "pattern", "kind", "said"),
    [
        ("sshdd", "", "auth_failed", "there is no 'sshdd'"),
        ("", "<address> x", "alert", "there is no 'alert'"),
        ("", "(?:x+)+ <address>", "abuse", "cannot be repeated"),
    ],
)
def test_wrong_settings_say_what_is_wrong(service: str, pattern: str, kind: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        make_parser(service, pattern, kind, Context("test"))
