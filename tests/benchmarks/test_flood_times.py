"""How long a flood lasts before it is told: exports in real time, by real sockets, to `phage run`.

Each exporter sends to a phage of its own, all at a time. What is measured ends when the finding
stands in EVE lines, so that all of phage is in it. Nothing is asserted of times: they are printed.

PHAGE_FLOOD_LEAD is how many seconds of usual traffic come before each scenario's attack (6; those
of the files are 20, and benign ones last 50).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import SystemClock
from phage.testing.exports import Field, flowset, ip, netflow9, number, template
from phage.testing.ports import free_port
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEAD = float(os.environ.get("PHAGE_FLOOD_LEAD", "6"))
PATIENCE = 60.0
HOME = "198.18.0.0/20"
VICTIM = "198.18.4.210"
PACKETS = 20_000
"""The threshold of packets a second for a host where none is set."""

FIELDS = (
    Field(8, 4), Field(12, 4), Field(7, 2), Field(11, 2), Field(4, 1), Field(2, 4), Field(1, 4),
    Field(34, 4), Field(21, 4), Field(22, 4),
)  # fmt: skip
RECORDS = 24

clock = SystemClock()


@dataclass
class Play:
    """What an exporter sends.

    Attributes:
        name: What it is.
        datagrams: Seconds since the begin, and the octets.
        attack: Seconds until the attack; None for none.
        told: Seconds from its first datagram to its finding; None while there is none.
    """

    name: str
    datagrams: list[tuple[float, bytes]]
    attack: float | None
    home: str = HOME
    told: float | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)


class Watch:
    """A phage that takes exports, and the lines that it writes of findings."""

    def __init__(self, folder: Path, home: str) -> None:
        folder.mkdir()
        self.port = free_port()
        self.eve = folder / "eve.json"
        settings = {
            "home": [home],
            "state_dir": str(folder / "state"),
            "capture": {"enabled": False},
            "api": {"enabled": False},
            "collect": {"flows": {"netflow": [f"127.0.0.1:{self.port}"]}},
            "outputs": {"eve": {"enabled": True, "path": str(self.eve), "types": ["alert"]}},
        }
        (folder / "phage.yaml").write_text(json.dumps(settings), encoding="utf-8")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "phage", "run", "--config", str(folder / "phage.yaml")],
                stdout=log,
                stderr=log,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        self._log = folder / "log"

    def listens(self) -> bool:
        """Tell whether its socket is there. Raises AssertionError where it has ended."""
        assert self.process.poll() is None, self._log.read_text(errors="replace")
        return f"0100007F:{self.port:04X}" in Path("/proc/net/udp").read_text(encoding="ascii")

    def floods(self) -> list[dict[str, Any]]:
        """Return what it has told of floods."""
        if not self.eve.exists():
            return []
        lines = self.eve.read_text(encoding="utf-8").splitlines()
        with contextlib.suppress(json.JSONDecodeError):  # The last one may be half written.
            return [line for line in map(json.loads, lines) if "volumetric" in json.dumps(line)]
        return []

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


def perform(play: Play, watch: Watch) -> None:
    """Send at the times of the play, until its finding is there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        began = clock.monotonic()
        attacked: float | None = None
        pause = threading.Event()
        for moment, datagram in play.datagrams:
            left = began + moment - clock.monotonic()
            if left > 0.002:
                pause.wait(left)
            sender.sendto(datagram, ("127.0.0.1", watch.port))
            if attacked is None and play.attack is not None and moment >= play.attack:
                attacked = clock.monotonic()
            if attacked is not None and (found := watch.floods()):
                play.told, play.findings = clock.monotonic() - attacked, found
                return
    if attacked is not None:
        # A loaded machine is late; what was sent is still judged.
        begin = attacked
        until(f"the finding of {play.name}", watch.floods, PATIENCE)
        play.told = clock.monotonic() - begin
    play.findings = watch.floods()


