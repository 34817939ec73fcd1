"""clamdscan and c-icap-client, unmodified, in front of a real worker."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phage.scan.trials import EICAR
from phage.testing import containers
from phage.testing.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system

PATIENCE = 120.0


def need(tool: str) -> None:
    if shutil.which(tool, path="/usr/sbin:/usr/bin:/bin") is None:
        pytest.skip(f"lacks {tool}")


@dataclass
class Fronts:
    """A worker with all fronts open.

    Attributes:
        folder: Its files may be scanned by their path.
        tcp: A settings file for clamdscan, by TCP.
        unix: The same by the Unix socket.
        icap: The port of ICAP.
    """

    folder: Path
    tcp: Path
    unix: Path
    icap: int


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronts]:
    need("bwrap")
    top = tmp_path_factory.mktemp("fronts")
    # Names of sockets are short (unix(7)): beside pytest's folders, not in them.
    files, path = top / "files", Path(tempfile.gettempdir()) / f"phage-{free_port()}.sock"
    files.mkdir()
    clamd, icap = free_port(), free_port()
    own = {"listen": f"127.0.0.1:{clamd}", "socket": str(path), "folders": [str(files)]}
    scan = {"fronts": {"clamd": own, "icap": {"listen": f"127.0.0.1:{icap}"}}}
    config = top / "phage.yaml"
    config.write_text(json.dumps({"scan": scan}))
    tcp, unix = top / "tcp.conf", top / "unix.conf"
    tcp.write_text(f"TCPSocket {clamd}\nTCPAddr 127.0.0.1\n")
    unix.write_text(f"LocalSocket {path}\n")
    command = ("worker", "--config", str(config), "--state-dir", str(top / "state"))
    with (top / "log").open("wb") as log:
        worker = subprocess.Popen((sys.executable, "-m", "phage", *command), stderr=log)
    try:
        late = time.monotonic() + PATIENCE
        while "front icap is open" not in (top / "log").read_text():
            assert worker.poll() is None, (top / "log").read_text()
            assert time.monotonic() < late, (top / "log").read_text()
            time.sleep(0.1)
        yield Fronts(files, tcp, unix, icap)
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
        assert not path.exists()


def clamdscan(config: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    need("clamdscan")
    return subprocess.run(
        ("clamdscan", f"--config-file={config}", "--no-summary", *arguments),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **options,
    )


@pytest.mark.parametrize("way", ["tcp", "unix"])
@pytest.mark.parametrize("how", [(), ("--stream",), ("--fdpass",), ("--multiscan",)])
def test_clamdscan(fronts: Fronts, way: str, how: tuple[str, ...]) -> None:
    if way == "tcp" and how == ("--fdpass",):
        return  # Descriptors go over Unix sockets only.
    config = getattr(fronts, way)
    good, bad = fronts.folder / "good.txt", fronts.folder / "bad.zip"
    good.write_text("nothing to see\n" * 50)
    bad.write_bytes(containers.zipped(EICAR))
    clean = clamdscan(config, *how, str(good))
    assert (clean.returncode, clean.stdout) == (0, f"{good}: OK\n"), clean.stderr
    found = clamdscan(config, *how, str(good), str(bad))
    assert found.returncode == 1, found.stdout + found.stderr
    assert f"{bad}: EICAR" in found.stdout
    assert found.stdout.count("FOUND") == 1


def test_clamdscan_pings_streams_and_is_told_what_is_incomplete(fronts: Fronts) -> None:
    assert clamdscan(fronts.tcp, "--ping", "5").returncode == 0
    assert "phage/" in clamdscan(fronts.tcp, "--version").stdout
    piped = clamdscan(fronts.unix, "-", input=EICAR.decode())
    assert piped.returncode == 1
    assert "FOUND" in piped.stdout
    locked = fronts.folder / "locked.7z"
    locked.write_bytes(
        containers.by_tool(EICAR, ".7z", (*containers.SEVENZIP, "-pnobody", "{out}", "{in}"))
    )
    told = clamdscan(fronts.tcp, "--stream", str(locked))
    assert told.returncode == 2
    assert "encrypted" in told.stdout + told.stderr


def test_clamdscan_reaches_no_other_folder(fronts: Fronts, tmp_path: Path) -> None:
    outside = tmp_path / "secret.com"
    outside.write_bytes(EICAR)
    refused = clamdscan(fronts.unix, str(outside))
    assert refused.returncode == 2
    assert "Access denied" in refused.stdout + refused.stderr


def test_c_icap_client(fronts: Fronts, tmp_path: Path) -> None:
    need("c-icap-client")
    large = bytes(number % 251 for number in range(300_000))
    for number, (data, infected) in enumerate(((EICAR, True), (large, False), (b"", False))):
        file, out = tmp_path / f"{number}.bin", tmp_path / f"{number}.out"
        file.write_bytes(data)
        for more in ((), ("-no204",), ("-nopreview",), ("-no204", "-nopreview")):
            out.unlink(missing_ok=True)
            command = ("c-icap-client", "-i", "127.0.0.1", "-p", str(fronts.icap), "-s", "avscan",
                       "-f", str(file), "-o", str(out), "-v", *more)  # fmt: skip
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            told = done.stdout + done.stderr
            assert done.returncode == 0, told
            assert ("X-Infection-Found" in told) == infected, (more, told)
            if infected:
                assert b"Blocked by phage" in out.read_bytes()
            elif out.exists() and out.stat().st_size:
                assert out.read_bytes() == data
