"""Sinks of decisions: notifiers are told, and metrics and health tell how responders do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.notify.notice import notice_of_decision, notice_of_finding
from phage.policy.meaning.targets import ALL_NOTIFIERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.daemon.enforcement import Enforcement
    from phage.notify.dispatch import Dispatcher
    from phage.policy.desk import Outcome
    from phage.records import Finding, Window
    from phage.telemetry.metrics import Registry


class NotifySink:
    """Hands findings and decisions to notifiers; never waits for one."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher

    def window(self, window: Window) -> None:
        """Windows are not told."""

    def decided(self, outcome: Outcome) -> None:
        """Tell a decision, and the finding to whom the rule names."""
        tell = self.dispatcher.tell
        if outcome.decision is not None:
            tell(notice_of_decision(outcome.decision, outcome.finding.severity))
        if outcome.intent.notify:
            everybody = outcome.intent.notify == ALL_NOTIFIERS
            names = self.dispatcher.names if everybody else outcome.intent.notify
            if names:
                tell(notice_of_finding(outcome.finding), names)

    def finding(self, finding: Finding) -> None:
        """Tell a finding to whom takes everything."""
        self.dispatcher.tell(notice_of_finding(finding))

    def close(self) -> None:
        """Tell what waits."""
        self.dispatcher.stop()


class PolicyMetrics:
    """Tells in /metrics how many decisions stand, and how responders do."""

    def __init__(self, registry: Registry, enforcement: Enforcement) -> None:
        self._enforcement = enforcement
        self._standing = registry.gauge(
            "phage_policy_standing", "Decisions that stand, those that are only recorded included."
        )
        self._in_force = registry.gauge("phage_policy_in_force", "Decisions that are carried out.")
        self._protected = registry.gauge(
            "phage_policy_allow_list", "Networks of others that can never be decided against."
        )
        self._losses = registry.counter(
            "phage_policy_losses_total", "What was refused, lost or went wrong, by kind.", ("kind",)
        )
        self._carried_out = registry.gauge(
            "phage_respond_in_force", "Decisions in force at a responder.", ("responder",)
        )
        self._failing = registry.gauge(
            "phage_respond_failing", "Decisions that a responder is asked again.", ("responder",)
        )
        self._events = registry.counter(
            "phage_respond_events_total",
            "Decisions applied and revoked, replacements, disturbances, failures.",
            ("responder", "event"),
        )
        self._listed = registry.gauge(
            "phage_policy_listed", "Networks of feeds by which packets are dropped as a whole."
        )
        registry.on_read(self.refresh)

    def refresh(self) -> None:
        """Read everything anew."""
        own = self._enforcement
        self._standing.set(len(own.ledger))
        self._in_force.set(own.ledger.enforced)
        self._protected.set(len(own.allow.networks))
        self._listed.set(own.lists.networks)
        losses = {
            "ledger_full": own.ledger.state.refused_full,
            "ledger_lost": own.ledger.state.lost,
            "receipts_dropped": own.receipts.dropped,
            "rates_dropped": own.rulebook.uncounted,
            "budget": own.desk.budget.refused,
            "allow_list_left_out": own.allow.left_out,
            "faults": own.faults,
        }
        for kind, count in losses.items():
            self._losses.reach(float(count), kind)
        for name, state in own.reconciler.states().items():
            self._carried_out.set(state.in_force, name)
            self._failing.set(state.failing, name)
            for event in ("applied", "revoked", "replaced", "disturbed", "failures"):
                self._events.reach(float(getattr(state, event)), name, event)


def health(enforcement: Enforcement) -> Mapping[str, str]:
    """Return what is wrong with deciding and acting, by part; empty when all is well."""
    found = {
        "ledger": enforcement.ledger.state.fault,
        "rules": enforcement.rulebook.fault,
        "block_lists": enforcement.lists.fault,
        "allow_list": "; ".join(enforcement.lifelines.faults),
        **{name: state.fault for name, state in enforcement.reconciler.states().items()},
    }
    if enforcement.held:
        found["panic"] = "the panic switch is on: nothing is blocked"
    return {name: fault for name, fault in found.items() if fault}
