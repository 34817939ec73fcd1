"""Whichever process is killed, and whenever: ledger and kernel agree again, and nothing is lost.

A share of the rounds here; `make soak` kills a thousand times (KILLS=1000).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from tests.system.acting.site import Site, parent

from phage.clock import SystemClock
from phage.daemon.control import ControlError
from phage.store.store import StoreLocation, open_reader
from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.system

KILLS = int(os.environ.get("KILLS", "20"))
SHORT, LONG = 4.0, 3600.0


@dataclass
class Person:
    """Bans and revokes by hand while processes die; remembers what was promised."""

    site: Site
    dice: random.Random
    hosts: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    promised: dict[str, float] = field(default_factory=dict)
    """Addresses that were said to be banned, and until when (monotonic)."""
    taken_back: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    """Addresses that it was asked to ban, whatever the answer."""
    stopping: threading.Event = field(default_factory=threading.Event)

    def act(self) -> None:
        while not self.stopping.is_set():
            with contextlib.suppress(ControlError):
                self._act()
            time.sleep(0.02)

    def _act(self) -> None:
        kept = [each for each in self.promised if each not in self.taken_back]
        if kept and self.dice.random() < 0.3:
            address = self.dice.choice(kept)
            self.taken_back.add(address)  # Whatever the answer: it may have been done.
            self.site.revoke(address)
            return
        number = next(self.hosts)
        address = f"203.{number // 65_000}.{number // 250 % 250}.{number % 250 + 1}"
        seconds = self.dice.choice((SHORT, LONG))
        self.asked.add(address)
        self.site.add(address, seconds)
        self.promised[address] = time.monotonic() + seconds

    def must_stand(self) -> set[str]:
        """Return what was promised and is neither taken back nor nearly over."""
        later = time.monotonic() + SHORT
        return {
            address
            for address, end in self.promised.items()
            if end > later and address not in self.taken_back
        }


def ledger(site: Site) -> set[str]:
    now = SystemClock().now()
    with open_reader(StoreLocation.of("", "", site.state / "store.sqlite3")) as store:
        return {each.target.value for each in store.decisions.standing() if each.is_in_force(now)}


def agree(site: Site) -> bool:
    """Tell whether ledger and kernel say the same, at a moment when nothing changes."""
    before = ledger(site)
    return before == site.banned() == ledger(site)


def test_ledger_and_kernel_agree_after_any_kill(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    seed = int(os.environ.get("SEED", "1"))
    dice = random.Random(seed)
    site.phage()
    person = Person(site, random.Random(seed + 1))
    took = []
    for round_ in range(KILLS):
        person.stopping.clear()
        thread = threading.Thread(target=person.act, daemon=True)
        thread.start()
        time.sleep(dice.uniform(0.0, 0.5))
        assert site.process is not None
        every = site.enforcers()  # One look: another may start to serve a moment later.
        served = [each for each in every if parent(each) in every]
        victim = dice.choice([site.process.pid, *every])
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        began = time.monotonic()
        if victim not in served:  # Another enforcer takes over; else phage ends.
            site.wait()
        person.stopping.set()
        thread.join(60)
        if victim not in served:
            began = time.monotonic()
            site.phage(budget={"in_all": 10**6})
        until(f"agreement after kill {round_}", lambda: agree(site))
        took.append(time.monotonic() - began)
        stands = ledger(site)
        assert person.must_stand() <= stands, "a promise was lost"
        assert stands <= person.asked, "something stands that nobody asked for"
    record_property("seconds_from_start_to_agreement_at_worst", round(max(took), 2))
    record_property("the_same_at_the_median", round(statistics.median(took), 2))
    record_property("kills_after_which_it_took_over_5_s", sum(each > 5.0 for each in took))

    def is_empty() -> bool:
        with contextlib.suppress(ControlError):  # Something expired between asking and telling.
            site.revoke(*ledger(site))
        return not site.banned()

    until("nothing left", is_empty)


def test_nothing_is_left_after_expiry_though_nobody_lives_to_see_it(site: Site) -> None:
    site.phage()
    for number in range(20):
        site.add(f"203.0.113.{number}", 3 * SHORT)
    assert len(site.banned()) == 20
    site.stop(signal.SIGKILL)
    until("the kernel's own end of it", lambda: not site.banned())
    site.phage()
    assert ledger(site) == set()
    until("the ledger's end of it", lambda: site.decisions() == [])
    ended = site.decisions("--all")
    assert {each["ended_by"] for each in ended} == {"expiry"}
