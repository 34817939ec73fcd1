"""The responder for hosts that filter by iptables: sets of ipset's, written by netlink.

The sets are `phage4`, `phage6` (addresses), `phage_net4` and `phage_net6` (prefixes). They are
asked by rules that phage puts before all others, or by yours:
`iptables -I INPUT -m set --match-set phage4 src -j DROP`.
"""

from __future__ import annotations

import subprocess  # noqa: TID251  iptables has no other interface; only at set-up, never for a ban.
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from phage.clock import SystemClock
from phage.errors import PhageError
from phage.records.decision import (
    Action,
    Direction,
    Receipt,
    ReceiptState,
    TargetKind,
)
from phage.respond.bans.members import FOREVER
from phage.respond.bans.places import keys_of
from phage.respond.netlink.conntrack import cut
from phage.respond.netlink.errors import KernelError
from phage.respond.netlink.ipset import ELEMENTS_AT_ONCE, LONGEST_TIMEOUT, IpSet
from phage.respond.netlink.link import Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from phage.clock import Clock
    from phage.records.decision import Decision
    from phage.respond.bans.places import Network

SETS = tuple(
    IpSet(f"phage{'_net' if networks else ''}{version}", version, networks)
    for version in (4, 6)
    for networks in (False, True)
)
MOST_ELEMENTS = 1_000_000
"""For each set; the kernel takes memory as they come."""
PROGRAMS = {4: "iptables", 6: "ip6tables"}
FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")
CHAIN = "PHAGE"
HOOKS = ("INPUT", "FORWARD")
PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 10.0
"""What somebody else removed of iptables' rules is back within so long: to look takes a program for
each IP version, some milliseconds."""


SOON = 5 * 10**9
"""Nanoseconds before a ban's end in which it is not missed: clocks differ, and are set."""


