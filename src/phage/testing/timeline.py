"""A timeline: traffic as events at times, cut into windows as the core cuts them.

```python
timeline = Timeline()
for port in range(1, 100):
    timeline.connect(port * 0.01, LAPTOP, CAMERA, port, answer="refused")
for window in timeline.windows():
    ...
```

Each flow is seen as the core shows it: a row when it begins, when it moves, when it ends. Host
counters are kept for hosts at home.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from phage.detect.attack import Attacks
from phage.detect.detector import Knowledge
from phage.records import Columns, FindingState, Observation, Window
from phage.records.columns import FLOW, HOST, SCORE, EndReason, Event, TcpState
from phage.testing.windows import (
    ROUTER,
    SECOND,
    TICK,
    Endpoint,
    at,
    columns,
    make_flow,
    make_host,
    make_observation,
    make_score,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phage.detect.detector import Detector
    from phage.records import Finding
    from phage.records.observation import Value

_T = TypeVar("_T")

Answer = Literal["open", "refused", "silent", "half", "stealth", "stealth refused"]
"""What becomes of a connection; `half` is answered and not completed, `stealth` has no SYN."""

_SYN, _RST, _FIN, _PSH, _ACK = 2, 4, 1, 8, 16
_IDLE_SYN = 5.0
_IDLE_UDP = 30.0
_BROADCAST = Endpoint("255.255.255.255", "ff:ff:ff:ff:ff:ff")


@dataclass(slots=True)
class _Snapshot:
    """A flow as it stands at a time."""

    time: float
    values: dict[str, object]
    ended: bool = False


@dataclass(slots=True)
class _Flow:
    id: int
    start: float
    src: Endpoint
    dst: Endpoint
    port: int
    protocol: str
    snapshots: list[_Snapshot] = field(default_factory=list)


@dataclass(slots=True)
class Timeline:
    """Collects events; `windows` plays them."""

    tick: int = TICK
    learning_until: float = 0.0
    _flows: list[_Flow] = field(default_factory=list, init=False)
    _counts: list[tuple[float, Endpoint, str, int, int]] = field(default_factory=list, init=False)
    _observations: list[tuple[float, Observation]] = field(default_factory=list, init=False)
    _scores: list[tuple[float, Columns]] = field(default_factory=list, init=False)

    def connect(
        self,
        time: float,
        client: Endpoint,
        server: Endpoint,
        port: int,
        *,
        answer: Answer = "open",
        payload: tuple[int, int] = (200, 400),
        lasts: float = 0.2,
        **values: object,
    ) -> int:
        """Add a TCP connection; return its number. `values` are fields of flow rows."""
        flow = self._flow(time, client, server, port, "tcp")
        self._count(time, client, "syn", 0)
        self._count(time, server, "syn", 1)
        if answer == "silent":
            self._row(flow, time, (1, 0), TcpState.SYN_SENT, (_SYN, 0), values)
            self._end(flow, time + _IDLE_SYN, EndReason.NAMES.index("idle timeout"))
        elif answer == "refused":
            refused: dict[str, object] = {"errors": 1, **values}
            self._row(flow, time, (1, 1), TcpState.REFUSED, (_SYN, _RST | _ACK), refused)
            self._end(flow, time + 0.001, EndReason.NAMES.index("end of flow"))
        elif answer == "half":
            self._row(flow, time, (1, 1), TcpState.SYN_RECEIVED, (_SYN, _SYN | _ACK), values)
            self._count(time, server, "syn_ack", 0)
            self._end(flow, time + _IDLE_SYN, EndReason.NAMES.index("idle timeout"))
        elif answer.startswith("stealth"):
            self._stealth(flow, time, answer, values)
        else:
            self._session(flow, time, payload, lasts, values)
        return flow.id

    def _stealth(self, flow: _Flow, time: float, answer: str, values: Mapping[str, object]) -> None:
        flags = (_FIN, _RST | _ACK if answer.endswith("refused") else 0)
        received = int(answer.endswith("refused"))
        self._row(
            flow, time, (1, received), TcpState.NONE, flags, dict(values) | {"errors": received}
        )

    def _session(
        self,
        flow: _Flow,
        time: float,
        payload: tuple[int, int],
        lasts: float,
        values: Mapping[str, object],
    ) -> None:
        both = (_SYN | _ACK, _SYN | _ACK)
        opened: dict[str, object] = {"handshake": 1000, **values}
        self._count(time, flow.dst, "syn_ack", 0)
        self._row(flow, time, (2, 1), TcpState.ESTABLISHED, both, opened)
        packets = (4 + payload[0] // 1400, 3 + payload[1] // 1400)
        flags = (_SYN | _ACK | _PSH | _FIN, _SYN | _ACK | _PSH | _FIN)
        said = opened | {"payload": payload}
        self._row(flow, time + lasts, packets, TcpState.CLOSED, flags, said)
        self._end(flow, time + lasts + 0.001, EndReason.NAMES.index("end of flow"))

    def datagrams(
        self,
        time: float,
        client: Endpoint,
        server: Endpoint,
        port: int,
        *,
        answer: Literal["open", "refused", "silent"] = "open",
        sent: int = 1,
        payload: tuple[int, int] = (60, 100),
        **values: object,
    ) -> int:
        """Add a UDP exchange; return its flow's number."""
        flow = self._flow(time, client, server, port, "udp")
        received = sent if answer == "open" else 0
        down = payload[1] if answer == "open" else 0
        said = {"payload": (payload[0], down), "errors": int(answer == "refused")} | values
        self._row(flow, time, (sent, received), TcpState.NONE, (0, 0), said)
        self._end(flow, time + _IDLE_UDP, EndReason.NAMES.index("idle timeout"))
        self._count(time, client, "udp", 0, sent)
        self._count(time, server, "udp", 1, sent)
        return flow.id

    def echo(
        self, time: float, client: Endpoint, target: Endpoint, *, answered: bool = True
    ) -> None:
        """Add an ICMP echo request."""
        six = ":" in client.ip
        flow = self._flow(time, client, target, 0, "icmp6" if six else "icmp")
        said: dict[str, object] = {"src_port": 128 if six else 8}
        self._row(flow, time, (1, int(answered)), TcpState.NONE, (0, 0), said)
        self._count(time, client, "echo", 0)
        self._count(time, target, "echo", 1)

    def arp(
        self,
        time: float,
        sender: Endpoint,
        target: str,
        *,
        reply_to: Endpoint | None = None,
        claims: str = "",
    ) -> None:
        """Add an ARP request for an address, or a reply to a host; `claims` is a forged sender."""
        ip = claims or sender.ip
        place = reply_to or _BROADCAST
        shown = Endpoint(ip, sender.mac, device=sender.device)
        fields: dict[str, Value] = {
            "operation": "reply" if reply_to else "request",
            "sender_mac": sender.mac,
            "sender_ip": ip,
            "target_mac": reply_to.mac if reply_to else "00:00:00:00:00:00",
            "target_ip": target,
            "gratuitous": ip == target,
            "probe": ip == "0.0.0.0",  # noqa: S104  Seen in probes; nothing is bound to it.
        }
        self._note(time, "arp", shown, Endpoint(target, place.mac), fields)
        self._count(time, sender, "arp_reply" if reply_to else "arp_request", 0)

    def neighbour(
        self,
        time: float,
        sender: Endpoint,
        target: str,
        *,
        reply_to: Endpoint | None = None,
        solicited: bool = True,
    ) -> None:
        """Add a neighbour solicitation for an address, or an advertisement of it to a host."""
        fields: dict[str, Value] = {
            "kind": "advertisement" if reply_to else "solicitation",
            "target": target,
            "mac": sender.mac,
        }
        if reply_to:
            fields |= {"router": False, "solicited": solicited, "override": True}
        place = reply_to or Endpoint("ff02::1:ff00:1", "33:33:ff:00:00:01")
        self._note(time, "nd", sender, place, fields)

    def dns(
        self,
        time: float,
        client: Endpoint,
        server: Endpoint,
        name: str,
        *,
        kind: str = "A",
        rcode: str = "NOERROR",
        answers: tuple[str, ...] = (),
        down: int = 16,
    ) -> None:
        """Add a DNS question and its answer."""
        flow = self.datagrams(time, client, server, 53, payload=(len(name) + 30, down + 40))
        fields: dict[str, Value] = {
            "response": False,
            "query": name.lower(),
            "query_type": kind,
            "name_length": len(name),
            "query_bytes": len(name),
        }
        self._note(time, "dns", client, server, fields, ports=(40_000, 53), flow=flow)
        reply = fields | {
            "response": True,
            "rcode": rcode,
            "answers": len(answers),
            "answer": answers,
            "response_bytes": down,
        }
        self._note(time + 0.01, "dns", server, client, reply, ports=(53, 40_000), flow=flow)

    def message(
        self,
        time: float,
        kind: str,
        src: Endpoint,
        dst: Endpoint,
        fields: Mapping[str, Value],
        *,
        ports: tuple[int, int] = (0, 0),
        flow: int = 0,
    ) -> None:
        """Add an observation of any kind."""
        self._note(time, kind, src, dst, fields, ports=ports, flow=flow)

    def score(
        self, time: float, subject: Endpoint, peer: Endpoint, surprise: float, **values: object
    ) -> None:
        """Add a score row."""
        row = make_score(subject, peer, surprise, **({"time": at(time)} | values))
        self._scores.append((time, row))

    def count(self, time: float, host: Endpoint, **counters: tuple[int, int]) -> None:
        """Add to a host's counters: `packets=(3, 1)`."""
        for name, (sent, received) in counters.items():
            for direction, amount in enumerate((sent, received)):
                if amount:
                    self._counts.append((time, host, name, direction, amount))

    def _flow(self, time: float, src: Endpoint, dst: Endpoint, port: int, protocol: str) -> _Flow:
        flow = _Flow(len(self._flows) + 1, time, src, dst, port, protocol)
        self._flows.append(flow)
        self._count(time, src, "flows", 0)
        self._count(time, dst, "flows", 1)
        return flow

    def _row(
        self,
        flow: _Flow,
        time: float,
        packets: tuple[int, int],
        state: int,
        flags: tuple[int, int],
        values: Mapping[str, object],
    ) -> None:
        octets = tuple(60 * count for count in packets)
        seen: dict[str, object] = {"packets": packets, "octets": octets, "state": state}
        flow.snapshots.append(_Snapshot(time, seen | {"flags": flags} | dict(values)))
        self._count(time, flow.src, "packets", 0, packets[0])
        self._count(time, flow.dst, "packets", 1, packets[0])
        self._count(time, flow.dst, "packets", 0, packets[1])
        self._count(time, flow.src, "packets", 1, packets[1])
        if flags[1] & _RST:
            self._count(time, flow.dst, "rst", 0)
            self._count(time, flow.src, "rst", 1)

    def _end(self, flow: _Flow, time: float, reason: int) -> None:
        last = flow.snapshots[-1].values
        flow.snapshots.append(_Snapshot(time, last | {"end_reason": reason}, ended=True))

    def _count(self, time: float, host: Endpoint, name: str, direction: int, by: int = 1) -> None:
        if host.home and by:
            self._counts.append((time, host, name, direction, by))

    def _note(
        self,
        time: float,
        kind: str,
        src: Endpoint,
        dst: Endpoint,
        fields: Mapping[str, Value],
        *,
        ports: tuple[int, int] = (0, 0),
        flow: int = 0,
    ) -> None:
        seen = make_observation(kind, at(time), src, dst, fields, ports=ports, flow=flow)
        self._observations.append((time, seen))

    def windows(self) -> Iterator[Window]:
        """Yield the windows in which something happened, in order of time."""
        flows, hosts, notes, scores = (
            self._flow_rows(),
            self._host_rows(),
            self._by_window(self._observations),
            self._by_window(self._scores),
        )
        for number in sorted(flows.keys() | hosts.keys() | notes.keys() | scores.keys()):
            start = at(0) + number * self.tick
            rows = columns(flows.get(number, []), FLOW)
            yield Window(
                start=start,
                end=start + self.tick,
                packets=int(rows["packets"].sum()) if len(rows) else 0,
                flows=rows,
                hosts=columns(hosts.get(number, []), HOST),
                scores=columns(scores.get(number, []), SCORE),
                observations=tuple(notes.get(number, [])),
                learning=start < at(self.learning_until),
            )

    def _window_of(self, time: float) -> int:
        return round(time * SECOND) // self.tick

    def _by_window(self, items: list[tuple[float, _T]]) -> dict[int, list[_T]]:
        found: dict[int, list[_T]] = defaultdict(list)
        for time, item in sorted(items, key=lambda pair: pair[0]):
            found[self._window_of(time)].append(item)
        return found

    def _flow_rows(self) -> dict[int, list[Columns]]:
        found: dict[int, list[Columns]] = defaultdict(list)
        for flow in self._flows:
            windows: dict[int, tuple[_Snapshot, int]] = {}
            for number, seen in enumerate(flow.snapshots):
                event = Event.ENDED if seen.ended else Event.UPDATED
                event |= Event.STARTED if number == 0 else 0
                place = self._window_of(seen.time)
                known = windows.get(place)
                windows[place] = (seen, event | (known[1] if known else 0))
            for place, (seen, event) in windows.items():
                moved = [
                    one.time for one in flow.snapshots if not one.ended and one.time <= seen.time
                ]
                values: dict[str, Any] = {
                    "id": flow.id,
                    "start": at(flow.start),
                    "last": at(max(moved)),
                    "src_port": 32_768 + flow.id % 28_000,
                    "protocol": flow.protocol,
                    "event": event,
                }
                found[place].append(
                    make_flow(flow.src, flow.dst, flow.port, **(values | dict(seen.values)))
                )
        return found

    def _host_rows(self) -> dict[int, list[Columns]]:
        counters: dict[tuple[int, Endpoint], dict[str, list[int]]] = {}
        for time, host, name, direction, by in self._counts:
            counted = counters.setdefault((self._window_of(time), host), {})
            counted.setdefault(name, [0, 0])[direction] += by
        found: dict[int, list[Columns]] = defaultdict(list)
        for (number, host), counted in counters.items():
            start = at(0) + number * self.tick
            found[number].append(
                make_host(
                    host,
                    first=start,
                    last=start + self.tick - 1,
                    **{name: tuple(values) for name, values in counted.items()},
                )
            )
        return found


def findings_of(
    windows: Iterable[Window],
    *detectors: Detector,
    knowledge: Knowledge | None = None,
    attacks: Attacks | None = None,
) -> list[Finding]:
    """Let detectors look at windows; return the findings as they stand in the end, without parts.

    `knowledge.learning` follows the windows. Findings that became parts of others are left out.
    """
    knows = knowledge or Knowledge(routers=frozenset({ROUTER.mac}))
    merging = attacks or Attacks()
    final: dict[str, Finding] = {}
    end = at(0)
    for window in windows:
        knows.learning = window.learning
        end = window.end
        seen = [finding for one in detectors for finding in one.inspect(window, knows)]
        final.update((finding.id, finding) for finding in merging.merge(seen, window.end))
    final.update((finding.id, finding) for finding in merging.finish(end))
    return [finding for finding in final.values() if finding.state is not FindingState.MERGED]
