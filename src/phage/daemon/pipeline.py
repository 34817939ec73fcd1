"""The way of a window: detectors, attacks, decisions, evidence, sinks. All the wiring is here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from phage.config.plugins import make
from phage.detect.attack import Attacks
from phage.detect.detector import CatalogEntry, Detector, Exports, Knowledge
from phage.detect.exported import Exported
from phage.detect.routers import Routers
from phage.plugin import Family, Runner, discover
from phage.records import Window
from phage.records.address import parse_address, parse_mac
from phage.records.catalog import feature_catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from phage.clock import Clock
    from phage.collect.collector import Collector
    from phage.config.settings import Settings
    from phage.daemon.evidence import EvidenceFolder
    from phage.policy.desk import Outcome
    from phage.records import Finding, Subject

    Decided = tuple[Finding, Sequence[Outcome]]

# Nothing is learned from a subject this long before and after its finding opened: an attack begins
# before it is seen, and goes on.
AROUND_NS = 600 * 1_000_000_000

DETECTORS = Family("detectors", Detector, "phage.detect.detectors")


class Sink(Protocol):
    """Takes what came out: the store, a log, the screen, metrics."""

    def window(self, window: Window) -> None:
        """Take a window as it was seen."""

    def decided(self, outcome: Outcome) -> None:
        """Take what was decided about a finding, before the finding itself."""

    def finding(self, finding: Finding) -> None:
        """Take a finding that was opened, updated or closed."""

    def close(self) -> None:
        """Write what is left."""


class Decider(Protocol):
    """Decides what follows from a finding, and sees to it: rules, ledger, responders."""

    def take(self, finding: Finding) -> Sequence[Outcome]:
        """Decide about a finding; return what is new. Never raises."""

    def excess(self, window: Window) -> Sequence[Finding]:
        """Return findings about who exceeds the rate of a rule. Never raises."""


class Follower(Protocol):
    """Follows devices, and tells detectors what is known of them."""

    def take(self, window: Window, knowledge: Knowledge) -> None:
        """Take in a window before detectors look at it. Never raises."""

    def close(self) -> None:
        """Store what is left."""


def make_detectors(settings: Settings, clock: Clock) -> list[Runner[Detector]]:
    """Make every detector that is available and not disabled, with its settings.

    Raises ConfigError for a setting that a detector does not have.
    """
    runners = []
    for plugin in discover(DETECTORS):
        if plugin.factory is None or not plugin.is_available:
            continue
        if plugin.name in settings.detectors.disabled:
            continue
        detector = make(plugin, settings.detectors.settings.get(plugin.name, {}))
        runners.append(Runner(plugin.name, detector, clock))
    return runners


def make_knowledge(settings: Settings, home: Sequence[str] = ()) -> Knowledge:
    """Return what detectors know from the start; `home` goes before the settings."""
    return Knowledge(
        home=tuple(map(str, home or settings.home)),
        budget=settings.learning.budget,
        catalog=tuple(CatalogEntry(*entry) for entry in feature_catalog()),
        thresholds=settings.volumes.records(),
        watched=settings.volumes.watched(),
        spared=settings.volumes.spared(),
    )


def _is_ours(finding: Finding, own: frozenset[str]) -> bool:
    """Tell whether a finding lays something to us; who attacks us meanwhile is told of."""
    if finding.evidence.get("subject_is") == "victim":
        return False
    return not own.isdisjoint(_names(finding.subject))


def _names(subject: Subject) -> tuple[str, ...]:
    return subject.mac, subject.ip, subject.device


@dataclass
class Pipeline:
    """Takes windows of one or more collectors and hands findings to sinks.

    Attributes:
        detectors: The detectors, each in its runner.
        knowledge: What detectors know beside the windows.
        sinks: Where findings and windows go.
        evidence: Keeps the packets around a finding; None where nothing is kept.
        decider: Decides what follows from findings; None in a replay, which never acts.
        devices: Follows the devices; None where nobody does.
        attacks: The findings that are open.
        routers: The routers that were seen.
        watching: All collectors that learn: nothing is to be learned of whom a log tells.
        scanning: Our own MAC and IP addresses while we scan: what we do ourselves is no attack.
    """

    detectors: Sequence[Runner[Detector]]
    knowledge: Knowledge
    sinks: Sequence[Sink]
    evidence: EvidenceFolder | None = None
    decider: Decider | None = None
    devices: Follower | None = None
    attacks: Attacks = field(default_factory=Attacks)
    routers: Routers = field(default_factory=Routers)
    watching: Sequence[Collector] = ()
    scanning: Callable[[], frozenset[str]] = frozenset
    now: int = 0
    _exported: Exported = field(default_factory=Exported)
    _over: Window | None = None
    _captures: dict[str, str] = field(default_factory=dict)

    def take(self, window: Window, collector: Collector) -> None:
        """Take one window through every step."""
        if window.events:
            reports = self._inspect(window, of_logs=True)
            self._hand_on(self._decide(self.attacks.merge(reports, window.end)), collector)
            return
        self.now = max(self.now, window.end)
        self.knowledge.learning = window.learning
        self.knowledge.attacked = self.attacks.named
        self.routers.take(window, self.knowledge.attacked)
        self.knowledge.routers = self.routers.known
        if self.devices is not None:
            self.devices.take(window, self.knowledge)
        self._over = self._exported.over(window) if window.from_exports else None
        reports = self._inspect(window, of_logs=False)
        if self.decider is not None:
            reports += self.decider.excess(window)
        decided = self._decide(self.attacks.merge(reports, window.end))  # Before all that can wait.
        for sink in self.sinks:
            sink.window(window)
        self._hand_on(decided, collector)

    def idle(self, now: int) -> None:
        """Let time pass: judge what was not answered, close what has been quiet."""
        reports: list[Finding] = []
        if now > self.now:
            empty = Window(self.now or now, now, learning=self.knowledge.learning)
            self.knowledge.deviations = ()
            reports = self._inspect(empty, of_logs=False)
            self.now = now
        self._hand_on(self._decide(self.attacks.merge(reports, self.now)), None)

    def finish(self) -> None:
        """Close what is open, and the sinks."""
        self._hand_on([(finding, ()) for finding in self.attacks.finish(self.now)], None)
        for sink in self.sinks:
            sink.close()
        if self.devices is not None:
            self.devices.close()

    def _inspect(self, window: Window, *, of_logs: bool) -> list[Finding]:
        reports: list[Finding] = []
        for runner in self.detectors:
            shown = self._shown(runner.plugin, window)
            if shown is not None and getattr(runner.plugin, "of_logs", False) is of_logs:
                reports += runner.call(runner.plugin.inspect, shown, self.knowledge)
        if reports and (own := self.scanning()):
            reports = [each for each in reports if not _is_ours(each, own)]
        return reports

    def _shown(self, detector: Detector, window: Window) -> Window | None:
        """Return what a detector is shown of a window, None for nothing."""
        if not window.from_exports:
            return window
        wants = getattr(detector, "of_exports", Exports.NOTHING)
        if wants is Exports.ALL:
            return window
        return self._over if wants is Exports.OVER else None

    def _decide(self, findings: Iterable[Finding]) -> list[Decided]:
        take = self.decider.take if self.decider is not None else None
        return [(finding, take(finding) if take is not None else ()) for finding in findings]

    def _hand_on(self, decided: Iterable[Decided], collector: Collector | None) -> None:
        for finding, outcomes in decided:
            done = self._with_capture(finding, collector)
            for sink in self.sinks:
                for outcome in outcomes:
                    sink.decided(outcome)
                sink.finding(done)

    def _with_capture(self, finding: Finding, collector: Collector | None) -> Finding:
        """Keep the packets of a finding when it opens, and stop learning from its subject."""
        capture = self._captures.get(finding.id)
        if capture is None and collector is not None:
            capture = self.evidence.keep(finding, collector) if self.evidence else ""
            for each in {id(each): each for each in (collector, *self.watching)}.values():
                self._distrust(finding, each)
            self._captures[finding.id] = capture
        if finding.state != "open":
            self._captures.pop(finding.id, None)
        return replace(finding, capture=capture or "")

    @staticmethod
    def _distrust(finding: Finding, collector: Collector) -> None:
        subject = finding.subject
        if subject.mac or subject.ip:
            collector.distrust(
                parse_mac(subject.mac) if subject.mac else 0,
                parse_address(subject.ip) if subject.ip else bytes(16),
                finding.first_seen - AROUND_NS,
                finding.last_seen + AROUND_NS,
            )


def total(counters: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add up the counters of several collectors."""
    sums: dict[str, int] = {}
    for mapping in counters:
        for name, value in mapping.items():
            sums[name] = sums.get(name, 0) + value
    return sums
