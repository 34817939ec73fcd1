"""A domain is banned: a real dnsmasq refuses it, and answers again afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from phage.records.decision import Action, Decision, ReceiptState, Target, TargetKind
from phage.respond.responders.dnsfile import DnsFile
from phage.testing.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.system

REAL = "192.0.2.80"
PATIENCE = 60.0


def ask(port: int, name: str) -> str:
    """Return the address that the server on a port gives for a name; '' for none (RFC 1035)."""
    number = secrets.token_bytes(2)
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(1.0)
        link.connect(("127.0.0.1", port))
        try:
            link.send(number + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1")
            answer = link.recv(512)
        except OSError:
            return ""
    return socket.inet_ntoa(answer[-4:]) if answer[6:8] != b"\0\0" else ""


def becomes(port: int, name: str, address: str) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if ask(port, name) == address:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    program = shutil.which("dnsmasq") or "/usr/sbin/dnsmasq"
    if os.geteuid() != 0 or not os.access(program, os.X_OK):
        pytest.skip("needs root and dnsmasq")
    chosen = free_port()
    (tmp_path / "hosts").mkdir()
    server = subprocess.Popen(
        [program, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
         f"--port={chosen}", "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root",
         f"--address=/example/{REAL}", f"--hostsdir={tmp_path / 'hosts'}"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert becomes(chosen, "bad.example", REAL)
        yield chosen
    finally:
        server.kill()
        server.wait(PATIENCE)


def test_dnsmasq_refuses_what_is_banned_until_it_is_not(port: int, tmp_path: Path) -> None:
    responder = DnsFile(path=str(tmp_path / "hosts" / "phage"))
    now = time.time_ns()
    bad = Decision(Target(TargetKind.DOMAIN, "bad.example"), Action.BAN, "malware", now, id="1")
    (receipt,) = responder.replace([bad], now)
    assert receipt.state is ReceiptState.APPLIED
    assert becomes(port, "bad.example", "0.0.0.0")  # noqa: S104  The answer of a refusal.
    assert ask(port, "good.example") == REAL
    responder.revoke([bad], now)
    assert becomes(port, "bad.example", REAL)
