"""Services that people log in to, and what a refused login looks like from outside.

A refused login is a short connection in which the server says little: greeting, key exchange where
there is one, refusal. The limits are octets of transport payload in each direction. Below the
smaller ones nobody tried to log in (a monitor that reads the greeting); above the larger ones a
session took place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.detect.rows import among
from phage.frozen import frozen
from phage.records.columns import Event, TcpState

if TYPE_CHECKING:
    from phage.detect.rows import Bools
    from phage.records import Columns


@frozen
class LoginService:
    """One service: its ports and the shape of a refused login.

    Attributes:
        name: As findings carry it.
        ports: Where it listens.
        up: Smallest and largest number of octets that the client sends when it is refused.
        down: The same of the server.
        lasts_s: A refused login is over within this time: servers wait some seconds after each
            password and allow three to six of them.
        attempts: Connections within a minute that are no person's.
        by_shape: Whether the shape alone tells enough. On the Web it tells little: many alike and
            short connections are what polling looks like.
        slow: Whether the shape tells anything of guessing that takes its time.
        crowd: Whether many clients that fail at one server are unusual.
    """

    name: str
    ports: tuple[int, ...]
    up: tuple[int, int]
    down: tuple[int, int]
    lasts_s: float = 60.0
    attempts: int = 10
    by_shape: bool = True
    slow: bool = True
    crowd: bool = True


SERVICES = (
    # Key exchange: about 1.5 kB each way at least (RFC 4253, section 7), 3 kB with post-quantum
    # keys; six passwords add 1 kB.
    LoginService("ssh", (22, 2222), (400, 6000), (400, 8000), lasts_s=130.0),
    # Names and passwords character by character, banners up to a screen.
    LoginService("telnet", (23, 2323), (2, 800), (8, 4000), lasts_s=70.0),
    # USER, PASS and QUIT against single lines.
    LoginService("ftp", (21,), (10, 1000), (20, 4000), lasts_s=70.0),
    # Negotiation, TLS and CredSSP; a desktop is hundreds of kilobytes.
    LoginService("rdp", (3389,), (200, 8000), (200, 12_000)),
    # Negotiation and session set-up with NTLM or Kerberos.
    LoginService("smb", (445, 139), (200, 6000), (150, 6000)),
    # Version, one challenge of 16 octets, one word of result (RFC 6143, section 7).
    LoginService("vnc", (5900, 5901, 5902, 5903), (12, 300), (12, 300)),
    # Greeting, one login packet, one error.
    LoginService("mysql", (3306,), (32, 500), (60, 700), attempts=30),
    LoginService("postgresql", (5432,), (8, 600), (8, 700), attempts=30),
    LoginService("mssql", (1433,), (60, 2500), (30, 4000), attempts=20),
    LoginService("ldap", (389, 636), (14, 4000), (14, 6000), attempts=30, crowd=False),
    # Mail programs open several connections at once, and short ones to look for news: only replies
    # tell.
    LoginService("smtp", (25, 465, 587), (10, 4000), (20, 8000), by_shape=False, crowd=False),
    LoginService("imap", (143, 993), (10, 3000), (20, 8000), attempts=30, crowd=False),
    LoginService("pop3", (110, 995), (10, 2500), (20, 8000), attempts=30, crowd=False),
    # A device with a stale password tries again every few seconds.
    LoginService(
        "mqtt", (1883, 8883), (10, 3000), (4, 6000), attempts=60, by_shape=False, crowd=False
    ),
    LoginService(
        "http",
        (
            80,
            81,
            443,
            5000,
            5001,
            5985,
            5986,
            8000,
            8008,
            8080,
            8081,
            8443,
            8888,
            9000,
            9090,
            10000,
        ),
        (60, 4000),
        (60, 8000),
        lasts_s=20.0,
        attempts=120,
        slow=False,
        crowd=False,
    ),
)

BY_PORT = {port: service for service in SERVICES for port in service.ports}

_PORTS = np.array(sorted(BY_PORT), np.uint16)
_LARGEST = np.array(
    [(BY_PORT[port].up[1], BY_PORT[port].down[1]) for port in _PORTS.tolist()], "u8"
)
_LASTS = np.array([round(BY_PORT[port].lasts_s * 1e9) for port in _PORTS.tolist()])
_TCP = 6


def over_or_sessions(flows: Columns) -> Bools:
    """Tell which flows show how an attempt to log in went: they are over, or a session by now."""
    state = flows["state"]
    login, place = among(flows["dst_port"], _PORTS)
    login &= (flows["protocol"] == _TCP) & (flows["packets"][:, 1] > 0)
    login &= (state >= TcpState.ESTABLISHED) & (state != TcpState.REFUSED)
    over = (flows["event"] & Event.ENDED) != 0
    over |= (state == TcpState.CLOSED) | (state == TcpState.RESET)
    lasted = flows["last"] - flows["start"] > _LASTS[place]
    told: Bools = login & (over | lasted | (flows["payload"] > _LARGEST[place]).any(axis=1))
    return told


# Words in the targets of requests that log in: what login pages and their scripts are called.
LOGIN_WORDS = (
    "login", "logon", "signin", "sign_in", "sign-in", "auth", "session", "passw", "xmlrpc", "token",
    "j_security_check", "account", "admin",
)  # fmt: skip
