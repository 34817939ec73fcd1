"""Which TCP ports are open: a SYN to each, and no connection (RFC 9293, section 3.5)."""

from __future__ import annotations

import random
import secrets
import socket
from collections import defaultdict
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from phage.devices.discovery import frames
from phage.devices.discovery.sockets import tcp_socket
from phage.errors import ScanError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from phage.devices.discovery.pace import Pace

TOP100 = (
    7, 9, 13, 21, 22, 23, 25, 37, 53, 79, 80, 81, 82, 88, 106, 110, 111, 113, 119, 135, 139, 143,
    179, 199, 389, 427, 443, 444, 445, 465, 502, 514, 515, 543, 548, 554, 587, 631, 636, 646, 873,
    902, 990, 993, 995, 1080, 1400, 1433, 1723, 1883, 1900, 2000, 2049, 2121, 2323, 3000, 3128,
    3306, 3389, 3689, 4070, 5000, 5001, 5009, 5060, 5357, 5432, 5555, 5666, 5800, 5900, 6000, 6379,
    6466, 6668, 7000, 7547, 8000, 8008, 8009, 8080, 8081, 8123, 8443, 8554, 8883, 8888, 9000, 9080,
    9100, 9295, 9999, 10000, 32400, 32768, 34567, 37777, 49152, 49153, 62078,
)  # fmt: skip
"""Ports that things at home and in offices have open, phage's own choice."""

MAX_OPEN = 4096
"""Open ports of one host that are kept: one that has more has them all, as a tarpit does."""

_READ = 2048

_Place = tuple[str, int, int, int] | tuple[str, int]
_Template = tuple[str, frames.SynTemplate, _Place]


def parse_ports(text: str) -> tuple[int, ...]:
    """Return the ports that "top100", "all", "none" or "22,80,8000-8100" mean. Raises ScanError."""
    if text == "top100":
        return TOP100
    if text == "all":
        return tuple(range(1, 65_536))
    if text in {"none", ""}:
        return ()
    found: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        low, high = _port(first, text), _port(last if dash else first, text)
        found.update(dict.fromkeys(range(low, high + 1)))
    return tuple(sorted(found))


def _port(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65_535):
        message = f"ports {whole[:60]!r}: write top100, all, none, or ports like 22,80,8000-8100"
        raise ScanError(message)
    return int(text)


def ranges(ports: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return ports as ranges, ascending."""
    found: list[list[int]] = []
    for port in sorted(ports):
        if found and port == found[-1][1] + 1:
            found[-1][1] = port
        else:
            found.append([port, port])
    return tuple((first, last) for first, last in found)


@dataclass
class PortScan:
    """Asks ports of hosts of one family, all at once, so that each gets few probes a second.

    Attributes:
        pace: How fast, for all hosts together.
        answer_seconds: How long answers are waited for.
        open: Open ports by address.
        closed: How many ports refused, by address.
        progress: Told how many probes of how many are out.
        dropped: Open ports that found no room.
    """

    pace: Pace
    answer_seconds: float = 0.5
    open: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    closed: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    progress: Callable[[int, int], None] = lambda _done, _whole: None
    dropped: int = 0
    _waiting: dict[str, set[int]] = field(default_factory=dict)
    _sequence: int = 0

    def run(self, hosts: Sequence[tuple[str, int]], ports: Sequence[int]) -> None:
        """Ask ports of hosts: addresses, each with the number of its link where it is link-local.

        Raises PermissionMissingError, OSError.
        """
        if not hosts or not ports:
            return
        family = socket.AF_INET6 if ":" in hosts[0][0] else socket.AF_INET
        self._sequence = secrets.randbits(32)
        with ExitStack() as stack:
            # Held while the scan goes on, so that nothing else of ours gets the answers.
            held = stack.enter_context(closing(socket.socket(family, socket.SOCK_STREAM)))
            held.bind(("", 0))
            own_port = int(held.getsockname()[1])
            link = stack.enter_context(closing(tcp_socket(family, own_port)))
            templates = _templates(family, hosts, own_port, self._sequence)
            self._waiting = {address: set(ports) for address, _, _ in templates}
            drain = partial(self._drain, link, family)
            for attempt in range(2):
                probes = self._probes(link, templates, ports, attempt)
                self.pace.send(link, probes, drain)
                self.pace.listen(link, self.answer_seconds, drain, self._all_answered)
                if self._all_answered():
                    return

    def _all_answered(self) -> bool:
        return not any(self._waiting.values())

    def _probes(
        self,
        link: socket.socket,
        templates: Sequence[_Template],
        ports: Sequence[int],
        attempt: int,
    ) -> Iterator[Callable[[], object]]:
        """Yield probes: port after port in random order, each to all hosts in turn."""
        order = list(ports)
        random.Random(self._sequence).shuffle(order)  # noqa: S311  Only spreads the load.
        whole, done = len(order) * len(templates), 0
        for port in order:
            for address, template, place in templates:
                if port in self._waiting[address]:
                    yield partial(link.sendto, template.to(port), place)
                done += 1
            if done % 4096 < len(templates) and not attempt:
                self.progress(done, whole)

    def _drain(self, link: socket.socket, family: int) -> None:
        expected = (self._sequence + 1) & 0xFFFF_FFFF
        with suppress(BlockingIOError):
            while True:
                packet, source = link.recvfrom(_READ)
                if family == socket.AF_INET:
                    packet = packet[(packet[0] & 0xF) * 4 :]
                answer = frames.tcp_answer(packet)
                if answer is None or answer.acknowledged != expected:
                    continue
                address = str(source[0]).partition("%")[0]
                waiting = self._waiting.get(address)
                if waiting is None or answer.source not in waiting:
                    continue
                waiting.discard(answer.source)
                if not answer.is_open:
                    self.closed[address] += 1
                elif len(self.open[address]) < MAX_OPEN:
                    self.open[address].add(answer.source)
                else:
                    self.dropped += 1


def _templates(
    family: int, hosts: Sequence[tuple[str, int]], port: int, sequence: int
) -> list[_Template]:
    """Return what is sent to each host that there is a way to."""
    made: list[_Template] = []
    for address, number in hosts:
        place: _Place = (address, 0) if family == socket.AF_INET else (address, 0, 0, number)
        with suppress(OSError), closing(socket.socket(family, socket.SOCK_DGRAM)) as asked:
            asked.connect((address, 9, *place[2:]))
            source = str(asked.getsockname()[0]).partition("%")[0]
            ours = socket.inet_pton(family, source)
            theirs = socket.inet_pton(family, address)
            made.append((address, frames.SynTemplate(ours, theirs, port, sequence), place))
    return made
