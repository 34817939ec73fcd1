"""Who is logged in to administer this machine, so that nobody cuts himself off.

A login over SSH is an established connection to its port. So is somebody who is just guessing
passwords, and must not protect himself by that. A connection counts as a session when the machine
says that its other end is logged in (utmp(5), systemd-logind), when phage was started from it, or
when it has lasted longer than a server waits for a password (120 seconds of LoginGraceTime in
sshd_config(5); 300 seconds of AUTH_TIMEOUT in dropbear). Where the machine keeps no record of
logins (a container, an appliance), every established connection counts; only findings about
guessing passwords look past those that are young.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phage.devices.discovery import rtnetlink
from phage.policy.allowlist import Entry
from phage.policy.facts import Session
from phage.policy.lifelines.lifelines import connections

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phage.clock import Clock
    from phage.policy.lifelines.lifelines import Endpoint

GRACE_SECONDS = 330.0
"""Longer than any usual server waits for a password: who only idles is hung up on before."""

MAX_SESSIONS = 1024
"""Connections whose age is remembered; a machine has a few administrators."""

READ_EVERY = 10.0
"""Seconds after which the table of sockets is read though no connection came or went: the kernel
walks through room for a hundred thousand connections for it."""

_ESTABLISHED = 1
_UTMP = struct.Struct("=hxxi32s4s32s256shhiii16s20s")
_BOOT, _USER_PROCESS = 2, 7
_COUNTS = ("PassiveOpens", "CurrEstab")
_VARIABLES = ("SSH_CLIENT", "SSH_CONNECTION")


@dataclass
class Sessions:
    """Finds the addresses of those who are logged in.

    Attributes:
        clock: Tells how old a connection is.
        ports: Ports of this machine that administrators connect to, besides that by which phage was
            started.
        environment: phage's own environment: who started it.
        root: The file system; another one in tests.
        dropped: Connections that did not fit.
    """

    clock: Clock
    ports: tuple[int, ...] = (22,)
    environment: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path("/")
    dropped: int = field(default=0, init=False)
    _sessions: tuple[Session, ...] = field(default=(), init=False, repr=False)
    _since: dict[Endpoint, float] = field(default_factory=dict, init=False, repr=False)
    _ends: Sequence[tuple[Endpoint, Endpoint]] = field(default=(), init=False, repr=False)
    _read_after: tuple[str, ...] = field(default=(), init=False, repr=False)
    _read_at: float = field(default=0.0, init=False, repr=False)

    def entries(self) -> list[Entry]:
        """Return the addresses of sessions."""
        found = dict.fromkeys((*self._utmp(), *self._logind()), "who is logged in here")
        found |= dict.fromkeys(self._started_from(), "who started phage")
        ages = self._connected()
        for address, age in ages.items():
            if age >= GRACE_SECONDS:
                found.setdefault(address, "who has a session on this machine")
        entries = [Entry(address, why) for address, why in found.items()]
        if not self._keeps_records():
            why = "who is connected to administer this machine"
            young = (address for address in ages if address not in found)
            entries += [Entry(address, why, is_unproven=True) for address in young]
        return entries

    def sessions(self) -> tuple[Session, ...]:
        """Return the connections of administrators as of the last look, for the check of rules."""
        if not self._sessions:
            return ()
        names = _interfaces()
        return tuple(
            replace(each, interface=names.get(each.destination, "")) for each in self._sessions
        )

    def _connected(self) -> dict[str, float]:
        """Return for how long each address has been connected, the longest, in seconds."""
        now = self.clock.monotonic()
        ports = sorted({*self.ports, *self._started_by()})
        seen: dict[Endpoint, float] = {}
        sessions: dict[Session, None] = {}
        for local, remote in self._established(ports, now):
            if len(seen) >= MAX_SESSIONS and remote not in self._since:
                self.dropped += 1
                continue
            seen[remote] = self._since.get(remote, now)
            sessions[Session(remote[0], local[0], local[1])] = None
        self._since, self._sessions = seen, tuple(sessions)
        ages: dict[str, float] = {}
        for (address, _), since in seen.items():
            if not ipaddress.ip_address(address).is_loopback:
                ages[address] = max(ages.get(address, 0.0), now - since)
        return ages

    def _established(self, ports: Sequence[int], now: float) -> Sequence[tuple[Endpoint, Endpoint]]:
        """Return both ends of the connections to ports of this machine, read when any changed."""
        changes = self._changes()  # Before the table, so that what changes meanwhile is seen next.
        if not changes or changes != self._read_after or now - self._read_at >= READ_EVERY:
            self._ends = [
                ends
                for name in ("tcp", "tcp6")
                for ends in connections(
                    self.root / "proc/net" / name, local=ports, state=_ESTABLISHED
                )
            ]
            self._read_after, self._read_at = changes, now
        return self._ends

    def _changes(self) -> tuple[str, ...]:
        """Return what the kernel counts of connections (proc_net_snmp(5)); () when it does not."""
        try:
            lines = (self.root / "proc/net/snmp").read_text("ascii").splitlines()
        except (OSError, ValueError):
            return ()
        names, values = ([*(line.split() for line in lines if line.startswith("Tcp:")), [], []])[:2]
        counts = dict(zip(names, values, strict=False))
        return tuple(counts[name] for name in _COUNTS if name in counts)

    def _started_from(self) -> set[str]:
        return {
            address
            for name in _VARIABLES
            for address in _canonical(self.environment.get(name, "").partition(" ")[0])
        }

    def _started_by(self) -> set[int]:
        """Return the port of this machine in SSH_CONNECTION: the last of its four words."""
        words = self.environment.get("SSH_CONNECTION", "").split()
        return {int(words[3])} if len(words) == 4 and words[3].isdigit() else set()

    def _keeps_records(self) -> bool:
        """Tell whether logins are written down: systemd runs, or utmp knows when it booted."""
        if (self.root / "run/systemd/system").is_dir():
            return True
        return any(kind == _BOOT for kind, _, _ in self._utmp_records())

    def _utmp(self) -> Iterator[str]:
        for kind, host, raw in self._utmp_records():
            if kind != _USER_PROCESS:
                continue
            address = raw if any(raw[4:]) else raw[:4]
            if any(address):
                yield from _canonical(str(ipaddress.ip_address(address)))
            yield from _canonical(host)

    def _utmp_records(self) -> Iterator[tuple[int, str, bytes]]:
        try:
            data = (self.root / "run/utmp").read_bytes()[: _UTMP.size * MAX_SESSIONS]
        except OSError:
            return
        for begin in range(0, len(data) - _UTMP.size + 1, _UTMP.size):
            record = _UTMP.unpack_from(data, begin)
            yield record[0], record[5].partition(b"\0")[0].decode("ascii", "replace"), record[11]

    def _logind(self) -> Iterator[str]:
        for path in sorted((self.root / "run/systemd/sessions").glob("*"))[:MAX_SESSIONS]:
            try:
                text = path.read_text("utf-8", "replace")
            except OSError:
                continue
            match = re.search(r"^REMOTE_HOST=(\S+)$", text, re.MULTILINE)
            if match is not None and re.search(
                r"^(?:STATE=(?:active|online))$", text, re.MULTILINE
            ):
                yield from _canonical(match[1])


def _interfaces() -> dict[str, str]:
    """Return the name of the interface that has each address of this machine."""
    try:
        names = {link.number: link.name for link in rtnetlink.links()}
        own = rtnetlink.own_addresses()
    except OSError:
        return {}
    return {str(each.address): names.get(each.link, "") for each in own}


def _canonical(text: str) -> Iterator[str]:
    """Yield an address in canonical text; nothing for a name, since names can be forged."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not address.is_unspecified and not address.is_loopback:
        yield str(address)
