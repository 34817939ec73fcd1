"""Finds password guessing: by one host, by many at one server, by one at many servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.detector import Exports
from phage.detect.guesses import SIZES, TIMES, Crowd, Guesses, Pair, came_within
from phage.detect.logins import BY_PORT, LOGIN_WORDS, LoginService, over_or_sessions
from phage.detect.parties import mac_numbers
from phage.detect.rows import Flow, rows_of
from phage.detect.tables import Recent, Usual, keep
from phage.records import Finding, Observation, Peer, Subject, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_TCP = 6
# MQTT 3.1.1 section 3.2.2.3 and 5.0 section 3.2.2.2: bad user name or password, not authorised.
_MQTT_REFUSED = frozenset({4, 5, 134, 135})


@dataclass(slots=True)
class Bruteforce:
    """Finds password guessing by refused logins: by replies, or by the shapes of flows.

    Refused logins are short and alike (Najafabadi et al., Machine learning for detecting brute
    force attacks at the network level, BIBE 2014; Hellemons et al., SSHCure, AIMS 2012). Clients
    that had sessions before, or often connect briefly (monitors, builds that fetch by ssh), get a
    larger allowance.

    Fails for guessing below `slow_factor` attempts an hour, inside one long connection whose
    replies are encrypted, and where a service listens on a port that `phage.detect.logins` does not
    know.
    """

    name: ClassVar[str] = "bruteforce"
    summary: ClassVar[str] = (
        "Password guessing: SSH, RDP, FTP, Telnet, HTTP and others, by one host or many."
    )
    of_exports: ClassVar[Exports] = Exports.OVER

    reply_attempts: int = 8
    """Logins refused by a reply within a minute: a person with a forgotten password stops at five
    or locks the account."""
    login_posts: int = 15
    """Posts to a login page within a minute."""
    middle_factor: int = 3
    """Times a minute's allowance within ten minutes."""
    slow_factor: int = 10
    """Times a minute's allowance within an hour: one attempt every 36 s; a monitor checks once a
    minute."""
    known_factor: int = 3
    """Allowance of a client that had sessions there, and times its own busiest minute."""
    alike: float = 0.15
    """Median deviation of sizes, as a part of the median: names and passwords differ by some
    characters."""
    alike_octets: int = 40
    """The same in octets, where the connections are small."""
    crowd: int = 8
    """Servers that one client fails at within ten minutes; clients that fail at one server."""
    crowd_attempts: int = 40
    """Attempts of a crowd of clients within ten minutes."""
    quiet_s: float = 600.0
    """Guessing that rested for so long is over."""
    most_pairs: int = 1024
    """Clients and servers with state, about 8 kB each at the worst."""

    _pairs: Recent[tuple[str, str, str], Pair] = field(init=False, repr=False)
    _clients: Recent[tuple[str, str], Crowd] = field(init=False, repr=False)
    _servers: Recent[tuple[str, str], Crowd] = field(init=False, repr=False)
    _attacks: Recent[str, Guesses] = field(init=False, repr=False)
    _asked: Recent[int, None] = field(init=False, repr=False)
    _failures: Recent[int, tuple[int, int]] = field(init=False, repr=False)
    _told: Recent[int, int] = field(init=False, repr=False)
    _sessions: Recent[int, None] = field(init=False, repr=False)
    _counted: Recent[int, None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the tables."""
        self._pairs = Recent(self.most_pairs)
        self._clients = Recent(self.most_pairs)
        self._servers = Recent(self.most_pairs)
        self._attacks = Recent(256)
        self._asked = Recent(2048)
        # Of a connection: how many logins were refused, and since when that is counted.
        self._failures = Recent(2048)
        # Refused logins by connection where replies told: its shape is no further attempt.
        self._told = Recent(8192)
        # A session is noted once, however many windows it goes on for.
        self._sessions = Recent(8192)
        self._counted = Recent(8192)

    @property
    def dropped(self) -> int:
        """How many entries the tables had to drop so far."""
        tables = (self._pairs, self._clients, self._servers, self._attacks)
        return sum(table.dropped for table in tables)

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        changed: dict[str, Guesses] = {}
        routers = mac_numbers(knowledge.routers)
        messages = [
            seen
            for seen in window.observations
            if seen.kind in {"http", "ftp", "smtp", "telnet", "smb", "mqtt"}
        ]
        messages.sort(key=lambda seen: (seen.time, seen.packet, seen.flow, seen.src_port))
        for seen in messages:
            self._read(seen, changed)
        rows = rows_of(window)
        told = over_or_sessions(rows.flow_columns)
        if self._sessions:
            told &= ~rows.flows_in(self._sessions.keys())
        for row in rows.flows_where(told):
            self._look_at(row, BY_PORT[row.dst_port], routers, changed)
        for key, attack in changed.items():
            yield attack.finding(self.name, key, knowledge)

    def _pair(self, client: Subject, server: Subject, port: int, time: int) -> Pair:
        service = BY_PORT[port]
        key = (client.device, server.ip, service.name)
        pair = self._pairs.use(key)
        if pair is None:
            pair = self._pairs.put(key, Pair(client, server, service, port, Usual(time)))
        return pair

    def _look_at(
        self, row: Flow, service: LoginService, routers: frozenset[int], changed: dict[str, Guesses]
    ) -> None:
        lasted = row.last - row.start
        large = row.payload_sent > service.up[1] or row.payload_received > service.down[1]
        session = large or lasted > service.lasts_s * _SECOND
        client = _party(row.src, row.src_mac, row.home & 1, routers)
        server = _party(row.dst, row.dst_mac, row.home & 2, routers)
        pair = self._pair(client, server, row.dst_port, row.start)
        if row.id in self._counted:
            return
        self._counted.put(row.id, None)
        told = self._told.get(row.id)
        if session and not told:
            self._sessions.put(row.id, None)
            self._note_session(pair, row, changed)
            return
        smallest = row.payload_sent >= service.up[0] and row.payload_received >= service.down[0]
        if told:
            self._add_packets(pair, row, told, changed)
        elif not smallest:
            return
        else:
            keep(pair.times, row.last, TIMES)
            pair.tally.add(row.last)
            keep(pair.sizes, (row.payload_sent, row.payload_received), SIZES)
            self._judge(pair, row.last, row.sent + row.received, changed)
        pair.usual.add(row.last)
        self._note_crowd(pair, row.last, changed)

    def _add_packets(
        self, pair: Pair, row: Flow, counted: int, changed: dict[str, Guesses]
    ) -> None:
        """Add the packets of a connection whose attempts were `counted` by a packet each."""
        attack = self._attacks.get(pair.client_key)
        if attack is not None and attack.first <= row.last:
            attack.packets += max(0, row.sent + row.received - counted)
            changed[pair.client_key] = attack

    def _note_session(self, pair: Pair, row: Flow, changed: dict[str, Guesses]) -> None:
        for key in (pair.client_key, pair.server_key):
            attack = self._attacks.get(key)
            if attack is None or row.start < attack.first or attack.attempts < self.reply_attempts:
                continue
            at_this = pair.server.ip in attack.others or pair.client.ip in attack.others
            if at_this and row.last - attack.last <= self.quiet_s * _SECOND and not attack.success:
                attack.success = True
                attack.last = max(attack.last, row.last)
                changed[key] = attack
        pair.sessions += 1
        for table, crowd_key in self._crowd_keys(pair):
            crowd = table.get(crowd_key)
            if crowd is not None:
                crowd.sessions += 1

    def _read(self, seen: Observation, changed: dict[str, Guesses]) -> None:
        """Take in what a server or a client said."""
        refused, since = self._refused(seen)
        if not refused:
            return
        from_server = seen.src_port in BY_PORT and seen.dst_port not in BY_PORT
        ends = [(seen.src, seen.src_mac), (seen.dst, seen.dst_mac)]
        if from_server:
            ends.reverse()
        port = seen.src_port if from_server else seen.dst_port
        if port not in BY_PORT:
            return
        client, server = (
            explain.subject_named(ip, mac if _private(ip) else "") for ip, mac in ends
        )
        if not client.device or not server.ip:
            return
        pair = self._pair(client, server, port, seen.time)
        if seen.flow:
            self._told.put(seen.flow, (self._told.get(seen.flow) or 0) + refused)
        took = seen.time - since
        for number in range(1, min(refused, 32) + 1):
            time = since + took * number // refused
            keep(pair.replies, time, TIMES)
            pair.replies_tally.add(time)
        self._judge(pair, seen.time, refused, changed, refused)

    def _refused(self, seen: Observation) -> tuple[int, int]:
        """Return how many logins a message says were refused, and since when."""
        fields = seen.fields
        if seen.kind == "mqtt":
            return int(fields.get("code") in _MQTT_REFUSED), seen.time
        failures = fields.get("failures")
        if not isinstance(failures, int) or isinstance(failures, bool):
            refused = self._refused_http(seen) if seen.kind == "http" else 0
            return refused, seen.time
        known = self._failures.get(seen.flow) if seen.flow else None
        if known is None and seen.kind == "http":
            # Nobody tried to log in: all these responses are challenges.
            return 0, seen.time
        # The count goes up as more of the stream is read: only what is new counts.
        before, since = known or (0, seen.time)
        if failures >= before:
            self._failures.put(seen.flow, (failures, seen.time))
        return max(0, failures - before), since

    def _refused_http(self, seen: Observation) -> int:
        fields = seen.fields
        method = fields.get("method")
        if isinstance(method, str):
            uri = fields.get("uri")
            target = uri.lower() if isinstance(uri, str) else ""
            is_login = method == "POST" and any(word in target for word in LOGIN_WORDS)
            if is_login or isinstance(fields.get("authorization"), str):
                self._asked.put(seen.flow, None)
            return 0
        # The first 401 of a connection is a challenge unless the request came with credentials.
        if fields.get("status") in {401, 403} and seen.flow in self._asked:
            self._asked.pop(seen.flow)
            self._failures.put(seen.flow, (1, seen.time))
            return 1
        return 0

    def _judge(
        self, pair: Pair, now: int, packets: int, changed: dict[str, Guesses], attempts: int = 1
    ) -> None:
        key = pair.client_key
        attack = self._attacks.use(key)
        going_on = attack is not None and now - attack.last <= self.quiet_s * _SECOND
        by_reply = self._guesses_by_reply(pair, now)
        by_shape = self._guesses_by_shape(pair, now) and self._is_alike(pair)
        crowd = self._attacks.get(pair.server_key)
        if crowd is not None and not going_on and now - crowd.last <= self.quiet_s * _SECOND:
            crowd.extend(pair.client, pair.port, now, packets, attempts)
            changed[pair.server_key] = crowd
            return
        known_target = attack is not None and pair.server.ip in attack.others
        if not (by_reply or by_shape or (going_on and known_target)):
            return
        if attack is None or not going_on:
            times = pair.times if by_shape else pair.replies
            attack = Guesses(pair.client, pair.service, times[0], now, "single", pair.usual.highest)
            tally = pair.tally if by_shape else pair.replies_tally
            attack.attempts = max(len(times), tally.within(now, 60)) - attempts
            self._attacks.put(key, attack)
        pair.usual.forgive()
        attack.replies = max(attack.replies, len(pair.replies))
        attack.extend(pair.server, pair.port, now, packets, attempts)
        changed[key] = attack

    def _guesses_by_reply(self, pair: Pair, now: int) -> bool:
        allowed = self.reply_attempts
        tally = pair.replies_tally
        return (
            came_within(pair.replies, allowed, now, _MINUTE)
            or tally.within(now, 10) >= allowed * self.middle_factor
            or tally.within(now, 60) >= allowed * self.slow_factor
        )

    def _guesses_by_shape(self, pair: Pair, now: int) -> bool:
        service = pair.service
        if not service.by_shape:
            return False
        allowed = service.attempts * (self.known_factor if pair.sessions else 1)
        habit = pair.usual.habit(now) * self.known_factor
        if came_within(pair.times, max(allowed, round(habit)), now, _MINUTE):
            return True
        if not service.slow:
            return False
        middle = max(allowed * self.middle_factor, habit * 10)
        slow = max(allowed * self.slow_factor, habit * 60)
        return pair.tally.within(now, 10) >= middle or pair.tally.within(now, 60) >= slow

    def _is_alike(self, pair: Pair) -> bool:
        for direction in (0, 1):
            values = [size[direction] for size in pair.sizes]
            middle = median(values)
            deviation = median(abs(value - middle) for value in values)
            if deviation > max(self.alike_octets, self.alike * middle):
                return False
        return True

    def _crowd_keys(
        self, pair: Pair
    ) -> tuple[tuple[Recent[tuple[str, str], Crowd], tuple[str, str]], ...]:
        return (
            (self._clients, (pair.client.device, pair.service.name)),
            (self._servers, (pair.server.ip, pair.service.name)),
        )

    def _note_crowd(self, pair: Pair, now: int, changed: dict[str, Guesses]) -> None:
        if not (pair.service.by_shape and pair.service.crowd):
            return
        since = now - 10 * _MINUTE
        for (table, key), other in zip(
            self._crowd_keys(pair), (pair.server, pair.client), strict=True
        ):
            crowd = table.use(key)
            if crowd is None:
                crowd = table.put(key, Crowd())
            crowd.others.refresh((other.ip, other.mac), now)
            crowd.others.expire(since)
            keep(crowd.times, now, TIMES)
            spray = table is self._clients
            if len(crowd.others) < self.crowd or crowd.sessions * 2 > len(crowd.times):
                continue
            need = self.crowd if spray else self.crowd_attempts
            if len(crowd.times) < need or crowd.times[-need] < since:
                continue
            self._open_crowd(pair, crowd, spray=spray, now=now, changed=changed)

    def _open_crowd(
        self, pair: Pair, crowd: Crowd, *, spray: bool, now: int, changed: dict[str, Guesses]
    ) -> None:
        key = pair.client_key if spray else pair.server_key
        attack = self._attacks.use(key)
        if attack is None or now - attack.last > self.quiet_s * _SECOND:
            subject = pair.client if spray else pair.server
            kind = "spray" if spray else "distributed"
            attack = Guesses(subject, pair.service, crowd.times[0], now, kind, pair.usual.highest)
            attack.attempts = len(crowd.times) - 1
            self._attacks.put(key, attack)
            service = explain.service(_TCP, pair.port)
            for ip, mac in crowd.others:
                attack.others[ip] = Peer(ip, mac, (service,))
        elif spray and attack.kind == "single":
            attack.kind = "spray"
        if key not in changed:
            attack.extend(pair.server if spray else pair.client, pair.port, now, 1)
        changed[key] = attack


def _party(address: bytes, mac: int, home: int, routers: frozenset[int]) -> Subject:
    return explain.subject_of(address, mac, home=bool(home) and mac not in routers)


def _private(ip: str) -> bool:
    return ip.startswith(("10.", "192.168.", "172.", "fe80", "fc", "fd"))
