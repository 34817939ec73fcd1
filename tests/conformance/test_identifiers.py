"""Every identifier there is, crossed with every check, on hostile observations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.devices.identifier import IDENTIFIERS, Identifier
from phage.plugin import discover
from phage.records import Observation
from phage.testing.conformance import identifiers as checks

if TYPE_CHECKING:
    from phage.plugin import Plugin

PLUGINS = [plugin for plugin in discover(IDENTIFIERS) if plugin.is_available]
each_identifier = pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)

hostile = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        (
            "discover", "request", "registration", "20", "M-SEARCH", "a" * 5_000, "\x1b[2J\n",
            "<b>&amp;&lt;", "uuid:" + "f" * 64, "Mfg=x;Typ=Printer;Mod=\x00", "a.b.local", "::1",
            ".", "*.", ".local",
            "Android 9; SM-G960 Build", "OpenSSH_9.9p1\u202e", "TXT x._hap._tcp.local ci=17 id=",
        )
    ),
)  # fmt: skip
values = (
    hostile
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.booleans()
    | st.lists(hostile, max_size=5).map(tuple)
)


def identifier_of(plugin: Plugin) -> Identifier:
    assert plugin.factory is not None
    identifier = plugin.factory()
    assert isinstance(identifier, Identifier)
    return identifier


def observations_of(identifier: Identifier) -> st.SearchStrategy[Observation]:
    names = sorted({name for fields in identifier.reads.values() for name in fields})
    fields = st.dictionaries(st.sampled_from(names), values) if names else st.just({})
    return st.builds(
        Observation,
        kind=st.sampled_from(sorted(identifier.reads)),
        time=st.integers(0, 2**62),
        packet=st.just(1),
        src=st.sampled_from(("192.168.1.5", "fe80::1", "0.0.0.0", "")),  # noqa: S104
        dst=st.just("192.168.1.255"),
        src_port=st.just(1),
        dst_port=st.just(2),
        src_mac=st.sampled_from(("00:17:88:00:00:01", "02:00:00:00:00:01", "")),
        dst_mac=st.just("ff:ff:ff:ff:ff:ff"),
        vlan=st.just(0),
        protocol=st.just(17),
        device=st.just(0),
        flow=st.just(0),
        fields=fields,
    )


@each_identifier
@given(data=st.data())
def test_what_is_read_is_bounded_printable_and_the_same_each_time(
    plugin: Plugin, data: st.DataObject
) -> None:
    identifier = identifier_of(plugin)
    found = data.draw(st.lists(observations_of(identifier), max_size=5))
    checks.check_same(identifier, found)


@each_identifier
def test_it_reads_something(plugin: Plugin) -> None:
    assert identifier_of(plugin).reads
