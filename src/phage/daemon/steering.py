"""Carries out what comes over the control socket."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339
from phage.daemon import requests
from phage.errors import StateError
from phage.policy.desk import RefusedError
from phage.policy.target import parse_target
from phage.records.decision import Action, Decision, Direction, Rate
from phage.records.scan import ScanOptions
from phage.store.repositories.labels import FindingLabel, Label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from phage.clock import Clock
    from phage.daemon.control import Caller
    from phage.daemon.devices import DeviceService
    from phage.daemon.discovery import DiscoveryService
    from phage.daemon.enforcement import Enforcement
    from phage.daemon.fences import Fences
    from phage.daemon.requests import Request
    from phage.records.device import Device

APPLY_SECONDS = 2.0
"""How long an answer waits for responders to carry out what was asked."""

PANIC_SECONDS = 0.8
"""The same of the panic switch, which answers within a second."""

Answer = dict[str, Any]


@dataclass
class Steering:
    """Turns requests into acts. Called by the control socket's threads.

    Attributes:
        enforcement: What is steered.
        clock: Tells when something was asked.
        devices: The devices, which people name and change; None where nobody follows them.
        discovery: Scans actively; None where nothing does.
        fences: The fences of devices.
    """

    enforcement: Enforcement
    clock: Clock
    devices: DeviceService | None = None
    discovery: DiscoveryService | None = None
    fences: Fences | None = None

    def __call__(self, request: Request, caller: Caller) -> Mapping[str, Any]:
        """Carry a request out; return the answer. Raises PhageError to refuse."""
        act = _ACTS[type(request)]
        return act(self, request, caller)

    def status(self, _request: requests.Status, _caller: Caller) -> Answer:
        """Tell how everything does."""
        own = self.enforcement
        return {
            "enforce": own.desk.enforce,
            "panic": own.held,
            "standing": len(own.ledger),
            "in_force": own.ledger.enforced,
            "decided": dict(own.desk.counts),
            "budget": {
                "a_minute": own.desk.budget.a_minute,
                "in_all": own.desk.budget.in_all,
                "spent": own.desk.budget.spent(self.clock.now()),
                "refused": own.desk.budget.refused,
            },
            "ledger": asdict(own.ledger.state),
            "responders": {name: asdict(state) for name, state in own.reconciler.states().items()},
            "rules": {
                "count": len(own.rulebook.ruleset.rules),
                "fault": own.rulebook.fault,
                "generation": own.rulebook.generation,
                "trial_until": _time(own.rulebook.trial_until),
            },
            "allow_list": [
                {"value": entry.value, "why": entry.why} for entry in own.allow.entries[:1000]
            ],
        }

    def list_decisions(self, request: requests.ListDecisions, _caller: Caller) -> Answer:
        """Tell what stands, the newest first."""
        standing = sorted(
            self.enforcement.ledger.all_standing(), key=lambda one: one.id, reverse=True
        )
        return {"decisions": [summary(each) for each in standing[: request.limit]]}

    def add(self, request: requests.AddDecision, caller: Caller) -> Answer:
        """Decide by hand."""
        now = self.clock.now()
        try:
            target = parse_target(request.target)
        except ValueError as error:
            raise RefusedError(str(error)) from error
        if request.action == "limit" and request.rate is None:
            message = "a limit needs the packets a second that it lets through (--rate)"
            raise RefusedError(message)
        there = self.enforcement.reconciler.states()
        if there and (unknown := sorted({*request.responders} - there.keys())):
            message = f"there is no responder {unknown[0]!r}, but {', '.join(sorted(there))}"
            raise RefusedError(message)
        action, direction = Action(request.action), Direction(request.direction)
        if action is Action.QUARANTINE:  # Nobody reaches what is to be mended, either.
            direction = Direction.BOTH
        made = self.enforcement.desk.add(
            Decision(
                target=target,
                action=action,
                direction=direction,
                reason=request.reason or "by hand",
                start=now,
                until=now + int(request.seconds * 1e9) if request.seconds else 0,
                by=caller.name,
                rate=Rate(request.rate) if request.rate is not None else None,
                responders=request.responders,
            )
        )
        self.enforcement.reconciler.wait(APPLY_SECONDS)
        return {
            "decision": summary(made),
            "receipts": self._receipts(made.id),
            "panic": self.enforcement.held,
        }

    def revoke(self, request: requests.RevokeDecisions, caller: Caller) -> Answer:
        """End decisions that are named by id, its beginning, or target."""
        ids: dict[str, None] = {}
        for name in request.names:
            found = self._named(name)
            if not found:
                message = f"nothing stands that is {name!r}; `phage decisions list` tells what does"
                raise StateError(message)
            ids.update(dict.fromkeys(found))
        ended = self.enforcement.desk.revoke(ids, self.clock.now(), caller.name)
        self.enforcement.reconciler.wait(APPLY_SECONDS)
        return {"decisions": [summary(each) for each in ended]}

    def _named(self, name: str) -> list[str]:
        decision = self.enforcement.ledger.get(name)
        if decision is not None:
            return [decision.id]
        if several := len(self.enforcement.ledger.beginning(name)):
            message = f"{several} decisions begin with {name!r}; write more of the id"
            raise StateError(message)
        try:
            target = parse_target(name)
        except ValueError:
            return []
        return [each.id for each in self.enforcement.ledger.against(target)]

    def _receipts(self, decision: str) -> list[dict[str, str]]:
        self.enforcement.receipts.flush()
        found = self.enforcement.receipts.repository.of([decision])[decision]
        return [
            {"responder": each.responder, "state": str(each.state), "detail": each.detail}
            for each in found
        ]

    def apply_rules(self, request: requests.ApplyRules, caller: Caller) -> Answer:
        """Bring the rule files into force, on trial if wanted."""
        own, now = self.enforcement, self.clock.now()
        with own.rules_lock:
            own.rulebook.apply(now, request.confirm)
        detail = f"confirm within {request.confirm:g} s" if request.confirm else ""
        own.ledger.note(caller.name, "rules apply", now, "", detail)
        return self._rules()

    def confirm_rules(self, _request: requests.ConfirmRules, caller: Caller) -> Answer:
        """Let the rules on trial stand."""
        own, now = self.enforcement, self.clock.now()
        with own.rules_lock:
            own.rulebook.confirm(now)
        own.ledger.note(caller.name, "rules confirm", now)
        return self._rules()

    def roll_back_rules(self, _request: requests.RollBackRules, caller: Caller) -> Answer:
        """Go back to the rules before."""
        own, now = self.enforcement, self.clock.now()
        with own.rules_lock:
            own.rulebook.roll_back(now)
        own.ledger.note(caller.name, "rules rollback", now)
        return self._rules()

    def _rules(self) -> Answer:
        book = self.enforcement.rulebook
        return {
            "rules": len(book.ruleset.rules),
            "enforced": self.enforcement.desk.enforce,
            "trial_until": _time(book.trial_until),
        }

    def rule_hits(self, _request: requests.RuleHits, _caller: Caller) -> Answer:
        """Tell how often each static rule met a packet since it stands."""
        own = self.enforcement
        with own.rules_lock:  # The switch is for one thread at a time.
            hits = own.switch.hits() if own.switch is not None else []
        return {
            "hits": [
                {"rule": rule, "packets": packets, "last_hit": _time(last)}
                for rule, packets, last in hits
            ]
        }

    def label(self, request: requests.LabelFinding, caller: Caller) -> Answer:
        """Keep what a person says that a finding was."""
        own, now = self.enforcement, self.clock.now()
        if own.labels is None:
            message = "findings cannot be labelled here"
            raise StateError(message)
        if request.label == "none":
            own.labels.remove(request.finding)
        else:
            label = Label(request.label)
            own.labels.save(FindingLabel(request.finding, label, request.note, caller.name, now))
            if label is Label.NOT_AN_ATTACK:
                self._excuse(request.finding)
        own.ledger.note(
            caller.name, "findings label", now, "", f"{request.finding}: {request.label}"
        )
        return {"finding": request.finding, "label": request.label}

    def _excuse(self, id: str) -> None:  # noqa: A002  The field's name.
        """Have everything that learns, here and at sensors, take a finding for normal."""
        own = self.enforcement
        finding = own.findings.get(id) if own.findings is not None else None
        if finding is not None and own.learns is not None:
            own.learns(finding)

    def live(self, request: requests.Live, _caller: Caller) -> Answer:
        """Tell what goes on now."""
        live = self.enforcement.live
        if live is None:
            message = "phage does not watch yet; ask again in a moment"
            raise StateError(message)
        return live.snapshot(self.clock.now(), request.limit)

    def channels(self, _request: requests.ListChannels, _caller: Caller) -> Answer:
        """Tell whom phage tells, and what became of it."""
        dispatcher = self.enforcement.dispatcher
        states = dispatcher.states() if dispatcher is not None else {}
        return {
            "channels": [
                {
                    "name": name,
                    "type": channel.notifier.name,
                    "least": str(channel.least),
                    "always": channel.always,
                    "digest_seconds": channel.pace.gather_s,
                    **asdict(told),
                }
                for name, (channel, told) in states.items()
            ]
        }

    def probe_channel(self, request: requests.ProbeChannel, _caller: Caller) -> Answer:
        """Tell one channel that this is a test."""
        dispatcher = self.enforcement.dispatcher
        if dispatcher is None:
            message = "nobody is told anything: no channel is set under notify"
            raise StateError(message)
        dispatcher.probe(request.name)
        return {"channel": request.name, "told": True}

    def panic(self, _request: requests.Panic, caller: Caller) -> Answer:
        """Take every block out and keep it out."""
        own = self.enforcement
        own.panic()
        own.ledger.note(caller.name, "panic", self.clock.now())
        return {"panic": True, "done": own.reconciler.wait(PANIC_SECONDS)}

    def release(self, _request: requests.Release, caller: Caller) -> Answer:
        """Bring blocks into force again."""
        own = self.enforcement
        own.release()
        own.ledger.note(caller.name, "release", self.clock.now())
        return {"panic": False, "done": own.reconciler.wait(APPLY_SECONDS)}

    def edit_device(self, request: requests.EditDevice, caller: Caller) -> Answer:
        """Change what is known of a device."""
        if self.devices is None:
            message = "no devices are followed here"
            raise StateError(message)
        if request.act == "forget":
            self._refuse_fenced(self.devices.inventory.edit.find(request.device))
        return {"device": self.devices.edit(request, caller.name).id}

    def fence(self, request: requests.FenceDevice, caller: Caller) -> Answer:
        """Fence a device in, or free it again, at once."""
        if self.devices is None or self.fences is None:
            message = "no devices are followed here"
            raise StateError(message)
        own, known = self.enforcement, self.devices
        device = known.inventory.edit.find(request.device)
        with self.fences.unless_it_fails(device):
            profile = known.profiler.books.profile(device.id)
            there = self.fences.change(request, device, profile)
            with own.rules_lock:
                own.rulebook.apply(self.clock.now(), 0.0)
        known.fenced(device.id, request, caller.name)
        return {"device": device.id, "there": there, **self._rules()}

    def _refuse_fenced(self, device: Device) -> None:
        if self.fences is not None and self.fences.path(device.id).exists():
            message = f"{device.shown} is fenced in; release it first"
            raise StateError(message)

    def start_scan(self, request: requests.StartScan, caller: Caller) -> Answer:
        """Begin an active scan."""
        own = self._discovery()
        options = ScanOptions(
            request.targets,
            request.ports,
            request.fast,
            request.udp,
            request.browse,
            request.outside,
            request.credentials,
            own.settings.discovery.community,
        )
        return {"scan": own.ask(options, caller.name).id}

    def scan_status(self, _request: requests.ScanStatus, _caller: Caller) -> Answer:
        """Tell how far the scan that runs is."""
        return self._discovery().status()

    def stop_scan(self, _request: requests.StopScan, _caller: Caller) -> Answer:
        """Stop the scan that runs."""
        return {"scan": self._discovery().stop()}

    def _discovery(self) -> DiscoveryService:
        if self.discovery is None:
            message = "nothing scans actively here"
            raise StateError(message)
        return self.discovery


_ACTS: Mapping[type[Any], Callable[[Steering, Any, Caller], Answer]] = {
    requests.Status: Steering.status,
    requests.ListChannels: Steering.channels,
    requests.ProbeChannel: Steering.probe_channel,
    requests.ListDecisions: Steering.list_decisions,
    requests.AddDecision: Steering.add,
    requests.RevokeDecisions: Steering.revoke,
    requests.ApplyRules: Steering.apply_rules,
    requests.ConfirmRules: Steering.confirm_rules,
    requests.RollBackRules: Steering.roll_back_rules,
    requests.RuleHits: Steering.rule_hits,
    requests.LabelFinding: Steering.label,
    requests.Live: Steering.live,
    requests.EditDevice: Steering.edit_device,
    requests.FenceDevice: Steering.fence,
    requests.StartScan: Steering.start_scan,
    requests.ScanStatus: Steering.scan_status,
    requests.StopScan: Steering.stop_scan,
    requests.Panic: Steering.panic,
    requests.Release: Steering.release,
}


def summary(decision: Decision) -> Answer:
    """Return a decision as an answer carries it, in the words that people use."""
    return {
        "id": decision.id,
        "kind": str(decision.target.kind),
        "target": decision.target.value,
        "action": str(decision.action),
        "direction": str(decision.direction),
        "reason": decision.reason,
        "rule": decision.rule,
        "finding": decision.finding,
        "by": decision.by,
        "start": rfc3339(decision.start),
        "until": _time(decision.until),
        "dry_run": decision.dry_run,
        "ended": _time(decision.ended),
        "ended_by": decision.ended_by,
    }


def _time(nanoseconds: int) -> str:
    return rfc3339(nanoseconds) if nanoseconds else ""
