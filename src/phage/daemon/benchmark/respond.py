"""What blocking costs: bans added, lists loaded and replaced, packets dropped.

Each job runs in a process and a network namespace of its own, so that memory is its own and no rule
of the machine's is touched; the program nft is measured beside it. Needs root, iproute2, nftables.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phage.clock import SystemClock
from phage.daemon.benchmark.liveframes import SOURCES, LiveFrames
from phage.errors import PhageError
from phage.records.decision import Action, Decision, ReceiptState, Target, TargetKind
from phage.respond.bans import lists
from phage.respond.netlink.bulk import additions, deletions, octets
from phage.respond.netlink.link import Link
from phage.respond.netlink.tables import Table
from phage.respond.nft import layout
from phage.respond.responders.nftables import NftablesResponder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy.typing as npt

    from phage.respond.bans.lists import Sets

Figures = dict[str, float]

MILLION = 1_000_000
PREFIXES = 213_000
"""As many as the largest public lists of prefixes have."""
BANS = 100_000
ADDED = 500
ADDED_BY_NFT = 15
CHANGED = 0.02
FRAMES = 300_000
ROUNDS = 12
PATIENCE_SECONDS = 300
DAY = 86_400 * 10**9

_LEAK = (
    "add table inet leak; add counter inet leak passed;"
    "add chain inet leak input { type filter hook prerouting priority 0; };"
    "add rule inet leak input ip saddr 16.0.0.0/4 udp dport 8192 counter name passed"
)

_SENDER = """
import sys
from phage.native import Transmitter
addresses = [int(each) for each in sys.argv[3].split(",")]
frames = []
for address in addresses:
    ends = address.to_bytes(4, "big") + bytes([10, 0, 0, 1])
    ip = bytes.fromhex("450000320000000040110000") + ends
    words = sum(int.from_bytes(ip[at : at + 2], "big") for at in range(0, 20, 2))
    ip = ip[:10] + (0xFFFF - words % 0xFFFF).to_bytes(2, "big") + ip[12:]
    udp = bytes.fromhex("10002000001e0000")
    frames.append(bytes.fromhex(sys.argv[2] + "0278ffffff010800") + ip + udp + bytes(22))
print("ready", flush=True)
print(Transmitter("far").send(frames, count=10**9, seconds=float(sys.argv[1])))
"""


def measure(job: str) -> Figures:
    """Run a job in a namespace of its own; return its figures. Raises PhageError."""
    if os.geteuid() != 0:
        message = "measuring the kernel's packet filter needs root (for a network namespace)"
        raise PhageError(message)
    name = f"phage-respond-{os.getpid()}"
    _ip("netns", "add", name)
    try:
        done = subprocess.run(
            ["ip", "netns", "exec", name, sys.executable, "-m", __name__, job, name],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
    finally:
        _ip("netns", "del", name)
    if done.returncode:
        message = f"the measurement {job} failed"
        raise PhageError(message)
    figures: Figures = json.loads(done.stdout)
    return figures


def figures(name: str) -> tuple[tuple[str, float, str, str, float | None], ...]:
    """Return what is measured under a name: name, value, unit, peer and the peer's value."""
    if name == "respond.ban_add_1m_ms":
        found = measure("ban_add")
        return ((name, found["median"], "ms", "nft, a process for each", found["nft"]),)
    if name == "respond.load_1m_s":
        return _load_figures()
    found = measure("drop")
    return (
        (name, found["dropped"], "packets/s", "the same forwarded", found["forwarded"]),
        (f"{name}_best", found["dropped_best"], "packets/s", "the same forwarded",
         found["forwarded_best"]),
    )  # fmt: skip


def _load_figures() -> tuple[tuple[str, float, str, str, float | None], ...]:
    whole, by_nft = measure("load"), measure("load_by_nft")
    prefixes, prefixes_by_nft = measure("load_prefixes"), measure("load_prefixes_by_nft")
    changed = measure("replace")
    return (
        ("respond.load_1m_s", whole["seconds"], "s", "nft -f", by_nft["seconds"]),
        ("respond.load_1m_memory", whole["octets"], "bytes", "nft -f", by_nft["octets"]),
        ("respond.load_213k_prefixes_s", prefixes["seconds"], "s", "nft -f, an interval set",
         prefixes_by_nft["seconds"]),
        ("respond.replace_1m_s", changed["seconds"], "s", "", None),
        ("respond.replace_1m_leaked", changed["leaked"], "packets", "dropped", changed["dropped"]),
        ("respond.delta_1m_ms", changed["delta"], "ms", "its transaction", changed["delta_kernel"]),
    )  # fmt: skip


