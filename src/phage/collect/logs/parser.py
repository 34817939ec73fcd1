"""From lines to events."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from phage.collect.logs import webprobes
from phage.collect.logs.feed import LineCounters
from phage.collect.logs.pattern import Pattern, read, read_own
from phage.collect.logs.service import LONGEST_MESSAGE, Form, Line, LogService, known_services
from phage.collect.logs.stamps import BSD, CLF, LEADING, RFC3339, Stamps
from phage.errors import ConfigError
from phage.frozen import frozen
from phage.records import LogEvent, LogKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# A message that is kept with its event, and names in it: enough to see what happened.
KEPT_MESSAGE = 512
KEPT_NAME = 256
# syslogd(8) joins what repeats; more than these are counted as so many.
MOST_REPEATS = 50

_SYSLOG = re.compile(
    rf"(?:<\d{{1,3}}>(?:1 )?)?(?P<stamp>{BSD}|{RFC3339}) [^ ]+ "
    r"(?P<program>[^ \[:]+)(?:\[\d+\])?: ?",
    re.ASCII,
)
_REPEATED = re.compile(r"message repeated (\d{1,6}) times: \[ (.*)\]", re.ASCII)
_QUOTED = r'"(?P<{}>[^"\\]*(?:\\.[^"\\]*)*)"'
# Common and combined log format, with the virtual host before it or not.
_ACCESS = re.compile(
    r"(?:[\w.-]+:\d{1,5} )?(?P<address>[0-9A-Fa-f.:]{2,45}) [^ ]+ (?P<user>[^\"]*?)"
    rf" \[(?P<stamp>{CLF})\] {_QUOTED.format('request')} (?P<status>\d{{3}}) (?:\d+|-)"
    rf"(?: {_QUOTED.format('referrer')} {_QUOTED.format('agent')})?",
    re.ASCII,
)
# Answers that blame the client. Not 401, which is a challenge, nor 408 and 499, which a bad network
# brings about, nor 429, which the server's own limits do.
_ERRORS = frozenset(
    {400, 402, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 417, 421, 422, 431}
)
_REFUSED = frozenset({400, 401, 403, 422, 429})


@dataclass(slots=True)
class Context:
    """What parsers share: where lines come from and how stamps are read."""

    source: str
    stamps: Stamps = field(default_factory=Stamps)
    counters: LineCounters = field(default_factory=LineCounters)


class Parser(Protocol):
    """Reads the lines of one log."""

    def parse(self, line: str, now: int) -> Iterable[LogEvent]:
        """Return the events of a line; `now` stands where it has no time stamp."""

    def parse_message(self, program: str, message: str, time: int) -> Iterable[LogEvent]:
        """Return the events of a message whose program and time are known already."""


@lru_cache(maxsize=8192)
def canonical(text: str) -> str:
    """Return an address in canonical form, IPv4-mapped ones as IPv4; '' when it is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return "" if address.is_unspecified or address.is_multicast else str(address)


@frozen
class _Rule:
    """One kind of line, ready to match."""

    line: Line
    pattern: Pattern


class MessageMatcher:
    """Finds the event in a message of one service."""

    def __init__(
        self,
        service: str,
        lines: Sequence[Line],
        context: Context,
        reading: Callable[[str], Pattern] = read,
    ) -> None:
        self.service = service
        self._context = context
        self._rules = tuple(_Rule(line, reading(line.pattern)) for line in lines)

    def match(self, message: str, stamp: str, now: int) -> tuple[LogEvent, ...]:
        """Return the events of a message: none, one, or as many as were joined.

        Their time is that of the stamp, else `now`.
        """
        if message.startswith("message repeated ") and (joined := _REPEATED.fullmatch(message)):
            return self._match_one(joined[2], stamp, now) * min(int(joined[1]), MOST_REPEATS)
        return self._match_one(message, stamp, now)

    def _match_one(self, message: str, stamp: str, now: int) -> tuple[LogEvent, ...]:
        for rule in self._rules:
            pattern = rule.pattern
            if pattern.hint not in message or not message.startswith(pattern.start):
                continue
            if len(message) > LONGEST_MESSAGE:
                self._context.counters.too_long += 1
                return ()
            match = pattern.expression.fullmatch(message)
            if match is not None:
                return self._event(rule, match, message, self._context.stamps.parse(stamp, now))
        return ()

    def _event(
        self, rule: _Rule, match: re.Match[str], message: str, time: int
    ) -> tuple[LogEvent, ...]:
        if not all(text in message for text in rule.line.once):
            return ()
        if _is_ambiguous(rule.line, message):
            self._context.counters.ambiguous += 1
            return ()
        address = canonical(match["address"])
        if not address:
            return ()
        groups = rule.pattern.groups
        user = (match["user"] or "") if "user" in groups else ""
        path = (match["path"] or "") if "path" in groups else ""
        status = match["status"] if "status" in groups else None
        event = LogEvent(
            rule.line.kind,
            time,
            self._context.source,
            self.service,
            address,
            user[:KEPT_NAME],
            path[:KEPT_NAME],
            int(status) if status and status.isdecimal() and len(status) <= 3 else 0,
            message[:KEPT_MESSAGE],
            rule.line.spoofable,
        )
        return (event,)


