"""What rules know of the world here."""

from __future__ import annotations

from phage.daemon.facts import World
from phage.policy.allowlist import AllowList, Entry
from phage.policy.explain import party_of


class Own:
    """A machine in one network."""

    def entries(self) -> list[Entry]:
        everybody = {"is_own": True, "is_everybody": True}
        return [
            Entry("192.0.2.0", "the broadcast address of a network here", **everybody),
            Entry("192.0.2.7", "an address of this machine", is_own=True),
            Entry("2001:db8::7", "an address of this machine", is_own=True),
            Entry("192.0.2.255", "the broadcast address of a network here", **everybody),
            Entry("02:00:5e:10:00:01", "an interface of this machine"),
        ]


def test_this_machine_is_known_by_an_address_that_only_it_has() -> None:
    allow = AllowList(sources=[Own()])
    allow.look()
    facts = World((), allow, tuple, tuple, tuple).facts()
    assert [str(each.network_address) for each in facts.own] == [
        "192.0.2.7",
        "2001:db8::7",
        "192.0.2.0",
        "192.0.2.255",
    ]
    assert party_of("self", facts).ip == "192.0.2.7"