@dataclass(slots=True)
class IpsetResponder:
    """Bans sources by ipset.

    Attributes:
        install_rules: Put rules that ask the sets before all others, in a chain of its own.
        cut_connections: Remove the conntrack entries of what is banned.
    """

    name: ClassVar[str] = "ipset"
    summary: ClassVar[str] = "this machine's kernel, for hosts with iptables: sets of ipset's"

    install_rules: bool = True
    cut_connections: bool = True
    _clock: Clock = field(default_factory=SystemClock)
    _look_at: float = 0.0
    _link: Link = field(default_factory=Link)
    _held: dict[Network, dict[str, int]] = field(default_factory=dict)
    _is_ready: bool = False

    @staticmethod
    def available() -> str:
        """Return '' if the kernel has ipset and there is iptables, else why not."""
        link = Link()
        try:
            SETS[0].exists(link)
        except PhageError as error:
            return str(error)
        finally:
            link.close()
        return "" if _program("iptables") else "there is no iptables in /usr/sbin"

    def suits(self, decision: Decision) -> str:
        """Return '' when it can carry it out, else why not."""
        return _network_of(decision)[1]

    def apply(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Bring decisions into force; cut their connections."""
        if not self._is_ready:
            return self.replace(decisions, now)
        wanted, receipts = self._sorted_out(decisions, now)
        added = {network: dict(self._held.get(network, {})) for network in wanted.values()}
        for each, network in wanted.items():
            added[network][each.id] = each.until or FOREVER
        try:
            for spec in SETS:
                mine = {net: max(held.values()) for net, held in added.items() if _is_in(spec, net)}
                self._add(spec, mine, now)
        except KernelError as error:
            return [*receipts, *self._answers(wanted, ReceiptState.FAILED, now, str(error))]
        self._held |= added
        self._cut(added)
        return [*receipts, *self._answers(wanted, ReceiptState.APPLIED, now)]

    def revoke(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Take decisions out of force."""
        wanted, receipts = self._sorted_out(decisions, now, ending=True)
        try:
            for each, network in wanted.items():
                self._let_go(network, each.id, now)
        except KernelError as error:
            return [*receipts, *self._answers(wanted, ReceiptState.FAILED, now, str(error))]
        return [*receipts, *self._answers(wanted, ReceiptState.WITHDRAWN, now)]

    def replace(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Bring exactly these into force: each set is filled aside and swapped in."""
        wanted, receipts = self._sorted_out(decisions, now)
        held: dict[Network, dict[str, int]] = {}
        for each, network in wanted.items():
            held.setdefault(network, {})[each.id] = each.until or FOREVER
        try:
            for spec in SETS:
                self._refill(spec, held, now)
            if self.install_rules:
                _install()
        except PhageError as error:
            return [*receipts, *self._answers(wanted, ReceiptState.FAILED, now, str(error))]
        self._held, self._is_ready = held, True
        self._cut(held)
        return [*receipts, *self._answers(wanted, ReceiptState.APPLIED, now)]

    def is_disturbed(self) -> bool:
        """Tell whether somebody removed or emptied a set, or our rules of iptables."""
        if not self._is_ready:
            return True
        try:
            if not all(self._stands(spec) for spec in SETS):
                return True
            return self.install_rules and self._lost_rules()
        except PhageError:
            return True

    def close(self) -> None:
        """Close the socket; the kernel keeps and ends the bans."""
        self._link.close()

    def _sorted_out(
        self, decisions: Sequence[Decision], now: int, *, ending: bool = False
    ) -> tuple[dict[Decision, Network], list[Receipt]]:
        wanted: dict[Decision, Network] = {}
        receipts: list[Receipt] = []
        for each in decisions:
            network, why = _network_of(each)
            if each.until and each.until <= now and not ending:
                network, why = None, "it has expired"
            if network is None:
                receipts.append(Receipt(each.id, self.name, ReceiptState.UNSUITED, now, why))
            else:
                wanted[each] = network
        return wanted, receipts

    def _answers(
        self, wanted: Mapping[Decision, Network], state: ReceiptState, now: int, detail: str = ""
    ) -> list[Receipt]:
        return [
            Receipt(each.id, self.name, state, now, detail or f"set {_set_of(network).name}")
            for each, network in wanted.items()
        ]

    def _let_go(self, network: Network, id_: str, now: int) -> None:
        held = dict(self._held.get(network, {}))
        if held.pop(id_, None) is None:
            return
        if held:
            self._add(_set_of(network), {network: max(held.values())}, now)
            self._held[network] = held
        else:
            self._link.ask(_set_of(network).delete(network))
            del self._held[network]

    def _add(self, spec: IpSet, elements: Mapping[Network, int], now: int) -> None:
        timed = [(network, _seconds(until, now)) for network, until in elements.items()]
        for start in range(0, len(timed), ELEMENTS_AT_ONCE):
            self._link.ask(spec.add(timed[start : start + ELEMENTS_AT_ONCE]))

    def _refill(self, spec: IpSet, held: Mapping[Network, Mapping[str, int]], now: int) -> None:
        aside = IpSet(f"{spec.name}_new", spec.version, spec.networks)
        if aside.exists(self._link):
            self._link.ask(aside.destroy())
        if not spec.exists(self._link):
            self._link.ask(spec.create(MOST_ELEMENTS))
        self._link.ask(aside.create(MOST_ELEMENTS))
        mine = {net: max(holders.values()) for net, holders in held.items() if _is_in(spec, net)}
        self._add(aside, mine, now)
        self._link.ask(spec.swap(aside))
        self._link.ask(aside.destroy())

    def _lost_rules(self) -> bool:
        """Tell whether iptables' rules are gone; a program is run only once in a while."""
        now = self._clock.monotonic()
        if now < self._look_at:
            return False
        lost = not _are_installed()
        self._look_at = now if lost else now + LOOK_SECONDS
        return lost

    def _stands(self, spec: IpSet) -> bool:
        if not spec.exists(self._link):
            return False
        # What is about to end may have met it; anything else must be there.
        later = self._clock.now() + SOON
        sample = next(
            (
                network
                for network, held in self._held.items()
                if _is_in(spec, network) and max(held.values()) > later
            ),
            None,
        )
        return sample is None or spec.holds(self._link, sample)

    def _cut(self, networks: Iterable[Network]) -> None:
        if self.cut_connections:
            try:
                ends: dict[tuple[int, int], list[bytes]] = {}
                for each in networks:
                    at = (each.version, each.prefixlen)
                    ends.setdefault(at, []).append(each.network_address.packed)
                cut(self._link, ends)
            except KernelError:
                # The packets are dropped all the same.
                return


def _network_of(decision: Decision) -> tuple[Network | None, str]:
    """Return the network of a decision, or why it cannot be carried out."""
    if decision.action is not Action.BAN or decision.direction is not Direction.FROM:
        return None, "ipset only bans packets from an address or prefix"
    if not decision.pattern.is_everything:
        return None, "ipset cannot tell a source's packets apart"
    if decision.target.kind not in (TargetKind.IP, TargetKind.PREFIX):
        return None, "ipset only knows addresses and prefixes"
    try:
        (key,) = keys_of(decision.target)
    except ValueError as error:
        return None, str(error)
    return key.network, ""


def _is_in(spec: IpSet, network: Network) -> bool:
    single = network.prefixlen == network.max_prefixlen
    return spec.version == network.version and spec.networks is not single


def _set_of(network: Network) -> IpSet:
    return next(spec for spec in SETS if _is_in(spec, network))


def _seconds(until: int, now: int) -> int:
    """Return the seconds that are left, rounded up; 0 for without end."""
    if until >= FOREVER:
        return 0
    return min(max(1, -(-(until - now) // 1_000_000_000)), LONGEST_TIMEOUT)


def _program(name: str) -> Path | None:
    return next((found for folder in FOLDERS if (found := Path(folder, name)).is_file()), None)


def _install() -> None:
    """Have iptables ask the sets before all else, once. Raises PhageError."""
    for version, name in PROGRAMS.items():
        program = _program(name)
        if program is None:
            message = f"there is no {name} in /usr/sbin; install iptables"
            raise PhageError(message)
        _iptables(program, "-N", CHAIN, check=False)
        for how, rule in _rules(version):
            if not _iptables(program, "-C", *rule, check=False):
                _iptables(program, how, *rule, check=True)


def _are_installed() -> bool:
    """Tell whether all of our rules are there. Raises PhageError."""
    return all(
        (program := _program(name)) is not None and _iptables(program, "-C", *rule, check=False)
        for version, name in PROGRAMS.items()
        for _, rule in _rules(version)
    )


def _rules(version: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield our rules of an IP version, each with how it is put where it belongs."""
    for spec in SETS:
        if spec.version == version:
            yield "-A", (CHAIN, "-m", "set", "--match-set", spec.name, "src", "-j", "DROP")
    for hook in HOOKS:
        yield "-I", (hook, "-j", CHAIN)


def _iptables(program: Path, *arguments: str, check: bool) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  A fixed program; all arguments are our own.
            [program, "-w", "5", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_SECONDS,
            check=False,
            env={"LC_ALL": "C", "PATH": "/usr/sbin:/sbin"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"{program} does not do its work: {error}"
        raise PhageError(message) from error
    if check and done.returncode:
        message = f"{program} {' '.join(arguments)}: {done.stderr.strip()[:300]}"
        raise PhageError(message)
    return done.returncode == 0
