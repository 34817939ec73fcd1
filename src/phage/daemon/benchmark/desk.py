"""From a finding to packets that are dropped, with 100,000 bans in force.

In a network namespace of its own a sender forges the source that is to be banned next, a receiver
notes when the last packet of each came (the kernel's time of arrival), and a whole chain of desk,
ledger, reconciler and enforcer is handed a finding about each. Needs root, iproute2 and nftables.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

from phage.clock import SystemClock
from phage.config.settings import PolicySettings, Settings
from phage.config.statedir import StateDirectory
from phage.daemon.acting import start_enforcer
from phage.daemon.benchmark.live import veth
from phage.daemon.enforcement import make_enforcement
from phage.daemon.responders import KERNEL
from phage.daemon.storesink import location
from phage.errors import PhageError
from phage.policy.identity import Identities
from phage.records import Finding, Severity, Subject
from phage.records.decision import Action, Decision, Target, TargetKind
from phage.store.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.daemon.enforcement import Enforcement

BANS = 100_000
FINDINGS = 300
SETTLE_SECONDS = 0.03
"""Between two findings: longer than the slowest drop should take, so that it is seen whole."""
PATIENCE_SECONDS = 60.0

_RULE = """
rules:
  - name: Who scans is banned
    match: {finding: portscan}
    mode: enforce
    action: ban
    for: 1h
"""

# Sends a packet of 60 octets each tenth of a millisecond from the source that it is told.
_SENDER = """
import select, socket, sys, time
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("left", 0))
mac = bytes.fromhex(sys.argv[1])
frame = b""
while True:
    if select.select([sys.stdin], [], [], 0.0001 if frame else None)[0]:
        line = sys.stdin.readline()
        if not line:
            break
        source = socket.inet_aton(line.strip())
        ip = bytes.fromhex("4500002e0000000040110000") + source + socket.inet_aton("10.9.0.1")
        total = sum(int.from_bytes(ip[at:at + 2], "big") for at in range(0, 20, 2))
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        ip = ip[:10] + (0xffff - total).to_bytes(2, "big") + ip[12:]
        udp = bytes.fromhex("10002000001a0000") + bytes(18)
        frame = mac + bytes.fromhex("0200000000010800") + ip + udp
    if frame:
        link.send(frame)
"""

# Tells for each source when its last packet came; ends when no packet comes for a second.
_RECEIVER = """
import json, socket, struct
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
link.bind(("10.9.0.1", 8192))
print("ready", flush=True)
last = {}
while True:
    link.settimeout(1.0 if last else None)
    try:
        _, control, _, (source, _) = link.recvmsg(64, 64)
    except TimeoutError:
        break
    seconds, nanoseconds = struct.unpack("=qq", control[0][2][:16])
    last[source] = seconds * 1_000_000_000 + nanoseconds
print(json.dumps(last), flush=True)
"""


def finding_to_drop() -> dict[str, float]:
    """Return the milliseconds from a finding to the last packet that passed: median and p99."""
    with veth() as namespace:
        for command in (
            ("addr", "add", "10.9.0.1/24", "dev", "right"),
            ("link", "set", "lo", "up"),
        ):
            subprocess.run(["ip", "-n", namespace, *command], check=True)
        program = "from phage.daemon.benchmark.desk import main; main()"
        inside = ["ip", "netns", "exec", namespace, sys.executable, "-c", program]
        done = subprocess.run(inside, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            message = "finding_to_drop could not be measured; see above"
            raise PhageError(message)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Measure in this namespace, and print what was measured."""
    for setting in ("all", "default", "right"):
        Path(f"/proc/sys/net/ipv4/conf/{setting}/rp_filter").write_text("0", encoding="ascii")
    with tempfile.TemporaryDirectory(prefix="phage-desk-") as folder, ExitStack() as stack:
        taken = _measured(Path(folder), stack)
    taken.sort()
    figures = {
        "median": statistics.median(taken),
        "p99": taken[int(len(taken) * 0.99)],
        "worst": taken[-1],
        "bans": float(BANS),
        "findings": float(len(taken)),
    }
    print(json.dumps(figures))  # noqa: T201  What the caller reads.


def _measured(folder: Path, stack: ExitStack) -> list[float]:
    enforcement = _enforcement(folder, stack)
    receiver = _started(stack, _RECEIVER)
    assert receiver.stdout is not None  # noqa: S101  A pipe was asked for.
    receiver.stdout.readline()
    mac = Path("/sys/class/net/right/address").read_text(encoding="ascii").strip()
    sender = _started(stack, _SENDER, mac.replace(":", ""))
    assert sender.stdin is not None  # noqa: S101
    begun: dict[str, int] = {}
    for number in range(FINDINGS):
        source = f"198.18.{number // 250}.{number % 250 + 1}"
        _tell(sender.stdin, source)
        time.sleep(SETTLE_SECONDS)
        finding = _finding(source, number)
        begun[source] = SystemClock().now()
        enforcement.take(finding)
        time.sleep(SETTLE_SECONDS)
    sender.stdin.close()
    last: dict[str, int] = json.loads(receiver.communicate(timeout=PATIENCE_SECONDS)[0])
    if missing := begun.keys() - last.keys():
        message = f"no packet of {len(missing)} sources came"
        raise PhageError(message)
    return [max(0.0, (last[source] - at) / 1e6) for source, at in begun.items()]


def _enforcement(folder: Path, stack: ExitStack) -> Enforcement:
    """Start everything that acts, with a full ledger in force."""
    rules = folder / "rules.yaml"
    rules.write_text(_RULE, encoding="utf-8")
    policy = PolicySettings.model_validate(
        {"enforce": True, "rules": [rules], "budget": {"a_minute": 10**6, "in_all": 10**6}}
    )
    settings = Settings(state_dir=folder / "state", policy=policy)
    state, clock = StateDirectory(settings.state_folder), SystemClock()
    state.create()
    start_enforcer(settings, state, stack)
    store = stack.enter_context(open_store(location(settings), clock))
    store.decisions.save(_bans(clock.now()))
    enforcement = make_enforcement(settings, state, store, clock)
    stack.callback(enforcement.stop)
    enforcement.start()
    late = clock.monotonic() + PATIENCE_SECONDS
    while enforcement.reconciler.states()[KERNEL].in_force < BANS:
        if clock.monotonic() > late:
            fault = enforcement.reconciler.states()[KERNEL].fault
            message = f"the bans did not come into force: {fault or 'too slow'}"
            raise PhageError(message)
        time.sleep(0.1)
    enforcement.receipts.flush()
    return enforcement


def _bans(now: int) -> Iterator[Decision]:
    identities = Identities()
    for number in range(BANS):
        address = f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        yield Decision(
            target=Target(TargetKind.IP, address),
            action=Action.BAN,
            reason="it stands for others",
            start=now,
            until=now + 3600 * 10**9,
            id=identities.new(now),
        )


def _finding(source: str, number: int) -> Finding:
    now = SystemClock().now()
    return Finding(
        detector="portscan",
        key=source,
        severity=Severity.HIGH,
        score=5.0,
        subject=Subject(ip=source, device=source),
        summary=f"{source} tried 100 ports.",
        first_seen=now,
        last_seen=now,
        id=f"{number:016x}",
    )


def _started(stack: ExitStack, program: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _tell(pipe: IO[str], line: str) -> None:
    pipe.write(line + "\n")
    pipe.flush()
