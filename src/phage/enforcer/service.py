"""What the enforcer does when it is asked: one method a request, and no other way in."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phage.enforcer import ipsets
from phage.errors import PhageError
from phage.records.packetrule import PacketRules
from phage.respond.bans.plain import Batch
from phage.respond.responders.ipset import IpsetResponder
from phage.respond.wire import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from phage.clock import Clock
    from phage.respond.nft.apply import RuleSwitch
    from phage.respond.responders.nftables import NftablesResponder

_log = logging.getLogger(__name__)

NO_RULES = PacketRules()


@dataclass(slots=True)
class Service:
    """Carries requests out in the kernel.

    Attributes:
        kernel: The bans.
        rules: The static rules.
        clock: Tells until when a decision lasts: the asker's time is not believed.
        faults: What went wrong by itself, between requests.
        sets: The bans of hosts with iptables; inert unless somebody asks for them.
        iptables: iptables can be run.
    """

    kernel: NftablesResponder
    rules: RuleSwitch
    clock: Clock
    faults: int = 0
    sets: IpsetResponder = field(default_factory=IpsetResponder)
    iptables: bool = False
    _last_fault: str = ""
    _actions: dict[type[Any], Callable[[Any], object]] = field(init=False)

    def __post_init__(self) -> None:
        self._actions = {
            messages.Apply: self._apply,
            messages.Revoke: self._revoke,
            messages.Replace: self._replace,
            messages.IsDisturbed: lambda _: self.kernel.is_disturbed(),
            messages.Protect: self._protect,
            messages.LoadList: self._load_list,
            messages.DropList: lambda asked: self.kernel.drop_list(asked.name, self.clock.now()),
            messages.Lists: lambda _: sorted(self.kernel.lists().items()),
            messages.Counters: self._counters,
            messages.ApplyRules: lambda asked: self.rules.apply(asked.rules, asked.confirm),
            messages.ConfirmRules: lambda _: self.rules.confirm(),
            messages.RollBackRules: lambda _: self.rules.roll_back(),
            messages.RuleHits: lambda _: self.rules.hits(),
            messages.Trial: lambda _: self.rules.trial_until,
            messages.Panic: self._panic,
            messages.Ipset: self._ipset,
            messages.IpsetIsDisturbed: lambda _: self.sets.is_disturbed(),
        }

    def start(self) -> None:
        """Bring the static rules back that stood; bans come with the first `Replace`."""
        self._guarded(self.rules.restore)

    def do(self, request: messages.Request) -> object:
        """Carry a request out; return the answer. Raises PhageError."""
        return self._actions[type(request)](request)

    def tick(self) -> None:
        """Do what is due: put back what somebody flushed, roll back what was not confirmed."""
        now = self.clock.now()
        self._guarded(lambda: self.kernel.heal(now))
        self._guarded(lambda: self.rules.tick(now))

    def close(self) -> None:
        """Close the sockets; what is in force stays."""
        self.kernel.close()
        self.sets.close()
        self.rules.close()

    def _guarded(self, work: Callable[[], object]) -> None:
        """Count a fault and log it once, rather than end: the next try may do better."""
        try:
            work()
        except PhageError as error:
            self.faults += 1
            if str(error) != self._last_fault:
                self._last_fault = str(error)
                _log.error("the kernel is not as it should be: %s", error)
        else:
            self._last_fault = ""

    def _apply(self, asked: messages.Apply) -> object:
        return self.kernel.apply_batch(Batch(asked.decisions, asked.bans), self.clock.now())

    def _revoke(self, asked: messages.Revoke) -> object:
        return self.kernel.revoke_batch(Batch(asked.decisions, asked.bans), self.clock.now())

    def _replace(self, asked: messages.Replace) -> object:
        return self.kernel.replace_batch(Batch(asked.decisions, asked.bans), self.clock.now())

    def _protect(self, asked: messages.Protect) -> None:
        self.kernel.protect(asked.networks, self.clock.now())

    def _load_list(self, asked: messages.LoadList) -> object:
        # NumPy is loaded where there are lists, and nowhere else.
        from phage.respond.bans.lists import from_keys  # noqa: PLC0415

        return self.kernel.load_list(
            asked.name,
            from_keys(asked.keys),
            self.clock.now(),
            source=asked.source,
            destination=asked.destination,
        )

    def _counters(self, _asked: messages.Counters) -> object:
        return [[name, *counted] for name, counted in sorted(self.kernel.counters().items())]

    def _panic(self, _asked: messages.Panic) -> None:
        """The kernel first: it takes a millisecond. Then that the rules do not come back."""
        self.kernel.clear()
        self._forget_sets()
        ipsets.empty()
        self.rules.apply(NO_RULES, 0)

    def _ipset(self, asked: messages.Ipset) -> object:
        if asked.install_rules and not self.iptables:
            message = (
                "this enforcer may not run iptables: start it with `phage enforcer --iptables`, or "
                "set respond.settings.ipset.install_rules: false and have your rules ask the sets"
            )
            raise PhageError(message)
        self.sets.install_rules = asked.install_rules
        self.sets.cut_connections = asked.cut_connections
        return ipsets.carry_out(
            self.sets, asked.work, Batch(asked.decisions, asked.bans), self.clock.now()
        )

    def _forget_sets(self) -> None:
        """Begin anew: what comes next is a `Replace`."""
        self.sets.close()
        self.sets = IpsetResponder()