def ban_add(_namespace: str) -> Figures:
    """Add single bans to a million, by the responder and by the program nft; in milliseconds."""
    responder = NftablesResponder()
    clock = SystemClock()
    _applied(responder, [_ban(0, clock.now())], clock.now())
    _fill(_spread(MILLION, high=2 << 28))
    times = []
    for number in range(1, ADDED + 1):
        decision = _ban(number, clock.now())
        began = time.perf_counter()
        _applied(responder, [decision], clock.now())
        times.append(time.perf_counter() - began)
    by_nft = []
    for number in range(ADDED_BY_NFT):
        began = time.perf_counter()
        address = f"{{ 198.18.0.{number} timeout 1d }}"
        _run("nft", "add", "element", "inet", layout.TABLE, layout.BAN_FROM[4], address)
        by_nft.append(time.perf_counter() - began)
    return {"median": _milliseconds(times), "nft": _milliseconds(by_nft)}


def load(_namespace: str) -> Figures:
    """Load a million addresses from text; seconds, and octets of memory at most."""
    with tempfile.TemporaryDirectory(prefix="phage-bench-") as folder:
        path = Path(folder, "list.txt")
        _write(path, ((each, 32) for each in _spread(MILLION)))
        return _loaded(path)


def load_prefixes(_namespace: str) -> Figures:
    """Load as many prefixes as public lists have, of lengths as there."""
    chance = np.random.default_rng(2)
    shares = {
        16: 0.002,
        18: 0.003,
        20: 0.02,
        21: 0.02,
        22: 0.07,
        23: 0.06,
        24: 0.6,
        28: 0.025,
        32: 0.2,
    }
    lengths = chance.choice(list(shares), PREFIXES, p=list(shares.values()))
    # One in each /20, so that none covers another.
    bases = chance.permutation(np.arange(1 << 20, dtype=np.uint32))[:PREFIXES] << np.uint32(12)
    with tempfile.TemporaryDirectory(prefix="phage-bench-") as folder:
        path = Path(folder, "list.txt")
        _write(
            path,
            (
                (int(base), max(int(length), 20))
                for base, length in zip(bases, lengths, strict=True)
            ),
        )
        return _loaded(path)


def load_prefixes_by_nft(_namespace: str) -> Figures:
    """Load as many prefixes by nft -f into an interval set."""
    bases = np.random.default_rng(2).permutation(np.arange(1 << 20, dtype=np.uint32))[:PREFIXES]
    texts = (socket.inet_ntoa((int(base) << 12).to_bytes(4, "big")) for base in bases)
    lines = ", ".join(f"{text}/24" for text in texts)
    return _by_nft(f"type ipv4_addr; flags interval; elements = {{ {lines} }};")


def load_by_nft(_namespace: str) -> Figures:
    """Load the same million by nft -f into a hash set."""
    lines = ", ".join(socket.inet_ntoa(int(each).to_bytes(4, "big")) for each in _spread(MILLION))
    return _by_nft(f"type ipv4_addr; elements = {{ {lines} }};")


def _by_nft(definition: str) -> Figures:
    began = time.perf_counter()
    _run("nft", "-f", "-", text=f"table inet peer {{ set big {{ {definition} }}; }}\n")
    passed = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"seconds": passed, "octets": float(memory)}


