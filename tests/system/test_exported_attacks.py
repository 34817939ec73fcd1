"""Real attacks as a real exporter tells of them: found, and what is usual beside them is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.system.sshd import TOOLS, guess, start_sshd

from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Lab, Phage

pytestmark = pytest.mark.system

SETTINGS = {
    "capture": {"enabled": False},
    "collect": {"flows": {"netflow": ["127.0.0.1:2055"]}},
}
PROBE = """daemonize: false
pcap_interface: br0
pcap_filter: {seen}
plugins: nfprobe
nfprobe_receiver: 127.0.0.1:2055
nfprobe_version: {version}
nfprobe_timeouts: expint=1:tcp=2:tcp.rst=1:tcp.fin=1:udp=2:general=2:maxlife=5
aggregate: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags
"""
WEB = """
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 5000)
    def log_message(self, *_):
        pass
print("serving", flush=True)
http.server.ThreadingHTTPServer(("", 80), Page).serve_forever()
"""


def export(lab: Lab, version: int, seen: str) -> None:
    """Have pmacct tell phage of the packets that it sees."""
    settings = lab.folder / "pmacctd.conf"
    settings.write_text(PROBE.format(version=version, seen=seen), encoding="utf-8")
    lab.on_switch("pmacctd", "-f", str(settings)).expect("Exporting flows")


def findings(phage: Phage) -> set[tuple[str, str]]:
    return {(each["detector"], each["subject"]["ip"]) for each in phage.findings()}


@pytest.mark.parametrize(
    ("version", "seen"),
    [(5, "ip"), (9, "ip"), (10, "ip"), (9, "src net 10.77.0.96/27")],
    ids=("v5", "v9", "ipfix", "one-way"),
)
def test_attackers_are_found_and_visitors_are_not(
    lab: Lab, needs: Callable[..., None], version: int, seen: str
) -> None:
    needs("pmacctd", "python3", "curl", *TOOLS)
    attacker, sweeper, visitor = lab.add("bad", 101), lab.add("sweep", 102), lab.add("good", 103)
    guesser = lab.add("guess", 104)
    server, other = lab.add("server", 10), lab.add("other", 20)
    for number in range(21, 40):
        other.run("ip", "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
    server.start("python3", "-c", WEB).expect("serving")
    start_sshd(lab, server)
    phage = lab.phage(settings=SETTINGS, interfaces=())
    export(lab, version, seen)
    for _ in range(40):
        visitor.run("curl", "-s", "-o", "/dev/null", f"http://{server.address}/")
    attacker.run("nmap", "-n", "-Pn", "-sS", "-p", "1-100", server.address)
    sweeper.run("nmap", "-n", "-Pn", "-sS", "-p", "445", "10.77.0.20-39")
    guess(lab, guesser, server.address, "root", 30)
    expected = {
        ("portscan", attacker.address),
        ("portscan", sweeper.address),
    }
    if seen == "ip":  # Guessing is told by what the server answers.
        expected.add(("bruteforce", guesser.address))
    until("all", lambda: findings(phage) >= expected)
    phage.await_quiet()
    assert findings(phage) == expected
