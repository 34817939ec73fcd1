"""`phage run` as a process: privileges, server, signals, state."""

from __future__ import annotations

import pwd
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Lab

pytestmark = pytest.mark.system

CAP_NET_RAW = f"{1 << 13:016x}"


def status_of_threads(pid: int) -> list[dict[str, str]]:
    """Return /proc/PID/task/*/status of every thread."""
    threads = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text(encoding="utf-8").splitlines()
        threads.append({line.partition(":")[0]: line.partition(":")[2].strip() for line in lines})
    return threads


def test_it_says_what_it_watches_and_keeps_one_capability(lab: Lab) -> None:
    phage = lab.phage()
    said = phage.says(r"^running with CAP_NET_RAW only, as \w+")[0]
    account = re.findall(r"as (\w+)", said)[0]
    assert phage.says(rf"^watching br0; state in {phage.state}$")
    threads = status_of_threads(phage.pid)
    assert len(threads) > 1
    for thread in threads:
        assert thread["CapEff"] == thread["CapPrm"] == CAP_NET_RAW, thread["Name"]
        assert thread["CapInh"] == thread["CapAmb"] == "0" * 16, thread["Name"]
        assert thread["NoNewPrivs"] == "1", thread["Name"]
        assert set(thread["Uid"].split()) == {str(pwd.getpwnam(account).pw_uid)}, thread["Name"]


def test_it_serves_health_and_metrics_on_loopback_only(lab: Lab) -> None:
    host = lab.add("client", 2)
    lab_address = "10.77.0.1"
    phage = lab.phage()
    status, body = phage.get("/healthz")
    assert (status, phage.health()["status"]) == (200, "ok"), body
    status, metrics = phage.get("/metrics")
    assert status == 200
    assert "phage_core_total" in metrics
    subprocess.run(
        ["ip", "-n", lab.switch, "addr", "add", f"{lab_address}/24", "dev", "br0"], check=True
    )
    refused = host.run("curl", "-s", "-m", "10", f"http://{lab_address}:8080/healthz", check=False)
    assert refused.returncode == 7  # curl(1): failed to connect.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_the_model_is_kept(lab: Lab, number: signal.Signals) -> None:
    lab.add("one", 2)
    phage = lab.phage()
    assert phage.stop(number) == 0, phage.transcript()
    assert "Traceback" not in phage.transcript()
    assert list((phage.state / "models").glob("ensemble-br0-0.*.model"))
    again = lab.phage()
    again.expect("model restored from ensemble-br0-0.1.model")
    assert again.stop() == 0


def test_what_is_open_when_it_stops_is_stored(lab: Lab, needs: Callable[..., None]) -> None:
    needs("ping")
    one, two = lab.add("one", 2), lab.add("two", 3)
    phage = lab.phage()
    one.run("ping", "-q", "-c", "3", "-i", "0.2", two.address)
    phage.until_counted("packets", 6)
    counters = phage.counters()
    assert counters["octets"] == counters["source.octets"] > 6 * 98
    assert phage.stop() == 0
    flows = [flow for flow in phage.flows() if flow["protocol"] == "icmp"]
    assert [(flow["src"], flow["dst"], flow["packets"]) for flow in flows] == [
        (one.address, two.address, [3, 3])
    ]


def test_without_the_capability_one_line_says_how_to_grant_it(
    lab: Lab, needs: Callable[..., None]
) -> None:
    needs("setpriv")
    done = subprocess.run(
        ["ip", "netns", "exec", lab.switch,
         "setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw",
         *lab.command("run", "-i", "br0", "--state-dir", str(lab.folder / "state"))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert "CAP_NET_RAW" in lines[0]
    assert "setcap" in lines[0]