def replace(namespace: str) -> Figures:
    """Replace a million under a flood from those that are in both; then 2 % of them."""
    old = _spread(MILLION)
    kept, fresh = old[: MILLION // 2], _spread(MILLION // 2, high=3 << 29)
    responder = NftablesResponder(("near",))
    with _cable(namespace) as (far, mac):
        responder.replace([], SystemClock().now())
        _load(responder, {(4, 32): old})
        _run("nft", _LEAK)
        sample = ",".join(map(str, kept[:: len(kept) // 1000]))
        inside = ["ip", "netns", "exec", far, sys.executable, "-c", _SENDER, "60", mac, sample]
        sender = subprocess.Popen(inside, stdout=subprocess.PIPE, text=True)
        assert sender.stdout is not None  # noqa: S101  A pipe was asked for.
        sender.stdout.readline()
        time.sleep(0.2)
        new = np.unique(np.concatenate((kept, fresh)))
        began = time.perf_counter()
        _load(responder, {(4, 32): new})
        passed = time.perf_counter() - began
        leaked = _passed()
        dropped = responder.counters()["list_bench"][0]
        # What is not dropped is counted: else no leak would say nothing.
        responder.drop_list("bench", SystemClock().now())
        time.sleep(0.5)
        sender.kill()
        sender.communicate()
        if not _passed() > leaked:
            message = "nothing passes without the list either"
            raise PhageError(message)
        _load(responder, {(4, 32): new})
        deltas = [_delta(responder, new, turn) for turn in range(4)]
    return {
        "seconds": passed,
        "leaked": float(leaked),
        "dropped": float(dropped),
        "delta": min(each[0] for each in deltas) * 1000,
        "delta_kernel": min(each[1] for each in deltas) * 1000,
    }


def _passed() -> int:
    link = Link()
    passed = Table("leak").counters(link)["passed"][0]
    link.close()
    return passed


def drop(namespace: str) -> Figures:
    """Drop packets from 100,000 banned sources at ingress, in turn with forwarding them.

    In packets a second of one core's time: the median of rounds whose number is fixed, and the best
    of them. A round makes frames and drops them, makes them and has the kernel take them, without
    phage's table and then with it; what making them takes is left out of both.

    Each packet has one of 65,536 random sources, so that each look-up goes to the memory, while
    forwarding is the cheapest there is: one destination, no connection tracking, no filter, and in
    place of a network card's driver a veth whose far end drops at once. Taking a packet off a card
    is left out of both too.
    """
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with _cable(namespace) as (far, _):
        near = _hardware("near")
        _run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        _run("ip", "netns", "exec", far, "nft", "add table netdev sink; add chain netdev sink i"
             " { type filter hook ingress device far2 priority 0; };"
             " add rule netdev sink i counter drop")  # fmt: skip
        frames = LiveFrames(socket.if_nametoindex("near"), socket.inet_aton("10.10.0.2"), near)
        responder = NftablesResponder(("near",))
        clock = SystemClock()
        _applied(responder, [_ban(0, clock.now())], clock.now())
        sources = np.arange(SOURCES, dtype=np.uint32) + np.uint32(10 << 24)
        _fill(np.concatenate((sources, _spread(BANS - SOURCES, high=2 << 28))))
        asleep: list[float] = []
        awake: list[float] = []
        for _ in range(ROUNDS):
            for flags, times in (("{ flags dormant; }", asleep), ("{ }", awake)):
                _run("nft", "add", "table", "inet", layout.TABLE, flags)
                whole, making = frames.nanoseconds(FRAMES)
                times.append(whole - making)
        counted = responder.counters()["ban_from"][0]
        frames.close()
    if counted < ROUNDS * FRAMES:
        message = f"only {counted:,} of {ROUNDS * FRAMES:,} packets were dropped"
        raise PhageError(message)
    return {
        "dropped": 1e9 / statistics.median(awake),
        "forwarded": 1e9 / statistics.median(asleep),
        "dropped_best": 1e9 / min(awake),
        "forwarded_best": 1e9 / min(asleep),
    }


JOBS: dict[str, Callable[[str], Figures]] = {
    "ban_add": ban_add,
    "load": load,
    "load_prefixes": load_prefixes,
    "load_by_nft": load_by_nft,
    "load_prefixes_by_nft": load_prefixes_by_nft,
    "replace": replace,
    "drop": drop,
}


def _loaded(path: Path) -> Figures:
    responder = NftablesResponder()
    began = time.perf_counter()
    with path.open(encoding="ascii") as lines:
        taken = _load(responder, lists.from_text(lines))
    passed = time.perf_counter() - began
    return {"seconds": passed, "octets": _peak(), "elements": float(taken)}


def _load(responder: NftablesResponder, sets: Sets) -> int:
    return responder.load_list("bench", sets, SystemClock().now())


def _delta(
    responder: NftablesResponder, keys: npt.NDArray[np.uint32], turn: int
) -> tuple[float, float]:
    """Change 2 % of a list; return seconds in all, and of the transaction alone."""
    step = int(2 / CHANGED)
    changed = keys.copy()
    changed[turn::step] ^= np.uint32(0x8000_0000)
    changed = np.unique(changed)
    began = time.perf_counter()
    _load(responder, {(4, 32): changed})
    passed = time.perf_counter() - began
    table, name = Table(layout.TABLE), layout.list_set("bench", 4, 32)
    come, gone = lists.difference(changed, keys)
    requests = [
        *deletions(table, name, octets(4, gone)),
        *additions(table, name, octets(4, come)),
    ]
    link = Link()
    began = time.perf_counter()
    link.transact(requests)
    transaction = time.perf_counter() - began
    link.close()
    # The kernel holds `keys` again; have the responder know.
    _load(responder, {(4, 32): keys})
    return passed, transaction


def _spread(count: int, high: int = 0) -> npt.NDArray[np.uint32]:
    """Return sorted addresses all over a part of the address space that begins at `high`."""
    spread = np.arange(count, dtype=np.uint32) * np.uint32(2_654_435_761) & np.uint32(0x0FFF_FFFF)
    return np.sort(spread | np.uint32(high or 1 << 28))


def _peak() -> float:
    """Return the most memory of this process so far (proc_pid_status(5)), in octets."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(status.partition("VmHWM:")[2].split()[0]) * 1024


def _fill(addresses: npt.NDArray[np.uint32]) -> None:
    """Put addresses into the set of bans, as if each had been decided."""
    link, table = Link(), Table(layout.TABLE)
    link.transact(additions(table, layout.BAN_FROM[4], octets(4, addresses)))
    link.close()


def _write(path: Path, prefixes: Iterable[tuple[int, int]]) -> None:
    with path.open("w", encoding="ascii") as file:
        for number, length in prefixes:
            address = socket.inet_ntoa(int(number).to_bytes(4, "big"))
            file.write(f"{address}\n" if length == 32 else f"{address}/{length}\n")


def _ban(number: int, now: int) -> Decision:
    target = Target(
        TargetKind.IP, socket.inet_ntoa(((198 << 24 | 20 << 16) + number).to_bytes(4, "big"))
    )
    return Decision(target, Action.BAN, "", now, now + DAY, f"{number:026d}")


def _applied(responder: NftablesResponder, decisions: list[Decision], now: int) -> None:
    for receipt in responder.apply(decisions, now):
        if receipt.state is not ReceiptState.APPLIED:
            raise PhageError(receipt.detail)


@contextlib.contextmanager
def _cable(namespace: str) -> Iterator[tuple[str, str]]:
    """Lay two veth pairs to a second namespace; yield its name and our MAC in hexadecimal."""
    far = f"{namespace}-far"
    _ip("netns", "add", far)
    try:
        for near, other, network in (("near", "far", "10.0"), ("near2", "far2", "10.10")):
            _ip("link", "add", near, "type", "veth", "peer", "name", other, "netns", far)
            _ip("addr", "add", f"{network}.0.1/16", "dev", near)
            _ip("link", "set", near, "up")
            _ip("-n", far, "link", "set", other, "up")
        _ip("neigh", "add", "10.10.0.2", "lladdr", "02:78:ff:ff:ff:02", "dev", "near2")
        yield far, _hardware("near").hex()
    finally:
        _ip("netns", "del", far)


def _hardware(interface: str) -> bytes:
    listed = json.loads(_run("ip", "-j", "link", "show", interface))
    return bytes.fromhex(listed[0]["address"].replace(":", ""))


def _milliseconds(times: list[float]) -> float:
    return statistics.median(times) * 1000


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)[:200]}: {done.stderr.strip()[:300]}"
        raise PhageError(message)
    return done.stdout


if __name__ == "__main__":
    sys.stdout.write(json.dumps(JOBS[sys.argv[1]](sys.argv[2])))
