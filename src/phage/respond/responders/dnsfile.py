"""Blocks domains by a file that the network's own DNS server reads."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from phage.records.decision import Action, Receipt, ReceiptState, TargetKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from phage.records.decision import Decision

_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")
"""A name as DNS servers' files have it: nothing in it can end a line or begin another word."""

_RPZ_HEAD = "$TTL 60\n@ SOA localhost. root.localhost. {serial} 60 60 86400 60\n@ NS localhost.\n"


def _hosts(names: Iterable[str], _serial: int) -> str:
    return "".join(f"0.0.0.0 {name}\n:: {name}\n" for name in names)


def _dnsmasq(names: Iterable[str], _serial: int) -> str:
    return "".join(f"address=/{name}/\n" for name in names)


def _rpz(names: Iterable[str], serial: int) -> str:
    lines = "".join(f"{name} CNAME .\n*.{name} CNAME .\n" for name in names)
    return _RPZ_HEAD.format(serial=serial) + lines


FORMATS: Mapping[str, Callable[[Iterable[str], int], str]] = {
    "hosts": _hosts,
    "dnsmasq": _dnsmasq,
    "rpz": _rpz,
}


@dataclass
class DnsFile:
    """Writes the domains that are banned to a file, for dnsmasq, Unbound, BIND, Knot or Pi-hole.

    "hosts": lines of hosts(5), of which dnsmasq's `hostsdir` takes notice by itself; the names
    alone, not what is below them. "dnsmasq": `address=` lines, names and all below. "rpz": a
    response policy zone (draft-vixie-dnsop-dns-rpz), names and all below. The file is replaced
    whole; the server reads it again by its own means.

    Fails where a device asks another DNS server, or keeps an answer; and what is in the file stays
    there when phage ends, until it runs again.
    """

    name: ClassVar[str] = "dnsfile"
    summary: ClassVar[str] = "the network's DNS server: a file of the domains that it refuses"

    path: str = ""
    """Absolute path of the file; nothing is written while it is empty."""
    format: str = "hosts"
    """What is written: "hosts", "dnsmasq" or "rpz"."""
    most: int = 100_000
    """Domains at most; more are refused."""

    dropped: int = field(default=0, init=False)
    """Decisions that were refused because the file is full."""
    _names: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    """The domains in force, by decision."""
    _written: tuple[int, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the settings. Raises ValueError that names the one that is wrong."""
        if self.format not in FORMATS:
            message = f"format: must be one of {', '.join(FORMATS)} (got {self.format!r})"
            raise ValueError(message)
        if self.path and not self.path.startswith("/"):
            message = f"path: must be an absolute path (got {self.path!r})"
            raise ValueError(message)
        if not 1 <= self.most <= 1_000_000:
            message = f"most: must be from 1 to 1000000 (got {self.most})"
            raise ValueError(message)

    def suits(self, decision: Decision) -> str:
        """Return '' when it can carry out such a decision, else why not, for people."""
        if decision.target.kind is not TargetKind.DOMAIN:
            return "a DNS server blocks domains only"
        if decision.action is not Action.BAN:
            return "a DNS server can only ban"
        if not _NAME.fullmatch(decision.target.value):
            return f"{decision.target.value!r} is no name that a DNS server's file can have"
        return "" if self.path else "no file is set (path)"

    def apply(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        """Add domains to the file."""
        names = dict(self._names)
        refused: dict[str, tuple[ReceiptState, str]] = {}
        for each in decisions:
            if reason := self.suits(each):
                refused[each.id] = (ReceiptState.UNSUITED, reason)
            elif each.until and each.until <= now:
                refused[each.id] = (ReceiptState.UNSUITED, "it has expired")
            elif each.id not in names and len(names) >= self.most:
                self.dropped += 1
                refused[each.id] = (ReceiptState.FAILED, f"the file has {self.most:,} domains")
            else:
                names[each.id] = each.target.value
        fault = self._write(names, now)
        default = (ReceiptState.FAILED, fault) if fault else (ReceiptState.APPLIED, self.path)
        return [self._receipt(each, now, refused.get(each.id, default)) for each in decisions]

    def revoke(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        """Take domains out of the file."""
        gone = {each.id for each in decisions}
        fault = self._write(
            {id_: each for id_, each in self._names.items() if id_ not in gone}, now
        )
        state = (ReceiptState.FAILED, fault) if fault else (ReceiptState.WITHDRAWN, "")
        return [self._receipt(each, now, state) for each in decisions]

    def replace(self, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        """Have exactly these in the file."""
        self._names, self._written = {}, ()
        return self.apply(decisions, now)

    def empty(self, owner: int, now: int) -> str:
        """Take all domains out in place; return '' or why that cannot be.

        For root, when the phage that wrote the file is dead: no link is followed, and no file of
        anybody but the account `owner` is written to.
        """
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(self.path, flags), "w", encoding="ascii") as file:
                about = os.fstat(file.fileno())
                if not stat.S_ISREG(about.st_mode) or about.st_uid != owner:
                    return f"{self.path}: is no file of phage's own"
                file.truncate(0)
                file.write(FORMATS[self.format]((), now // 10**9 % 2**32))
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"{self.path}: {error.strerror}"
        return ""

    def is_disturbed(self) -> bool:
        """Tell whether somebody else wrote or removed the file."""
        return bool(self.path) and self._stamp() != self._written

    def close(self) -> None:
        """Let go: nothing is open."""

    def _write(self, names: dict[str, str], now: int) -> str:
        """Write the file if that changes it; return '' or why it could not be written."""
        wanted = sorted(set(names.values()))
        if not self.path or (self._written and wanted == sorted(set(self._names.values()))):
            self._names = names
            return ""
        path = Path(self.path)
        # A DNS server that watches the folder leaves out what begins with a dot.
        fresh = path.with_name(f".{path.name}.new")
        content = FORMATS[self.format](wanted, now // 10**9 % 2**32)
        try:
            with fresh.open("w", encoding="ascii") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.chmod(0o644)
            fresh.replace(path)
        except OSError as error:
            return f"{error.filename or path}: {error.strerror}"
        self._names, self._written = names, self._stamp()
        return ""

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = Path(self.path).stat()
        except OSError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _receipt(self, decision: Decision, now: int, said: tuple[ReceiptState, str]) -> Receipt:
        return Receipt(decision.id, self.name, said[0], now, said[1])
