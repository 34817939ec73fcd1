"""Finds guessing of logins in logs: fast, slow, of names, by many at one account."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.detect import explain
from phage.detect.buckets import Bucket, source_group
from phage.detect.tables import Distinct, Recent
from phage.records import Feature, Finding, LogEvent, LogKind, Peer, Severity, Subject, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.detect.detector import Knowledge

_SECOND = 1_000_000_000
_HOUR = 3600 * _SECOND
_FAILED = frozenset({LogKind.AUTH_FAILED, LogKind.USER_UNKNOWN})
_KINDS = _FAILED | {LogKind.AUTH_OK, LogKind.ABUSE}
# Names and lines that a finding shows, and how much of each.
_SHOWN_USERS, _SHOWN_LINES, _SHOWN_SOURCES = 8, 2, 16
_SHOWN_TEXT = 240
_NAME = 64

_WORDS = {
    "fast": "guessing",
    "slow": "slow guessing",
    "names": "guessing of names",
    "distributed": "guessing by many",
    "abuse": "abuse",
}


@dataclass(slots=True)
class _Source:
    """One party at one service."""

    address: str
    service: str
    log: str
    first: int
    last: int
    fast: Bucket = field(default_factory=Bucket)
    slow: Bucket = field(default_factory=Bucket)
    users: Distinct[str] = field(default_factory=lambda: Distinct(64))
    lines: list[str] = field(default_factory=list)
    latest: str = ""
    failures: int = 0
    sound: int = 0
    successes: int = 0
    kind: str = ""
    entered: str | None = None


@dataclass(slots=True)
class _Account:
    """One name at one service, whoever tries it."""

    user: str
    service: str
    log: str
    first: int
    last: int
    sources: Distinct[str] = field(default_factory=lambda: Distinct(256))
    times: deque[int] = field(default_factory=lambda: deque(maxlen=256))
    failures: int = 0
    sound: int = 0
    is_attacked: bool = False


@dataclass(slots=True)
class LoginFail:
    """Finds guessing in the lines of services that tell of refused logins, by leaky buckets.

    A source is an IPv4 address or an IPv6 /64. One that has logged in before has a larger
    allowance, and so has one that tries a single name slowly: a program with a stale password. A
    login that succeeds after many failures, under a name that was tried, is critical.

    Fails for guessing that is slower than `slow_leak_s` a try from each of a few sources, and for
    services whose lines tell no address.
    """

    name: ClassVar[str] = "loginfail"
    summary: ClassVar[str] = "Guessing of logins, from logs: fast, slow, of names, by many sources."
    of_logs: ClassVar[bool] = True

    attempts: int = 6
    """Refused logins at once; a person with a forgotten password stops at five. An unknown name
    counts for itself and for its password."""
    leak_s: float = 30.0
    """Seconds in which one of them is forgotten."""
    slow_attempts: int = 20
    """Refused logins over hours."""
    slow_leak_s: float = 1200.0
    """Seconds in which one of those is forgotten."""
    names: int = 6
    """Different names within an hour."""
    crowd: int = 8
    """Sources that fail at one account within an hour."""
    crowd_attempts: int = 16
    """Refused logins of such a crowd."""
    crowd_member: int = 2
    """Refused logins of one source at an account that a crowd attacks."""
    known_factor: int = 3
    """Allowance of a source that has logged in, and of one that tries one name slowly."""
    abuse: int = 10
    """Unwelcome acts other than logins, forgotten as fast."""
    quiet_s: float = 3600.0
    """Guessing that rested for so long is over."""
    most_sources: int = 8192
    """Sources with state, about 2 kB each."""
    most_accounts: int = 1024
    """Accounts with state, about 20 kB each at the worst."""

    _sources: Recent[tuple[str, str], _Source] = field(init=False, repr=False)
    _accounts: Recent[tuple[str, str], _Account] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the tables."""
        self._sources = Recent(self.most_sources)
        self._accounts = Recent(self.most_accounts)

    @property
    def dropped(self) -> int:
        """How many entries the tables had to drop so far."""
        return self._sources.dropped + self._accounts.dropped

    def inspect(self, window: Window, knowledge: Knowledge) -> Iterator[Finding]:
        """Look at one window."""
        sources: dict[tuple[str, str], _Source] = {}
        accounts: dict[tuple[str, str], _Account] = {}
        events = [event for event in window.events if event.kind in _KINDS and event.address]
        events.sort(key=lambda event: (event.time, event.address, event.user, event.message))
        for event in events:
            group = source_group(event.address, knowledge.home)
            if event.kind is LogKind.AUTH_OK:
                self._succeeded(event, group, sources)
            elif event.kind is LogKind.ABUSE:
                self._abused(event, group, sources)
            else:
                account = self._failed_account(event, group, accounts)
                self._failed(event, group, account, sources)
        for key, source in sources.items():
            yield self._source_finding(key, source, knowledge)
        for key, account in accounts.items():
            yield self._account_finding(key, account)

    def _source(self, key: tuple[str, str], event: LogEvent) -> _Source:
        source = self._sources.use(key)
        if source is not None and event.time - source.last <= self.quiet_s * _SECOND:
            source.last = max(source.last, event.time)
            return source
        fresh = _Source(event.address, event.service, event.source, event.time, event.time)
        if source is not None:
            fresh.successes, fresh.slow = source.successes, source.slow
            fresh.users = source.users
        return self._sources.put(key, fresh)

    def _note(self, source: _Source, event: LogEvent) -> None:
        source.failures += 1
        source.sound += not event.spoofable
        line = explain.escaped(event.message, _SHOWN_TEXT)
        if len(source.lines) < _SHOWN_LINES:
            source.lines.append(line)
        source.latest = line

    def _failed(
        self,
        event: LogEvent,
        group: str,
        account: _Account | None,
        changed: dict[tuple[str, str], _Source],
    ) -> None:
        key = (event.service, group)
        source = self._source(key, event)
        self._note(source, event)
        source.users.expire(event.time - _HOUR)
        if event.user:
            source.users.refresh(event.user[:_NAME], event.time)
        fast = source.fast.pour(event.time, self.leak_s)
        slow = source.slow.pour(event.time, self.slow_leak_s)
        if not source.kind:
            source.kind = self._judge(source, account, fast, slow)
        if source.kind:
            changed[key] = source

    def _judge(self, source: _Source, account: _Account | None, fast: float, slow: float) -> str:
        """Return what a source's failures are; '' while they may be a person's."""
        known = self.known_factor if source.successes else 1
        single = self.known_factor if len(source.users) <= 1 else 1
        if len(source.users) >= self.names * known:
            return "names"
        if fast >= self.attempts * known:
            return "fast"
        if slow >= self.slow_attempts * max(known, single):
            return "slow"
        crowded = account is not None and account.is_attacked and not source.successes
        return "distributed" if crowded and source.failures >= self.crowd_member else ""

    def _failed_account(
        self, event: LogEvent, group: str, changed: dict[tuple[str, str], _Account]
    ) -> _Account | None:
        if not event.user:
            return None
        key = (event.service, event.user[:_NAME])
        account = self._accounts.use(key)
        if account is None or event.time - account.last > self.quiet_s * _SECOND:
            fresh = _Account(key[1], event.service, event.source, event.time, event.time)
            account = self._accounts.put(key, fresh)
        account.last = max(account.last, event.time)
        account.failures += 1
        account.sound += not event.spoofable
        account.times.append(event.time)
        account.sources.expire(event.time - _HOUR)
        account.sources.refresh(group, event.time)
        if not account.is_attacked:
            need = self.crowd_attempts
            times = account.times
            often = len(times) >= need and event.time - times[-need] <= _HOUR
            account.is_attacked = often and len(account.sources) >= self.crowd
        if account.is_attacked:
            changed[key] = account
        return account

    def _succeeded(
        self, event: LogEvent, group: str, changed: dict[tuple[str, str], _Source]
    ) -> None:
        key = (event.service, group)
        source = self._source(key, event)
        tried = not event.user or not source.users or event.user[:_NAME] in source.users
        guessed = source.kind in {"fast", "slow", "names", "distributed"}
        if guessed and (tried or source.kind == "names"):
            source.entered = event.user[:_NAME]
            source.latest = explain.escaped(event.message, _SHOWN_TEXT)
            changed[key] = source
            return
        source.successes += 1
        if not guessed:
            source.fast = Bucket()
            source.users.discard(event.user[:_NAME])

    def _abused(self, event: LogEvent, group: str, changed: dict[tuple[str, str], _Source]) -> None:
        key = (f"{event.service} abuse", group)
        source = self._source(key, event)
        self._note(source, event)
        if source.fast.pour(event.time, self.leak_s) >= self.abuse:
            source.kind = "abuse"
        if source.kind:
            changed[key] = source

    def _source_finding(
        self, key: tuple[str, str], source: _Source, knowledge: Knowledge
    ) -> Finding:
        subject = explain.subject_named(source.address, "")
        minutes = max((source.last - source.first) / (60 * _SECOND), 1.0)
        feature = Feature(
            "login_failures",
            round(source.failures / minutes, 2),
            0.0,
            round(60.0 / self.leak_s, 2),
            "failures/min",
            1.0,
            "refused logins" if source.kind != "abuse" else "unwelcome acts",
        )
        severity = Severity.MEDIUM if source.kind == "abuse" else Severity.HIGH
        if source.entered is not None:
            severity = Severity.CRITICAL
        return Finding(
            detector=self.name,
            key=f"{key[1]}/{key[0]}",
            severity=severity,
            score=min(1.0, 0.5 + source.failures / 100),
            subject=subject,
            summary=_sentence(source, knowledge),
            first_seen=source.first,
            last_seen=source.last,
            packets=source.failures,
            evidence={
                "kind": source.kind,
                "service": source.service,
                "attempts": source.failures,
                "prefix": key[1],
                "users": _names(source.users),
                "distinct_users": len(source.users),
                "session_followed": source.entered is not None,
                "entered_as": explain.escaped(source.entered or "", _NAME),
                "lines": list(dict.fromkeys([*source.lines, source.latest])),
                "log": source.log,
            },
            features=(feature,),
            spoofable=source.sound < min(self.attempts, source.failures),
        )

    def _account_finding(self, key: tuple[str, str], account: _Account) -> Finding:
        service, user = key
        sources = list(account.sources)
        shown = explain.escaped(user, _NAME)
        count = explain.counted(account.failures, "refused login")
        took = explain.duration(max(1, account.last - account.first))
        listed = explain.listing(sources, len(sources))
        words = f'The account "{shown}" of {service} had {count} from {listed} in {took}'
        return Finding(
            detector=self.name,
            key=f"*/{service}/{shown}",
            severity=Severity.MEDIUM,
            score=min(1.0, 0.5 + account.failures / 100),
            subject=Subject(device=f"{service}:{shown}"),
            summary=explain.sentence([words, "no single source did it all"]),
            first_seen=account.first,
            last_seen=account.last,
            peers=tuple(Peer(each.partition("/")[0]) for each in sources[:_SHOWN_SOURCES]),
            peers_total=len(sources),
            packets=account.failures,
            evidence={
                "kind": "account",
                "service": service,
                "user": shown,
                "attempts": account.failures,
                "sources": len(sources),
                "log": account.log,
            },
            spoofable=account.sound < min(self.crowd_attempts, account.failures),
        )


def _names(users: Distinct[str]) -> list[str]:
    return [explain.escaped(user, _NAME) for user in list(users)[:_SHOWN_USERS]]


def _sentence(source: _Source, knowledge: Knowledge) -> str:
    who = explain.label(explain.subject_named(source.address, ""), knowledge)
    took = explain.duration(max(1, source.last - source.first))
    if source.kind == "abuse":
        acts = explain.counted(source.failures, "unwelcome act")
        return explain.sentence(
            [f"{who} was turned away by {source.service} after {acts} in {took}"]
        )
    tries = explain.counted(source.failures, "login")
    first = f"{who} was refused {tries} by {source.service} in {took}: {_WORDS[source.kind]}"
    names = explain.listing(_names(source.users), len(source.users))
    then = ""
    if source.entered is not None:
        entered = f' as "{explain.escaped(source.entered, 32)}"' if source.entered else ""
        then = f"then it was let in{entered}"
    return explain.sentence([first, then, f"it tried {names}" if source.users else ""])
