"""From findings to blocks: desk, ledger, allow-list, rules and responders, wired together.

Findings come by `take`, in the thread of the detectors. Threads of their own let decisions expire,
keep the allow-list fresh, follow the rules' times, and carry decisions out.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.daemon.facts import World
from phage.daemon.listblocks import BlockLists
from phage.daemon.loggedin import LoggedIn
from phage.daemon.placefacts import PlaceSets
from phage.daemon.receipts import Receipts
from phage.daemon.responders import KERNEL, make_workers
from phage.daemon.rulebook import Rulebook, rule_files
from phage.errors import PhageError, StateError
from phage.intel.geography import make_geography
from phage.policy.allowlist import AllowList, entries_of
from phage.policy.budget import Budget
from phage.policy.desk import Desk, networks
from phage.policy.hits import HitMeter
from phage.policy.ledger import Ledger
from phage.policy.lifelines.lifelines import Lifelines
from phage.policy.lifelines.sessions import Sessions
from phage.respond.reconcile import Reconciler
from phage.respond.remote import RemoteResponder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phage.clock import Clock
    from phage.config.settings import Settings
    from phage.config.statedir import StateDirectory
    from phage.daemon.listblocks import Keys
    from phage.daemon.live import Live
    from phage.notify.dispatch import Dispatcher
    from phage.policy.allowlist import Source
    from phage.policy.desk import Outcome
    from phage.policy.facts import Sets
    from phage.records.device import Device
    from phage.records.finding import Finding
    from phage.records.packetrule import Network, PacketRules
    from phage.records.window import Window
    from phage.store.repositories.findings import FindingRepository
    from phage.store.repositories.labels import LabelRepository
    from phage.store.repositories.rulehits import RuleHitsRepository
    from phage.store.store import Store

_log = logging.getLogger(__name__)

PANIC_SECONDS = 1.0
"""How long the enforcer may take for a panic."""

GRACE_SECONDS = 0.005
"""How long detection waits for its decision to be carried out. The responder's thread gets the
interpreter at once that way; one that is slow (a router, a script) holds nothing up for longer."""

TICK_SECONDS = 0.25
"""How often it is looked what has expired, and whether somebody pulled the panic switch."""

LOOK_SECONDS = 1.0
"""How often the allow-list is looked at anew: somebody who logs in is safe within a second."""

IDLE_TICK_SECONDS, IDLE_LOOK_SECONDS = 1.0, 10.0
"""The same two while enforcing is off: nothing is blocked, and nobody can be cut off."""

CLOCK_SECONDS = 2.0
"""By how much the time of day must have been set before everything is put in force again: the
kernel counts a block's seconds by themselves, the ledger keeps the time of day of its end."""

NAMES_SECONDS = 600.0
"""How often time servers are looked up by name: pools change, slowly."""

HITS_SECONDS = 60.0
"""How often the hits of static rules are added up."""


class KernelSwitch:
    """The enforcer's static rules and allow-list, over a connection for each thread's use."""

    def __init__(self, state: StateDirectory) -> None:
        self._socket = state.enforcer_socket
        self._rules = RemoteResponder(self._socket)
        self._allow = RemoteResponder(self._socket)

    def apply(self, rules: PacketRules, confirm: float) -> None:
        """Bring static rules into force, for `confirm` seconds unless confirmed."""
        self._rules.apply_rules(rules, confirm)

    def confirm(self) -> None:
        """Let what is on trial stand."""
        self._rules.confirm_rules()

    def roll_back(self) -> None:
        """Take back what is on trial."""
        self._rules.roll_back_rules()

    def hits(self) -> list[tuple[str, int, int]]:
        """Return rule, packets, and when the last was seen."""
        return self._rules.rule_hits()

    def protect(self, allowed: Sequence[Network]) -> None:
        """Set the allow-list, which no ban touches."""
        self._allow.protect(allowed)

    def lists(self) -> Mapping[str, int]:
        """Return the elements of each bulk list that stands."""
        return self._allow.lists()

    def load_list(self, name: str, keys: Keys, *, destination: bool) -> int:
        """Load or replace a bulk list of sources, of destinations too if wanted."""
        return self._allow.load_list(name, keys, destination=destination)

    def drop_list(self, name: str) -> None:
        """Take a bulk list out."""
        self._allow.drop_list(name)

    def panic(self) -> None:
        """Take everything out at once; any thread may ask, and waits for no other."""
        with closing(RemoteResponder(self._socket, PANIC_SECONDS)) as remote:
            remote.panic()


