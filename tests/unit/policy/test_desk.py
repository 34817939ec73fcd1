"""The desk: what rules want goes through every safety measure, and nothing is left unrecorded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from phage.policy.allowlist import AllowList, Entry, entries_of
from phage.policy.budget import Budget
from phage.policy.desk import Desk, RefusedError, networks
from phage.policy.intent import Duration, Intent
from phage.policy.ledger import Ledger
from phage.policy.target import parse_target
from phage.records import FindingState
from phage.records.decision import Action, Decision, Direction, Pattern, Rate
from phage.testing.book import MemoryBook
from phage.testing.records import EPOCH, SECOND, make_decision, make_finding

if TYPE_CHECKING:
    from phage.records import Finding

MINUTE = 60 * SECOND
WEB = Pattern(protocol=6, ports=((443, 443),))


def wants(text: str = "203.0.113.9", **values: Any) -> Intent:
    fields: dict[str, Any] = {
        "rule": "Scanners",
        "action": Action.BAN,
        "target": parse_target(text),
        "reason": "it tried 100 ports",
        "duration": Duration(first=600, factor=4, longest=86_400),
        "dry_run": False,
    }
    return Intent(**fields | values)


@dataclass
class Office:
    """A desk whose rules are the intents that a test sets."""

    intents: list[Intent] = field(default_factory=list)
    shelf: MemoryBook = field(default_factory=MemoryBook)
    allow: AllowList = field(default_factory=AllowList)
    now: int = EPOCH

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.shelf)
        self.desk = Desk(
            self.ledger,
            self.allow,
            lambda finding, now: self.intents,
            enforce=True,
            home=networks(["192.168.0.0/16", "fd00::/8"]),
        )

    def take(self, finding: Finding | None = None, *intents: Intent) -> list[Decision | None]:
        self.intents = list(intents) or self.intents
        taken = self.desk.take(finding or make_finding(1), self.now)
        return [outcome.decision for outcome in taken]


@pytest.fixture
def office() -> Office:
    return Office()


def only(decisions: list[Decision | None]) -> Decision:
    assert len(decisions) == 1
    assert decisions[0] is not None
    return decisions[0]


def test_what_a_rule_wants_is_decided_with_reason_rule_finding_and_end(office: Office) -> None:
    made = only(office.take(make_finding(7), wants()))
    assert made.target == parse_target("203.0.113.9")
    assert (made.rule, made.finding, made.by) == ("Scanners", make_finding(7).id, "rule")
    assert made.until == EPOCH + 600 * SECOND
    assert made.is_in_force(EPOCH)


def test_updates_of_a_finding_decide_nothing_new(office: Office) -> None:
    office.take(None, wants())
    office.now += MINUTE
    assert office.take() == []
    assert len(office.shelf.saved) == 1


def test_a_finding_that_closed_or_was_merged_decides_nothing(office: Office) -> None:
    for state in (FindingState.CLOSED, FindingState.MERGED):
        assert office.take(make_finding(1, state=state), wants()) == []


def test_who_comes_again_is_banned_longer_up_to_a_limit(office: Office) -> None:
    lengths = []
    office.intents = [wants()]
    for _ in range(6):
        made = only(office.take())
        lengths.append((made.until - made.start) // SECOND)
        office.now = made.until + SECOND
        office.ledger.expire(office.now)
    assert lengths == [600, 2400, 9600, 38_400, 86_400, 86_400]


def test_a_ban_and_its_script_are_one_incident(office: Office) -> None:
    office.intents = [wants(run=("trigger",))]
    lengths = []
    for _ in range(3):
        ban, script = office.take()
        assert ban is not None
        assert script is not None
        assert ban.until == script.until
        lengths.append((ban.until - ban.start) // SECOND)
        office.now = ban.until + SECOND
        office.ledger.expire(office.now)
    assert lengths == [600, 2400, 9600]


def test_what_was_long_ago_does_not_count(office: Office) -> None:
    office.intents = [wants(duration=Duration(first=600, factor=4, memory=3600))]
    first = only(office.take())
    office.now = first.until + 7200 * SECOND
    office.ledger.expire(office.now)
    assert only(office.take()).until - office.now == 600 * SECOND


def test_a_rule_that_wants_it_much_longer_extends_what_another_decided(office: Office) -> None:
    first = only(office.take(None, wants()))
    long = wants(rule="Feeds", duration=Duration(first=86_400))
    again = only(office.take(None, wants(), long))
    assert (again.id, again.rule, again.until) == (first.id, "Feeds", EPOCH + 86_400 * SECOND)
    assert office.take(None, wants(), long) == []


def test_nothing_is_carried_out_until_enforcing_is_switched_on(office: Office) -> None:
    office.desk.enforce = False
    made = only(office.take(None, wants()))
    assert made.dry_run
    assert made.reason.startswith("would have banned 203.0.113.9: it tried 100 ports; not done: ")
    assert "policy.enforce" in made.reason
    assert office.ledger.all_in_force() == []
    assert office.take() == []
    office.desk.enforce = True
    assert not only(office.take()).dry_run


def test_a_rule_in_dry_run_is_recorded_only(office: Office) -> None:
    assert "dry run" in only(office.take(None, wants(dry_run=True))).reason
    assert office.desk.counts == {"dry_run": 1}


def test_one_way_evidence_bans_no_source(office: Office) -> None:
    forged = make_finding(1, spoofable=True)
    for intent in (
        wants(),
        wants("203.0.113.10", action=Action.LIMIT, rate=Rate(10)),
        wants("192.168.1.5", action=Action.QUARANTINE),
        wants("02:00:00:00:00:05"),
        wants("203.0.113.11", direction=Direction.BOTH),
        wants("203.0.113.12", direction=Direction.TO),
    ):
        made = only(office.take(forged, intent))
        assert made.dry_run
        assert "forged" in made.reason
    assert office.desk.counts == {"spoofable": 6}


def test_one_way_evidence_may_limit_the_service_of_the_victim(office: Office) -> None:
    intent = wants(
        "192.168.1.9", action=Action.LIMIT, rate=Rate(100), direction=Direction.TO, pattern=WEB
    )
    made = only(office.take(make_finding(1, spoofable=True), intent))
    assert not made.dry_run
    assert made.spoofable


@pytest.mark.parametrize(
    "intent",
    [
        wants("192.168.1.1"),
        wants("192.168.1.1", direction=Direction.TO),
        wants("192.168.1.0/24"),
        wants("0.0.0.0/0"),
        wants("::ffff:192.168.1.1"),
        wants("02:00:00:00:00:01"),
        wants("example.com"),
        wants("www.example.com"),
        wants("com"),
        wants("224.0.0.251"),
        wants("255.255.255.255"),
        wants("ff02::1"),
        wants("127.0.0.1"),
        wants("33:33:00:00:00:01"),
        wants(
            "192.168.1.1", action=Action.LIMIT, rate=Rate(1), direction=Direction.TO, pattern=WEB
        ),
    ],
    ids=lambda intent: f"{intent.action}-{intent.target.value}-{intent.direction}",
)
def test_nothing_on_the_allow_list_is_ever_decided_against(intent: Intent) -> None:
    listed = entries_of(["192.168.1.1", "02:00:00:00:00:01", "example.com"])
    office = Office(allow=AllowList(listed))
    made = only(office.take(None, intent))
    assert made.dry_run
    assert office.desk.counts == {"allow_list": 1}
    assert intent.target is not None
    with pytest.raises(RefusedError, match="allow-list"):
        office.desk.add(
            make_decision(
                1, id="", target=intent.target, action=intent.action, direction=intent.direction,
                pattern=intent.pattern,
            )
        )  # fmt: skip


def test_a_service_of_our_own_may_be_limited_and_never_cut() -> None:
    office = Office(allow=AllowList([Entry("192.168.1.9", "an address of ours", is_own=True)]))
    own: dict[str, Any] = {"target": parse_target("192.168.1.9"), "direction": Direction.TO}
    limit = wants(action=Action.LIMIT, rate=Rate(100), pattern=WEB, **own)
    assert not only(office.take(None, limit)).dry_run
    for intent in (
        wants(pattern=WEB, **own),
        wants(action=Action.LIMIT, rate=Rate(100), **own),
        replace(limit, direction=Direction.FROM),
    ):
        assert only(office.take(None, intent)).dry_run


def test_a_flood_at_our_public_address_is_limited_though_its_sources_are_forged() -> None:
    office = Office(allow=AllowList([Entry("198.51.100.10", "an address of ours", is_own=True)]))
    flood = make_finding(1, spoofable=True)
    limit = wants(
        "198.51.100.10", action=Action.LIMIT, rate=Rate(100), direction=Direction.TO, pattern=WEB
    )
    assert not only(office.take(flood, limit)).dry_run
    stranger = replace(limit, target=parse_target("198.51.100.11"))
    assert only(office.take(flood, stranger)).dry_run


def test_a_strangers_ipv6_address_is_banned_by_its_network(office: Office) -> None:
    assert only(office.take(None, wants("2001:db8::5"))).target.value == "2001:db8::/64"
    assert office.take(None, wants("2001:db8::6")) == []
    for ours in ("fd00::5", "fe80::5"):
        assert only(office.take(None, wants(ours))).target.value == ours


def test_only_the_address_is_banned_where_its_network_holds_what_is_protected() -> None:
    office = Office(allow=AllowList(entries_of(["2001:db8::1"])))
    assert only(office.take(None, wants("2001:db8::5"))).target.value == "2001:db8::5"
    assert only(office.take(None, wants("2001:db8::1"))).dry_run


def test_the_budget_of_a_minute_is_kept_and_what_is_beyond_it_is_recorded(office: Office) -> None:
    office.desk.budget = Budget(a_minute=3)
    for number in range(10):
        office.take(None, wants(f"203.0.113.{number}"))
    assert office.ledger.enforced == 3
    assert office.desk.counts == {"carried_out": 3, "budget": 7}
    office.now += MINUTE
    assert not only(office.take(None, wants("203.0.113.9"))).dry_run


def test_a_clock_that_is_set_back_does_not_use_up_the_budget() -> None:
    budget = Budget(a_minute=1)
    assert budget.spent(EPOCH) == 0
    budget.spend(EPOCH)
    assert budget.refusal(1, EPOCH + SECOND)
    assert not budget.refusal(1, EPOCH - 60 * MINUTE)


def test_the_budget_in_all_is_kept_by_rules_and_by_people(office: Office) -> None:
    office.desk.budget = Budget(in_all=1)
    office.take(None, wants("203.0.113.1"))
    assert only(office.take(None, wants("203.0.113.2"))).dry_run
    with pytest.raises(RefusedError, match="in_all"):
        office.desk.add(make_decision(3))


def test_what_a_person_revoked_is_not_decided_again_before_its_time(office: Office) -> None:
    made = only(office.take(None, wants()))
    office.desk.revoke([made.id], office.now, "user:root")
    assert [entry.act for entry in office.shelf.notes] == ["revoke"]
    again = only(office.take())
    assert again.dry_run
    assert "user:root" in again.reason
    office.now = made.until + 1
    office.ledger.expire(office.now)
    assert not only(office.take()).dry_run


def test_a_person_may_decide_for_ever_and_a_word_is_kept_of_it(office: Office) -> None:
    made = office.desk.add(make_decision(1, id="", until=0, by="user:root"))
    assert made.is_in_force(EPOCH + 10**18)
    assert [(each.author, each.act) for each in office.shelf.notes] == [("user:root", "add")]


def test_a_persons_decision_is_recorded_only_while_enforcing_is_off(office: Office) -> None:
    office.desk.enforce = False
    made = office.desk.add(make_decision(1, id=""))
    assert made.dry_run
    assert "policy.enforce" in made.reason


def test_what_comes_to_the_allow_list_is_no_longer_blocked() -> None:
    class Logins:
        addresses: tuple[str, ...] = ()

        def entries(self) -> list[Entry]:
            return [Entry(address, "who is logged in here") for address in self.addresses]

    logins = Logins()
    office = Office(allow=AllowList(sources=[logins]))
    office.take(None, wants("203.0.113.9"), wants("203.0.113.0/24"), wants("198.51.100.7"))
    logins.addresses = ("203.0.113.9",)
    ended = office.desk.respect(office.allow.look(), office.now)
    assert {each.target.value for each in ended} == {"203.0.113.9", "203.0.113.0/24"}
    assert {each.ended_by for each in ended} == {"allow-list"}
    assert [each.target.value for each in office.ledger.all_in_force()] == ["198.51.100.7"]


def test_being_connected_excuses_a_scan_but_not_guessing_passwords() -> None:
    young = Entry("203.0.113.9", "who is connected", is_unproven=True)
    office = Office(allow=AllowList([young]))
    assert only(office.take(make_finding(1, detector="portscan"), wants())).dry_run
    assert not only(office.take(make_finding(2, detector="bruteforce"), wants())).dry_run
    assert office.allow.networks.isdisjoint(networks(["203.0.113.9/32"]))


def test_who_is_only_to_be_told_is_told_once(office: Office) -> None:
    office.intents = [wants(action=None, notify=("mail",), target=None)]
    assert office.take() == [None]
    assert office.take() == []
    assert office.take(make_finding(2)) == [None]


def test_scripts_that_a_rule_names_get_a_decision_of_their_own(office: Office) -> None:
    taken = office.take(None, wants(run=("trigger",)))
    assert [each.responders for each in taken if each] == [(), ("trigger",)]


def test_a_target_that_makes_no_sense_is_counted(office: Office) -> None:
    strange = replace(wants(), target=replace(parse_target("203.0.113.9"), value="nobody"))
    assert office.take(None, strange) == []
    assert office.desk.counts == {"unusable": 1}
