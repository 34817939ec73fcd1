"""A real sshd in a laboratory, and a real guesser of its passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.testing.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Host, Lab, Program

SSHD = "/usr/sbin/sshd"
TOOLS = ("ssh-keygen", "unshare", "nmap", SSHD)


def start_sshd(lab: Lab, server: Host) -> Program:
    """Start sshd on a host; it writes `sshd.log` in the laboratory's folder."""
    key, log = lab.folder / "key", lab.folder / "sshd.log"
    server.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    # sshd wants /run/sshd; the mount is of this process's namespace only.
    daemon = server.start(
        "unshare", "-m", "sh", "-c",
        'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"', "sh",
        SSHD, "-D", "-E", str(log), "-f", "/dev/null", "-h", str(key),
        "-o", "UsePAM=no", "-o", "PasswordAuthentication=yes",
        "-o", "KbdInteractiveAuthentication=no", "-o", "PermitRootLogin=yes",
    )  # fmt: skip
    until("sshd", lambda: "Server listening" in sshd_log(lab))
    return daemon


def sshd_log(lab: Lab) -> str:
    """Return what sshd wrote."""
    log = lab.folder / "sshd.log"
    return log.read_text("utf-8", "replace") if log.exists() else ""


def guess(lab: Lab, attacker: Host, target: str, user: str, count: int) -> None:
    """Try so many wrong passwords of a user."""
    users, passwords = lab.folder / "users", lab.folder / "passwords"
    users.write_text(f"{user}\n", encoding="ascii")
    passwords.write_text("".join(f"password{n}\n" for n in range(count)), encoding="ascii")
    options = ["-6"] if ":" in target else []
    attacker.run(
        "nmap", "-n", "-Pn", *options, "-p", "22", "--script", "ssh-brute", "--script-args",
        f"userdb={users},passdb={passwords}", target,
    )  # fmt: skip