def _is_ambiguous(line: Line, message: str) -> bool:
    twice = any(message.count(text) > 1 for text in line.once)
    return twice or any(text in message for text in line.never)


class SyslogParser:
    """Reads what syslog writes: each line goes to the service whose program it names."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._by_program: dict[str, MessageMatcher] = {}
        self._by_beginning: dict[str, MessageMatcher] = {}
        for service in known_services().values():
            if service.programs:
                matcher = MessageMatcher(service.name, service.lines, context)
                for program in service.programs:
                    table = self._by_beginning if program.endswith("/") else self._by_program
                    table[program.rstrip("/")] = matcher

    def _matcher(self, program: str) -> MessageMatcher | None:
        found = self._by_program.get(program)
        if found is None and "/" in program:
            return self._by_beginning.get(program.partition("/")[0])
        return found

    def parse(self, line: str, now: int) -> Iterable[LogEvent]:
        """Return the events of a line."""
        match = _SYSLOG.match(line)
        if match is None:
            return ()
        matcher = self._matcher(match["program"])
        if matcher is None:
            return ()
        return matcher.match(line[match.end() :], match["stamp"], now)

    def parse_message(self, program: str, message: str, time: int) -> Iterable[LogEvent]:
        """Return the events of a message of a program."""
        matcher = self._matcher(program)
        return () if matcher is None else matcher.match(message, "", time)


class MessageParser:
    """Reads a service's own log, or any log by a pattern: a stamp, perhaps a program, a message."""

    def __init__(self, matcher: MessageMatcher, context: Context) -> None:
        self._context = context
        self._matcher = matcher

    def parse(self, line: str, now: int) -> Iterable[LogEvent]:
        """Return the events of a line."""
        prefix = _SYSLOG.match(line) or LEADING.match(line)
        if prefix is None:
            return self._matcher.match(line, "", now)
        return self._matcher.match(line[prefix.end() :], prefix["stamp"], now)

    def parse_message(self, program: str, message: str, time: int) -> Iterable[LogEvent]:
        """Return the events of a message, whatever its program."""
        del program
        return self._matcher.match(message, "", time)


class AccessParser:
    """Reads the access log of a Web server."""

    def __init__(self, service: str, context: Context) -> None:
        self.service = service
        self._context = context

    def parse(self, line: str, now: int) -> Iterable[LogEvent]:
        """Return the events of a line."""
        match = _ACCESS.match(line)
        if match is None:
            return ()
        _, user, stamp, request, answer, _, agent = match.groups()
        status = int(answer)
        method, _, rest = request.partition(" ")
        target = rest.rpartition(" ")[0] or rest or method
        kind = _request_kind(method, target, status, user, agent or "")
        address = canonical(match["address"]) if kind is not None else ""
        if kind is None or not address:
            return ()
        return (
            LogEvent(
                kind,
                self._context.stamps.parse(stamp, now),
                self._context.source,
                self.service,
                address,
                "" if user == "-" else user[:KEPT_NAME],
                target[:KEPT_NAME],
                status,
                line[:KEPT_MESSAGE],
            ),
        )

    def parse_message(self, program: str, message: str, time: int) -> Iterable[LogEvent]:
        """Return the events of a line that came by syslog."""
        del program
        return self.parse(message, time)


def _request_kind(method: str, target: str, status: int, user: str, agent: str) -> LogKind | None:
    """Return what a request tells; None for an ordinary one."""
    target, agent = target[: webprobes.LONGEST_LOOKED_AT], agent[: webprobes.LONGEST_LOOKED_AT]
    if agent and webprobes.is_scanner(agent):
        return LogKind.SCANNER_AGENT
    if webprobes.is_probe(target, status):
        return LogKind.HTTP_PROBE
    if status < 400:
        return None
    if status == 401 and user not in {"-", ""}:
        return LogKind.AUTH_FAILED
    if status in _REFUSED and webprobes.is_login(method, target):
        return LogKind.AUTH_FAILED
    return LogKind.HTTP_ERROR if status in _ERRORS else None


def make_parser(service: str, pattern: str, kind: str, context: Context) -> Parser:
    """Make the parser of a log: of syslog, of one service's own log, or by a pattern.

    Raises ConfigError for a service or a kind that there is not, and for a pattern that is refused.
    """
    if pattern:
        known_kinds = [str(each) for each in LogKind if each is not LogKind.ALERT]
        if kind not in known_kinds:
            message = f"collect.logs.kind: there is no {kind!r}; there are {', '.join(known_kinds)}"
            raise ConfigError(message)
        lines = [Line(LogKind(kind), pattern)]
        return MessageParser(MessageMatcher(service or "custom", lines, context, read_own), context)
    if not service or service == "syslog":
        return SyslogParser(context)
    known = known_services().get(service)
    if known is None:
        names = ", ".join(("syslog", *known_services()))
        message = f"collect.logs.service: there is no {service!r}; there are {names}"
        raise ConfigError(message)
    return _own_log(known, context)


def _own_log(service: LogService, context: Context) -> Parser:
    if service.form is Form.ACCESS:
        return AccessParser(service.name, context)
    return MessageParser(MessageMatcher(service.name, service.lines, context), context)
