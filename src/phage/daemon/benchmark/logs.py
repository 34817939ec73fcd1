"""Lines of logs a second, beside what tries every pattern on every line."""

from __future__ import annotations

import random
import re
import resource
import time
from typing import TYPE_CHECKING

from phage.clock import rfc3339
from phage.collect.collectors.logfile import LogFileCollector
from phage.collect.logs.pattern import ADDRESS
from phage.collect.logs.service import known_services
from phage.collect.logs.source import LogSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = 200_000
# The peer takes a minute for all lines; its rate does not depend on how many there are.
PEER_LINES = 10_000
PEER = "every pattern of every service on every line, in Python"

_START = 1_795_230_390_000_000_000
# A server under attack: two lines in five tell of a refused login, the others of its work.
_ATTACKS = (
    "sshd[{n}]: Failed password for invalid user user{n} from {ip} port {p} ssh2",
    "sshd[{n}]: Invalid user user{n} from {ip} port {p}",
    "sshd[{n}]: Failed password for root from {ip} port {p} ssh2",
    "postfix/smtpd[{n}]: warning: unknown[{ip}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
    (
        "dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<user{n}>, "
        "method=PLAIN, rip={ip}, lip=192.0.2.1, session=<x>"
    ),
    'vsftpd[{n}]: [user{n}] FAIL LOGIN: Client "{ip}"',
)
_WORK = (
    "CRON[{n}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
    "systemd[1]: Started session-{n}.scope - Session {n} of User anna.",
    "sshd[{n}]: Connection closed by {ip} port {p} [preauth]",
    "sshd[{n}]: pam_unix(sshd:session): session closed for user anna",
    "kernel: [{n}.{p}] usb 1-1: new high-speed USB device number 4 using xhci_hcd",
    "postfix/qmgr[{n}]: 4F2{n}: from=<anna@example.com>, size=1234, nrcpt=1 (queue active)",
    "dovecot: imap(anna)<{n}><x>: Logged out in=128 out=4096",
    "dhclient[{n}]: DHCPACK of 192.0.2.40 from 192.0.2.1",
    "named[{n}]: client @0x7f {ip}#{p} (example.com): query: example.com IN A + (192.0.2.1)",
)


def write_log(path: Path, count: int, attacks: float) -> None:
    """Write a log as rsyslog does, a hundred lines a second."""
    source = random.Random(7)  # noqa: S311  Data, not secrets.
    with path.open("w", encoding="ascii") as file:
        for number in range(count):
            form = source.choice(_ATTACKS if source.random() < attacks else _WORK)
            ip = f"198.51.{source.randrange(256)}.{source.randrange(256)}"
            text = form.format(n=number, ip=ip, p=source.randrange(1024, 65536))
            stamp = rfc3339(_START + number // 100 * 1_000_000_000)
            file.write(f"{stamp} host {text}\n")


def write_access_log(path: Path, count: int) -> None:
    """Write an access log in the combined form; one request in ten is refused."""
    source = random.Random(8)  # noqa: S311  Data, not secrets.
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0"
    with path.open("w", encoding="ascii") as file:
        for number in range(count):
            ip = f"198.51.{source.randrange(256)}.{source.randrange(256)}"
            status = source.choice((200, 200, 200, 200, 200, 200, 200, 304, 301, 404))
            clock = f"21/Nov/2026:{number // 360_000 % 24:02}:{number // 6000 % 60:02}"
            request = f"GET /articles/{source.randrange(5000)}/page.html?ref=news HTTP/1.1"
            file.write(
                f"{ip} - - [{clock}:{number // 100 % 60:02} +0000] "
                f'"{request}" {status} 15320 "https://www.example.com/" "{agent}"\n'
            )


def lines_per_second(path: Path, service: str = "") -> tuple[float, int]:
    """Return lines a second of thread time from file to windows, and how many events they gave."""
    collector = LogFileCollector([LogSource(str(path), service)], follow=False)
    collector.open()
    began = time.thread_time()
    events = sum(len(window.events) for window in collector.windows())
    passed = time.thread_time() - began
    lines = collector.counters()["logfile.lines"]
    collector.close()
    return lines / passed, events


def _peer_patterns() -> list[re.Pattern[str]]:
    texts = [line.pattern for service in known_services().values() for line in service.lines]
    return [re.compile(text.replace("<address>", ADDRESS) + "$") for text in texts]


def _lines(path: Path, count: int) -> Iterator[str]:
    with path.open(encoding="ascii") as file:
        for _, line in zip(range(count), file, strict=False):
            yield line.rstrip("\n")


def peer_lines_per_second(path: Path) -> tuple[float, int]:
    """Return the same for a stamp, then all patterns in turn, as jails of a log are read."""
    patterns = _peer_patterns()
    stamp = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d) ")
    lines = list(_lines(path, PEER_LINES))
    found = 0
    began = time.thread_time()
    for line in lines:
        match = stamp.match(line)
        rest = line if match is None else line[match.end() :]
        found += any(pattern.search(rest) is not None for pattern in patterns)
    return len(lines) / (time.thread_time() - began), found


def peak_memory() -> int:
    """Return the most memory that this process ever had, in octets."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