def run(plays: Sequence[Play], folder: Path) -> None:
    """Perform plays at a time, each before a phage of its own."""
    watches = [Watch(folder / play.name, play.home) for play in plays]
    try:
        for watch in watches:
            until("its socket", watch.listens, PATIENCE)
        threads = [
            threading.Thread(target=perform, args=pair) for pair in zip(plays, watches, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for watch in watches:
            watch.stop()


def flood(factor: float, sampling: int) -> Play:
    """Return some usual traffic, and a flood of so many times the threshold to one host.

    Sampled packets are told one a record, those of an exporter that does not sample ten a record.
    """
    source = random.Random(7)
    head = netflow9(flowset(0, template(300, FIELDS)))

    def record(target: str, packets: int, protocol: int) -> bytes:
        octets = b"".join(
            (
                ip(
                    f"{source.randrange(20, 170)}.{source.randrange(256)}.7.{source.randrange(256)}"
                ),
                ip(target),
                number(source.randrange(1024, 65_536), 2),
                number(source.randrange(1024, 65_536), 2),
                bytes([protocol]),
                number(packets, 4),
                number(packets * 512, 4),
                number(sampling, 4),
            )
        )
        return octets + struct.pack(">II", 1_000_000, 1_000_000)

    each = 10 if sampling == 1 else 1
    rate = PACKETS * factor / sampling / each / RECORDS
    usual = [(LEAD * number / 20, f"198.18.1.{number}") for number in range(20)]
    datagrams = [(0.0, head)]
    datagrams += [
        (at, netflow9(flowset(300, record(host, 5, 6)), sequence=1 + number))
        for number, (at, host) in enumerate(usual)
    ]
    datagrams += [
        (
            LEAD + count / rate,
            netflow9(
                flowset(300, b"".join(record(VICTIM, each, 17) for _ in range(RECORDS))),
                sequence=21 + count,
            ),
        )
        for count in range(int(12 * rate))
    ]
    return Play(f"{factor}x, 1 in {sampling}", datagrams, LEAD)


def scenario(path: Path) -> Play:
    """Return a scenario of the peer data, from some seconds before its attack."""
    truth = json.loads(path.with_suffix(".json").read_text())
    start = truth["start"] if truth["kind"] == "attack" else None
    begin = max(0.0, (start or LEAD) - LEAD)
    end = start + 15.0 if start else begin + 4 * LEAD
    datagrams = list(read(path))
    first = datagrams[0][0]
    # Templates came before; they are told again first.
    heads = [(0.0, datagram) for _, datagram in datagrams[:1]]
    part = [
        (moment - first - begin, datagram)
        for moment, datagram in datagrams
        if begin <= moment - first <= end
    ]
    attack = start - begin if start is not None else None
    return Play(truth["name"], heads + part, attack, truth["protected"])


def read(path: Path) -> Iterator[tuple[float, bytes]]:
    """Yield the datagrams of a recording with their times."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        moment, length = struct.unpack_from("<dH", content, at)
        yield moment, content[at + 10 : at + 10 + length]
        at += 10 + length


def show(plays: Sequence[Play], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        load = os.getloadavg()[0]
        print(f"\nfrom the first datagram of the attack to the finding, at a load of {load:.1f}:")
        for play in plays:
            told = f"{play.told:.2f} s" if play.told is not None else "quiet"
            print(f"  {play.name:28} {told}")


@pytest.mark.system
def test_floods_above_a_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plays = [flood(factor, sampling) for factor in (1.25, 2.0) for sampling in (1, 100)]
    run(plays, tmp_path)
    show(plays, capsys)
    assert all(VICTIM in json.dumps(play.findings) for play in plays)


@pytest.mark.peer
def test_scenarios(peer_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plays = [scenario(path) for path in sorted((peer_data / "flows" / "scen").glob("*.tlp"))]
    run(plays, tmp_path)
    show(plays, capsys)
    assert plays
    for play in plays:
        assert bool(play.findings) is (play.attack is not None), (play.name, play.findings)
