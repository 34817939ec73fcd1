"""Real servers send EICAR in the clear: a finding about who got it, whatever the protocol."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.system.conftest import phage_command

from phage.scan.trials import EICAR
from phage.testing import containers
from phage.testing.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Host, Lab

pytestmark = pytest.mark.system

SETTINGS = {
    "home": ["10.77.0.0/24"],
    "scan": {
        "carve": {"enabled": True},
        "engines": ["hashlist", "yara"],
        "processes": 1,
        # A laboratory's phage is root without capabilities, which no sandbox can be made by.
        "own_worker": False,
    },
}
TOOLS = ("curl", "smbclient", "smbd", "vsftpd", "bwrap")


def need() -> None:
    absent = [tool for tool in TOOLS if shutil.which(tool, path="/usr/sbin:/usr/bin") is None]
    if absent:
        pytest.skip(f"lacks {', '.join(absent)}")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with a file for each way; no two have the same hash."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "web.com").write_bytes(EICAR)
    for way in ("ftp", "active", "two", "one", "up"):
        (folder / f"{way}.zip").write_bytes(containers.zipped(EICAR, f"{way}.com"))
    (folder / "clean.txt").write_text("nothing to see here\n" * 400)
    (folder / "mail.eml").write_bytes(containers.mail(EICAR))
    for path in (*tmp_path.parents, tmp_path, folder):
        if path.is_relative_to(Path("/tmp")) and path != Path("/tmp"):  # noqa: S108  pytest's own.
            path.chmod(path.stat().st_mode | 0o755)
    return folder


def serve_ftp(server: Host, folder: Path, tmp: Path) -> None:
    empty = tmp / "empty"
    empty.mkdir()
    config = tmp / "vsftpd.conf"
    config.write_text(
        "listen=YES\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\nseccomp_sandbox=NO\n"
        f"secure_chroot_dir={empty}\nanon_root={folder}\nport_enable=YES\nconnect_from_port_20=YES\n"
    )
    server.start("vsftpd", str(config))


def serve_smb(server: Host, folder: Path, tmp: Path) -> None:
    place = tmp / "samba"
    place.mkdir()
    config = tmp / "smb.conf"
    config.write_text(
        "[global]\nmap to guest = Bad User\nserver min protocol = NT1\nserver role = standalone\n"
        "disable netbios = yes\nload printers = no\ndisable spoolss = yes\nsmb ports = 445\n"
        + "".join(
            f"{name} = {place}\n"
            for name in (
                "private dir", "lock directory", "state directory", "cache directory",
                "pid directory", "ncalrpc dir",
            )
        )
        + f"[share]\npath = {folder}\nguest ok = yes\nread only = no\nforce user = root\n"
    )  # fmt: skip
    server.start("smbd", "--foreground", "--no-process-group", "--debug-stdout", "-s", str(config))


def answers(client: Host, address: str, port: int) -> bool:
    code = f"import socket; socket.create_connection(('{address}', {port}), 2).close()"
    return client.run("/usr/bin/python3", "-c", code, check=False).returncode == 0


def test_who_gets_an_infected_file_is_told(lab: Lab, files: Path, tmp_path: Path) -> None:
    need()
    client, server = lab.add("client", 2), lab.add("server", 3)
    server.start("/usr/bin/python3", "-m", "http.server", "80", "--directory", str(files))
    server.start(
        "/usr/bin/python3", "-W", "ignore", "-m", "smtpd", "-n", "-c", "DebuggingServer",
        "0.0.0.0:25",
    )  # fmt: skip
    serve_ftp(server, files, tmp_path)
    serve_smb(server, files, tmp_path)
    phage = lab.phage(settings=SETTINGS)
    config = tmp_path / "worker.yaml"
    config.write_text(json.dumps(SETTINGS))
    lab.on_switch(
        *phage_command("worker", "--config", str(config), "--state-dir", str(phage.state))
    )
    for port in (80, 25, 21, 445):
        until(f"port {port}", partial(answers, client, server.address, port))

    out = str(tmp_path / "got")
    for path in ("web.com", "clean.txt"):
        client.run("curl", "-s", "-m", "60", "-o", out, f"http://{server.address}/{path}")
    client.run("curl", "-s", "-m", "60", "-o", out, f"ftp://{server.address}/ftp.zip")
    client.run("curl", "-s", "-m", "60", "-P", "-", "-o", out, f"ftp://{server.address}/active.zip")
    client.run(
        "curl", "-s", "-m", "60", f"smtp://{server.address}", "--mail-from", "a@example.org",
        "--mail-rcpt", "b@example.org", "-T", str(files / "mail.eml"),
    )  # fmt: skip
    share = f"//{server.address}/share"
    for dialect, command in (
        ("SMB3", f"get two.zip {out}"),
        ("NT1", f"get one.zip {out}"),
        ("SMB2", f"put {files / 'up.zip'} copy.zip"),
    ):
        version = ("--option=client min protocol=NT1", "-m", dialect)
        client.run("smbclient", share, "-N", *version, "-c", command)

    def told() -> dict[str, dict[str, Any]]:
        found = [each for each in phage.findings() if each["detector"] == "malware"]
        return {each["evidence"]["file"]: each for each in found}

    wanted = {
        "web.com": client, "ftp.zip": client, "active.zip": client, "message.eml": server,
        "two.zip": client, "one.zip": client, "copy.zip": server,
    }  # fmt: skip
    until(f"findings, so far {set(told())}", lambda: set(told()) >= set(wanted), 120.0)
    found = told()
    assert set(found) == set(wanted)
    for name, host in wanted.items():
        assert found[name]["subject"]["mac"] == host.mac, found[name]
        assert found[name]["subject"]["ip"] == host.address
        assert found[name]["evidence"]["outcome"] == "infected"
    protocols = {name: found[name]["evidence"]["protocol"] for name in wanted}
    assert protocols["web.com"] == "http"
    assert protocols["active.zip"] == protocols["ftp.zip"] == "ftp"
    assert protocols["message.eml"] == "smtp"
    assert protocols["one.zip"] == protocols["two.zip"] == "smb"
    counters = phage.counters()
    assert counters["carve.files"] >= 8
    assert counters["carve.dropped"] == counters["carve.lost"] == 0


def test_nothing_is_carved_unless_it_is_asked_for(lab: Lab, files: Path) -> None:
    client, server = lab.add("client", 2), lab.add("server", 3)
    server.start("/usr/bin/python3", "-m", "http.server", "80", "--directory", str(files))
    phage = lab.phage()
    until("the server", lambda: answers(client, server.address, 80))
    client.run("curl", "-s", "-o", os.devnull, f"http://{server.address}/web.com")
    phage.await_quiet()
    assert not [name for name in phage.counters() if name.startswith("carve.")]
