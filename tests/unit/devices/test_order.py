"""Order: what each key of a profile comes after, and what came out of the blue."""

from __future__ import annotations

from phage.devices.keyuse import DAY_NS, use_of
from phage.devices.order import ENOUGH_TRAINS, MAX_BEFORE, Order
from phage.devices.profilebook import Book, book_of
from phage.devices.trains import MAX_JUDGED, MOST_BEFORE, SETTLED_NS, Trains
from phage.devices.used import Used
from phage.records.profile import EPHEMERAL, KeyUse, Phase, ProfileKey, Way

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND
HOUR_NS = 3600 * SECOND
LOOK_UP = ProfileKey(Way.OUT, 17, 53, "asks:maker.com")
SESSION = ProfileKey(Way.OUT, 6, 443, "name:maker.com")
BEAT = ProfileKey(Way.OUT, 17, 8886, "name:beat.com")

Odd = list[tuple[ProfileKey | None, ProfileKey]]


class Device:
    """A device whose doings a test tells one by one."""

    def __init__(self, least_ns: int = 3 * DAY_NS) -> None:
        self.book = Book("d", BEGIN, least_ns)
        self.trains = Trains()
        self.trains.open(BEGIN)
        self.trusted = True

    def does(self, key: ProfileKey, at: int) -> Odd:
        """Do a thing; return what was odd of what was done before it."""
        found = self.settle(at)
        self.book.begin(key, at, trusted=self.trusted)
        use = self.book.keys[key]
        if use.order.begun == at:
            used = Used(self.book, "", "", key.way, key.protocol, key.port, "", "", at, at, key=key)
            self.trains.begin(used, key, trusted=self.trusted)
        return found

    def settle(self, at: int) -> Odd:
        return [(used.key, after) for used, _, (after, _) in self.trains.take(at)]

    def train(self, at: int, *keys: ProfileKey) -> Odd:
        """Do several things, one a second."""
        found = []
        for second, key in enumerate(keys or (LOOK_UP, SESSION)):
            found += self.does(key, at + second * SECOND)
        return found + self.settle(at + 60 * SECOND)

    def week(self, *keys: ProfileKey) -> int:
        """Let a week pass with a train every three hours; return its end."""
        at = BEGIN + HOUR_NS
        while at < BEGIN + 7 * DAY_NS:
            assert not self.train(at, *keys)
            at += 3 * HOUR_NS
        self.book.phase = Phase.PROPOSE
        return at


def test_what_always_comes_after_something_is_odd_without_it() -> None:
    device = Device()
    at = device.week()
    order = device.book.keys[SESSION].order
    assert order.after == {LOOK_UP: 1.0}
    assert not device.train(at)
    assert device.train(at + HOUR_NS, SESSION) == [(SESSION, LOOK_UP)]
    assert not device.train(at + 2 * HOUR_NS, SESSION)  # Told once: now it came without.
    assert not device.train(at + 3 * HOUR_NS, LOOK_UP)  # What begins a train comes after nothing.


def test_what_comes_too_late_is_no_successor() -> None:
    device = Device()
    at = device.week()
    assert not device.train(at, LOOK_UP)
    assert device.train(at + 31 * SECOND, SESSION) == [(SESSION, LOOK_UP)]


def test_what_was_done_before_but_is_told_later_counts() -> None:
    device = Device()
    at = device.week()
    assert not device.does(SESSION, at + SECOND)
    device.book.begin(LOOK_UP, at, trusted=True)  # The core gathers for ten seconds.
    assert not device.settle(at + SECOND + SETTLED_NS)


def test_nothing_is_odd_while_the_profile_is_learned_or_after_few_trains() -> None:
    device = Device()
    at = device.week()
    device.book.phase = Phase.OBSERVE
    assert not device.train(at, SESSION)
    few = Device()
    for number in range(ENOUGH_TRAINS - 1):
        few.train(BEGIN + (number + 1) * 9 * HOUR_NS)
    few.book.phase = Phase.PROPOSE
    assert not few.train(BEGIN + 8 * DAY_NS, SESSION)