@dataclass
class Enforcement:
    """All that decides and acts. Made inert by `make_enforcement`.

    Attributes:
        desk: Decides.
        ledger: What stands.
        allow: What may not be decided against.
        reconciler: Carries out.
        rulebook: The rules.
        receipts: What responders said.
        lifelines: What this machine depends on.
        switch: The enforcer's static rules; None where the kernel is left alone.
        hits: Where hits of static rules are added up.
        state: The folder with the panic switch.
        clock: Tells the time.
        lists: Lists of threat intelligence, as rules and the kernel have them.
        places: Countries and autonomous systems, as rules have them.
        meter: Reads the hits.
        faults: Findings about which could not be decided, for a fault of phage's own.
        live: What goes on now; None until something is watched.
        dispatcher: Whom phage tells; None for nobody.
        labels: What people say of findings.
        findings: What was found.
        learns: Takes what was no attack for normal; None where nothing learns.
    """

    desk: Desk
    ledger: Ledger
    allow: AllowList
    reconciler: Reconciler
    rulebook: Rulebook
    receipts: Receipts
    lifelines: Lifelines
    switch: KernelSwitch | None
    hits: RuleHitsRepository
    state: StateDirectory
    clock: Clock
    lists: BlockLists
    places: PlaceSets
    meter: HitMeter = field(default_factory=HitMeter)
    faults: int = 0
    live: Live | None = None
    dispatcher: Dispatcher | None = None
    labels: LabelRepository | None = None
    findings: FindingRepository | None = None
    learns: Callable[[Finding], None] | None = None
    held: bool = field(default=False, init=False)
    _insists: bool = field(default=False, init=False)
    """The panic switch was pulled, and that could not be written down."""
    _clock_ahead: float | None = field(default=None, init=False, repr=False)
    """By how many seconds the time of day was ahead of the time since the machine's start."""
    rules_lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False, repr=False)

    def start(self) -> None:
        """Take up what stood, and bring it into force. Raises StoreError."""
        now = self.clock.now()
        self.ledger.load(now)
        self.allow.look()
        with self.rules_lock:
            self.held = self.rulebook.held = self.state.panic.exists()
            self.rulebook.start(now)
        self._protect()
        self.desk.review(now)
        if self.held:
            _log.warning("the panic switch is on: nothing is blocked until `phage panic --release`")
            self.reconciler.hold(held=True)
        self.reconciler.start()
        enforce = self.desk.enforce
        for name, seconds, work in (
            ("expiry", TICK_SECONDS if enforce else IDLE_TICK_SECONDS, self._tick),
            ("allow", LOOK_SECONDS if enforce else IDLE_LOOK_SECONDS, self._look),
            ("rules", LOOK_SECONDS, self._follow_rules),
            ("hits", HITS_SECONDS, self._count_hits),
            ("names", NAMES_SECONDS, self.lifelines.look_names_up),
        ):
            thread = threading.Thread(
                target=self._repeat, args=(seconds, work), name=f"phage-{name}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop; what is in force stays in force until it expires."""
        self._stopping.set()
        for thread in self._threads:
            if thread.name != "phage-names":  # It may wait for a name server.
                thread.join(timeout=5.0)
        self._count_hits()
        self.reconciler.stop()
        self.receipts.flush()

    def take(self, finding: Finding) -> list[Outcome]:
        """Decide about a finding, and carry it out; return what is new. Never raises."""
        try:
            outcomes = self.desk.take(finding, self.clock.now())
        except Exception as error:  # noqa: BLE001  A fault in policy must not end detection.
            self.faults += 1
            _log.exception("no decision about %s: %s", finding.id, error, extra={"limit": "policy"})
            return []
        if any(each.decision is not None and each.objection is None for each in outcomes):
            self.reconciler.wait(GRACE_SECONDS)
        return outcomes

    def excess(self, window: Window) -> list[Finding]:
        """Return findings about who exceeds the rate of a rule. Never raises."""
        try:
            return self.rulebook.excess(window)
        except Exception:  # noqa: BLE001  A fault in policy must not end detection.
            self.faults += 1
            _log.exception("rates were not judged", extra={"limit": "policy"})
            return []

    def panic(self) -> None:
        """Take every block out and keep it out, also after a restart where that can be kept."""
        try:
            if not self.state.panic.exists():  # Whoever made it: root's is not ours to touch.
                self.state.panic.touch(mode=0o600)
        except OSError as error:  # A disk that is full or read-only keeps no block in force.
            self._insists = True
            _log.error("%s: %s; the panic ends with phage", self.state.panic, error.strerror)
        self.hold(held=True)

    def release(self) -> None:
        """Bring blocks into force again. Raises StateError when the switch cannot be removed."""
        try:
            self.state.panic.unlink(missing_ok=True)
        except OSError as error:
            message = f"{self.state.panic}: {error.strerror}; remove it by hand"
            raise StateError(message) from error
        self._insists = False
        self.hold(held=False)

    def hold(self, *, held: bool) -> None:
        """Take every block out and keep it out, or bring them back (`phage panic`)."""
        self.held = self.rulebook.held = held
        self.reconciler.hold(held=held)
        if held and self.switch is not None:
            try:
                self.switch.panic()
            except PhageError as error:
                _log.error("the enforcer did not take the blocks out: %s", error)
        if not held:
            self.rulebook.renew()
        _log.warning("panic: nothing is blocked" if held else "panic is over: blocks are back")

    def _repeat(self, seconds: float, work: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                work()
            except Exception:  # noqa: BLE001  The next turn may do better; expiry must go on.
                _log.exception("%s failed", threading.current_thread().name)
            self._stopping.wait(seconds)

    def _tick(self) -> None:
        wanted = self._insists or self.state.panic.exists()
        if wanted != self.held:
            self.hold(held=wanted)
        now = self.clock.now()
        due = self.ledger.next_expiry() - now
        if 0 < due < int(TICK_SECONDS * 1e9):
            self._stopping.wait(due / 1e9)
            now = self.clock.now()
        self.ledger.expire(now)
        self._follow_clock()
        self.receipts.flush()

    def _follow_clock(self) -> None:
        """Put everything in force again for the time it has left, when the clock was set."""
        ahead = self.clock.now() / 1e9 - self.clock.monotonic()
        before = self._clock_ahead
        if before is not None and abs(ahead - before) < CLOCK_SECONDS:
            return
        self._clock_ahead = ahead
        if before is not None:
            _log.warning(
                "the clock was set by %+.0f s: blocks are put in force anew", ahead - before
            )
            self.reconciler.renew()
            self.rulebook.renew()

    def _look(self) -> None:
        new = self.allow.look()
        if new:
            self.desk.respect(new, self.clock.now())
        self._protect()
        if not self.held:
            self.lists.look(self.switch)

    def _protect(self) -> None:
        """Tell the kernel whom no ban touches; again each time, to whichever enforcer there is."""
        if self.switch is None or self.held:
            return
        try:
            self.switch.protect(sorted(self.allow.networks, key=str))
        except PhageError as error:
            _log.error("the allow-list: %s", error, extra={"limit": "protect"})

    def _follow_rules(self) -> None:
        self.places.look()
        with self.rules_lock:
            self.rulebook.tick(self.clock.now())

    def _count_hits(self) -> None:
        """Add what the kernel counted to what the store knows of each rule."""
        if self.switch is None or self.held:
            return
        try:
            with self.rules_lock:
                hits = self.meter.read(self.switch.hits(), self.clock.now())
            self.hits.save(hits)
        except PhageError as error:
            _log.warning("hits of rules: %s", error, extra={"limit": "hits"})


def make_enforcement(
    settings: Settings,
    state: StateDirectory,
    store: Store,
    clock: Clock,
    *extra: Source,
    devices: Callable[[], Sequence[Device]] = tuple,
    sets: Sequence[Sets] = (),
) -> Enforcement:
    """Wire everything that decides and acts; nothing is read or started yet.

    Args:
        settings: The settings in force.
        state: The folder of state.
        store: The ledger's own connection.
        clock: Tells the time.
        extra: More that is protected, as the routers that were seen.
        devices: Returns the devices of the inventory.
        sets: More sets that rules may ask for, as the domains that devices know.

    Raises ConfigError for a setting that makes no sense.
    """
    policy = settings.policy
    ports = policy.admin_ports
    lifelines = Lifelines(clock)
    sessions = Sessions(clock, ports, dict(os.environ))
    logged_in = LoggedIn(store.sessions, clock)
    allow = AllowList(entries_of(policy.allow), [lifelines, *extra, sessions, logged_in])
    ledger = Ledger(store.decisions)
    receipts = Receipts(store.receipts)
    workers = (
        make_workers(settings.respond, state, ledger, clock, receipts.take)
        if policy.enforce
        else []
    )
    reconciler = Reconciler(workers)
    ledger.on_change = reconciler.mark
    switch = KernelSwitch(state) if any(each.name == KERNEL for each in workers) else None
    home = networks(settings.home)
    lists = BlockLists(
        policy.block_lists,
        policy.budget.listed,
        frozenset(name for name, feed in settings.intel.feeds.items() if feed.enabled),
    )
    places = PlaceSets(make_geography(settings.intel.places))
    world = World(
        home,
        allow,
        devices,
        sessions.sessions,
        lifelines.routers,
        {"scripts": frozenset(settings.respond.scripts)},
        (lists, places, *sets),
    )
    rulebook = Rulebook(
        lambda: rule_files(settings, state), state.confirmed_rules, world.facts, switch
    )
    desk = Desk(
        ledger,
        allow,
        rulebook.decide,
        Budget(policy.budget.a_minute, policy.budget.in_all),
        enforce=policy.enforce,
        home=home,
        ipv6_prefix=policy.ipv6_prefix,
    )
    return Enforcement(
        desk,
        ledger,
        allow,
        reconciler,
        rulebook,
        receipts,
        lifelines,
        switch,
        store.rule_hits,
        state,
        clock,
        lists,
        places,
        labels=store.labels,
        findings=store.findings,
    )
