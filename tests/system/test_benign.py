"""What every network does is nothing to tell of."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Lab

pytestmark = pytest.mark.system

# Resolves through the name server of the host's own resolv.conf, which is mounted in a namespace
# that is the process's own.
RESOLVE = (
    'mount --bind "$1" /etc/resolv.conf && '
    'for n in $(seq 60); do getent hosts "www$n.example.test"; done; '
    "getent hosts missing.example.test; true"
)


def test_transfers_pages_pings_and_names_are_no_finding(
    lab: Lab, needs: Callable[..., None]
) -> None:
    needs("iperf3", "dnsmasq", "ping")
    server, client, other = lab.add("server", 10), lab.add("client", 20), lab.add("other", 30)
    resolv = lab.folder / "resolv.conf"
    resolv.write_text(f"nameserver {server.address}\n", encoding="ascii")
    (lab.folder / "index.html").write_text("<p>" * 5000, encoding="ascii")
    for port in ("5201", "5202"):
        server.start("iperf3", "-s", "-p", port, "--forceflush").expect("Server listening")
    server.start(
        sys.executable, "-u", "-m", "http.server", "--directory", str(lab.folder), "8000"
    ).expect("Serving HTTP")
    server.start(
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
        "--user=root", "--interface=eth0", "--bind-interfaces",
        "--address=/example.test/10.77.0.10", "--address=/missing.example.test/",
    ).expect("started")  # fmt: skip
    phage = lab.phage()
    # A page at a time and many at once, each with a connection of its own.
    pages = f"http://{server.address}:8000/index.html?[1-100]"
    running = [
        client.start("iperf3", "-c", server.address, "-t", "3"),
        other.start("iperf3", "-c", server.address, "-t", "2", "-u", "-b", "20M", "-p", "5202"),
        client.start("curl", "-s", "-o", "/dev/null", "-H", "Connection: close", pages),
        other.start("curl", "-s", "-Z", "-o", "/dev/null", pages),
        other.start("ping", "-q", "-c", "20", "-i", "0.1", client.address),
        client.start("ping", "-q", "-6", "-c", "20", "-i", "0.1", server.address6),
        client.start("sh", "-c", RESOLVE, "sh", str(resolv)),
    ]
    for program in running:
        assert program.wait() == 0, program.transcript()
    phage.await_quiet()
    counters = phage.counters()
    assert phage.stop() == 0, phage.transcript()
    assert phage.findings() == []
    assert counters["packets"] > 5000
    assert not [name for name in counters if name.startswith("malformed.")], counters