def test_what_is_about_all_the_time_tells_nothing() -> None:
    device = Device()
    at = BEGIN + HOUR_NS
    while at < BEGIN + 4 * DAY_NS:
        device.does(BEAT, at)
        if at % (10 * 600 * SECOND) == 0:
            device.does(SESSION, at + SECOND)
        at += 20 * SECOND
    device.book.phase = Phase.PROPOSE
    assert not device.book.keys[SESSION].order.after
    assert device.book.keys[BEAT].order.trains == 1
    assert not device.train(at + HOUR_NS, SESSION)


def test_nothing_is_learned_of_whom_findings_name() -> None:
    device = Device()
    at = device.week()
    device.trusted = False
    before = device.book.record().keys[SESSION].order.after
    assert device.train(at + HOUR_NS, SESSION) == [(SESSION, LOOK_UP)]
    assert device.book.record().keys[SESSION].order.after == before


def test_of_what_comes_first_nobody_knows_what_was_before() -> None:
    device = Device()
    at = device.week()
    late = Trains()
    late.open(at)
    device.trains = late
    assert not device.train(at + SECOND, SESSION)
    assert device.train(at + HOUR_NS, SESSION) == [(SESSION, LOOK_UP)]


def test_order_outlives_restarts_and_ports_that_become_one() -> None:
    device = Device()
    ports = [ProfileKey(Way.OUT, 17, port, "home") for port in range(5000, 5005)]
    at = device.week(ports[0], SESSION)
    device.book = book_of(device.book.record(), 0)
    assert device.book.keys[SESSION].order.after == {ports[0]: 1.0}
    for port in ports:
        device.book.generalised(port)
    one = ProfileKey(Way.OUT, 17, EPHEMERAL, "home")
    assert device.book.keys[SESSION].order.after == {one: 1.0}
    device.trains = Trains()
    device.trains.open(at)
    assert device.train(at + HOUR_NS, SESSION) == [(SESSION, one)]


def test_an_order_that_is_over_is_learned_anew() -> None:
    device = Device()
    at = device.week()
    other = ProfileKey(Way.OUT, 17, 53, "asks:new.example")
    odd: Odd = []
    device.book.keys[other] = use_of(KeyUse(at, at))
    for number in range(120):
        odd += device.train(at + number * HOUR_NS, other, SESSION)
    assert not odd  # It came after something, which is not out of the blue.
    assert device.book.keys[SESSION].order.after == {other: 1.0}


def test_what_comes_before_is_bounded() -> None:
    order = Order()
    for number in range(100):
        order.begin(number * HOUR_NS, number * HOUR_NS, None)
        order.learn([ProfileKey(Way.OUT, 6, number, "home"), LOOK_UP], number * HOUR_NS)
        assert len(order.after) <= MAX_BEFORE
    assert order.after == {LOOK_UP: 1.0}
    device = Device()
    use = use_of(KeyUse(BEGIN, BEGIN))
    device.book.keys[SESSION] = use
    used = Used(device.book, "", "", Way.OUT, 6, 443, "", "", BEGIN + HOUR_NS, BEGIN + HOUR_NS)
    for _ in range(MAX_JUDGED + 3):
        device.trains.begin(used, SESSION, trusted=True)
    assert device.trains.dropped == 3


def test_a_train_remembers_the_nearest_of_what_was_before() -> None:
    device = Device()
    for number in range(3 * MOST_BEFORE):
        device.does(ProfileKey(Way.OUT, 6, number, "home"), BEGIN + HOUR_NS + number)
    device.settle(BEGIN + 2 * HOUR_NS)
    last = device.book.keys[ProfileKey(Way.OUT, 6, 3 * MOST_BEFORE - 1, "home")]
    nearest = {each.port for each in last.order.after}
    assert nearest
    assert min(nearest) >= 2 * MOST_BEFORE - 1
