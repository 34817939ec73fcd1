"""What was found is blocked in the kernel, what is protected never is, and panic ends it all."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.system.acting.site import ROUTER_IN, ROUTER_OUT, SERVER, STRANGER, Site

from phage.daemon.control import ControlError
from phage.respond.responders.ipset import IpsetResponder
from phage.testing.waiting import PATIENCE, until

pytestmark = pytest.mark.system


def serve(site: Site) -> None:
    """Let the server answer at one port, so that a scanner shows that its address is its own."""
    program = (
        "import socket\ns = socket.create_server(('', 22))\nwhile True: s.accept()[0].close()\n"
    )
    site.start("in", sys.executable, "-c", program)
    until("the server", lambda: ":22 " in site.inside("in", "ss", "-ltn"))


def scan(site: Site) -> None:
    """Scan, log in where it is open, and scan on: an answer shows that the source is not forged."""
    for ports in ("1-300", "22", "301-600"):
        site.inside("out", "nmap", "-n", "-Pn", "-sT", "-T4", "-p", ports, SERVER)
        time.sleep(0.6)  # Each in windows of its own.


def test_who_scans_is_banned_in_the_kernel_and_stays_so_after_a_restart(site: Site) -> None:
    serve(site)
    site.phage()
    assert site.reaches()
    scan(site)
    until("the ban", lambda: site.banned() == {STRANGER})
    until("silence", lambda: not site.reaches())
    (decision,) = site.decisions("--in-force")
    assert decision["target"] == STRANGER
    assert decision["rule"] == "Who scans is banned"
    assert decision["finding"]
    until("the line", lambda: any(f"ban         {STRANGER}" in line for line in site.lines))
    assert site.stop() == 0
    assert site.banned() == {STRANGER}  # The kernel goes on by itself.
    site.phage()
    until("the same again", lambda: site.banned() == {STRANGER})
    assert not site.reaches()
    site.revoke(STRANGER)
    until("peace", site.reaches)


def test_a_host_with_iptables_is_guarded_by_ipset(site: Site) -> None:
    if why := IpsetResponder.available():
        pytest.skip(why)
    site.respond = {"responders": ["ipset"]}
    site.phage()
    assert site.reaches()
    site.add(STRANGER)
    until("silence", lambda: not site.reaches())
    assert "PHAGE" in site.inside("router", "iptables", "-S", "FORWARD")
    assert site.status()["responders"]["ipset"]["fault"] == ""
    site.inside("router", "iptables", "-F", "FORWARD")
    until("the ban again", lambda: not site.reaches())
    site.revoke(STRANGER)
    until("peace", site.reaches)
    site.add(STRANGER)
    until("silence", lambda: not site.reaches())
    site.inside("router", sys.executable, "-m", "phage", "panic", "--state-dir", str(site.state))
    until("peace", site.reaches)
    assert site.stop() == 0


def test_who_guesses_passwords_is_banned_though_he_is_connected(site: Site) -> None:
    sshd = Path("/usr/sbin/sshd")
    if not sshd.exists() or shutil.which("ssh-keygen") is None:
        pytest.skip("lacks sshd (Debian: openssh-server)")
    key, users, passwords = (site.folder / name for name in ("key", "users", "passwords"))
    site.inside("router", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    users.write_text("root\n", encoding="ascii")
    passwords.write_text("".join(f"password{number}\n" for number in range(16)), encoding="ascii")
    # sshd wants /run/sshd; the mount is of this process's namespace only.
    site.start(
        "router", "sh", "-c", 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"',
        "sh", str(sshd), "-D", "-f", "/dev/null", "-h", str(key), "-o", "UsePAM=no",
        "-o", "PasswordAuthentication=yes", "-o", "KbdInteractiveAuthentication=no",
        "-o", "PermitRootLogin=yes",
    )  # fmt: skip
    until("sshd", lambda: ":22 " in site.inside("router", "ss", "-ltn"))
    site.phage()
    guessing = site.start(
        "out", "nmap", "-n", "-Pn", "-p", "22", "--script", "ssh-brute", "--script-args",
        f"userdb={users},passdb={passwords}", ROUTER_OUT,
    )  # fmt: skip
    until("the ban", lambda: site.banned() == {STRANGER})
    guessing.kill()
    (decision,) = site.decisions("--in-force")
    assert decision["rule"] == "Who guesses passwords is banned"
    assert not site.reaches()


def test_nothing_is_blocked_while_enforcing_is_off_and_it_is_said_what_would_be(site: Site) -> None:
    serve(site)
    site.phage(enforce=False)
    assert site.enforcers() == []
    scan(site)
    until("the decision", site.decisions)
    (decision,) = site.decisions()
    assert decision["state"] == "recorded"
    assert decision["reason"].startswith(f"would have banned {STRANGER}")
    assert site.reaches()
    assert "phage" not in site.inside("router", "nft", "list", "tables")


def test_the_allow_list_holds_against_every_way_to_ask(site: Site) -> None:
    serve(site)
    resolvers = [
        line.split()[1]
        for line in Path("/etc/resolv.conf").read_text().splitlines()
        if line.startswith("nameserver")
    ]
    site.phage(allow=[STRANGER, "example.com"])
    protected = [
        STRANGER, "198.51.100.0/24", "0.0.0.0/0", f"::ffff:{STRANGER}", ROUTER_OUT, ROUTER_IN,
        "192.168.77.255", "127.0.0.1", "::1", "224.0.0.1", "255.255.255.255", "ff02::1", "::/0",
        "example.com", "www.example.com", "com", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff",
    ]  # fmt: skip
    for target in (*protected, *resolvers):
        for action in ("ban", "reject", "quarantine"):
            for direction in ("from", "to", "both"):
                with pytest.raises(ControlError, match="allow-list"):
                    site.add(target, action=action, direction=direction)
    scan(site)
    until("the record", site.decisions)
    assert {each["state"] for each in site.decisions()} == {"recorded"}
    assert all("not done: " in each["reason"] for each in site.decisions())
    assert site.banned() == set()
    assert site.reaches()


def test_what_somebody_else_flushed_is_back(site: Site) -> None:
    site.phage()
    site.add("203.0.113.7")
    until("the ban", lambda: site.banned() == {"203.0.113.7"})
    site.inside("router", "nft", "flush", "ruleset")
    until("the ban again", lambda: site.banned() == {"203.0.113.7"})


def test_a_ban_ends_when_its_time_is_over(site: Site) -> None:
    site.phage()
    site.add(STRANGER, seconds=8.0)
    until("the ban", lambda: not site.reaches())
    until("its end", lambda: site.banned() == set())
    until("peace", site.reaches)
    until("the ledger", lambda: site.decisions() == [])
    (ended,) = site.decisions("--all")
    assert ended["ended_by"] == "expiry"


def panic(site: Site, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", "netns", "exec", f"{site.name}-router", sys.executable, "-m", "phage", "panic",
         "--state-dir", str(site.state), *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )  # fmt: skip


def test_panic_takes_everything_out_and_keeps_it_out(site: Site) -> None:
    site.phage()
    site.add(STRANGER)
    until("the ban", lambda: not site.reaches())
    done = panic(site)
    assert done.returncode == 0, done.stderr
    assert site.banned() == set()
    assert site.reaches()
    site.add("203.0.113.7")
    assert site.status()["panic"] is True
    assert site.stop() == 0
    site.phage()
    assert site.status()["panic"] is True
    assert site.banned() == set()
    assert panic(site, "--release").returncode == 0
    until("the bans again", lambda: site.banned() == {STRANGER, "203.0.113.7"})


def test_panic_works_when_the_controller_is_dead(site: Site) -> None:
    site.phage()
    site.add(STRANGER)
    until("the ban", lambda: not site.reaches())
    site.stop(signal.SIGKILL)
    assert not site.reaches()
    done = panic(site)
    assert done.returncode == 0, done.stderr
    assert site.reaches()
    assert site.banned() == set()


def test_rules_on_trial_go_back_by_themselves(site: Site) -> None:
    site.phage()
    before = site.rules.read_text()
    site.rules.write_text(
        before
        + "  - {name: No pings, mode: enforce, match: {protocol: icmp, source: internet,\n"
        + "     destination: home}, action: drop}\n"
    )

    def rules(*words: str) -> None:
        command = (sys.executable, "-m", "phage", "rules", *words, "--state-dir", str(site.state))
        site.inside("router", *command)

    rules("apply", "--confirm", "10")
    until("the rule", lambda: not site.reaches())
    until("its end", site.reaches)
    rules("apply", "--confirm", "60")
    until("the rule again", lambda: not site.reaches())
    rules("confirm")
    assert site.status()["rules"]["trial_until"] == ""
    assert not site.reaches()


def test_strangers_and_nonsense_get_nothing_from_the_control_socket(site: Site) -> None:
    site.phage()
    path = str(site.state / "control.sock")
    for sent in (
        b"", b"\n", b"{}\n", b"null\n", b"[]\n", b"\xff\xfe\n", b'{"verb":"reboot"}\n',
        b'{"verb":"decisions.add","target":"203.0.113.7","shell":"x"}\n',
        b'{"verb":"decisions.add","target":["203.0.113.7"]}\n',
        b'{"verb":"decisions.add","target":"203.0.113.7","seconds":-1}\n',
        b'{"verb":"decisions.add","target":"203.0.113.7","seconds":1e999}\n',
        b"[" * 60_000 + b"\n", b"x" * 100_000,
    ):  # fmt: skip
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(60)
            link.connect(path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                link.sendall(sent)
                link.shutdown(socket.SHUT_WR)
                assert b'"error"' in link.recv(65536)
    assert site.status()["in_force"] == 0
    program = f"import os, socket; os.setuid(12345); socket.socket(1).connect({path!r})"
    command = [sys.executable, "-c", program]
    stranger = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "PermissionError" in stranger.stderr
