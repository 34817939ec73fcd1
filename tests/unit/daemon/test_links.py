from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from phage.daemon.links import Links

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from phage.collect.collectors.afpacket import AfPacketCollector


class FakeCollector:
    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.down = False
        self.losses = 0

    def counters(self) -> Mapping[str, int]:
        return {"source.link_down": int(self.down), "source.link_losses": self.losses}


def down(links: Links) -> list[str]:
    return list(links.down)


def links_of(*collectors: FakeCollector) -> Links:
    return Links(cast("list[AfPacketCollector]", list(collectors)))


def test_an_interface_that_goes_and_comes_back_is_told_once_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    one, other = FakeCollector("eth0"), FakeCollector("eth1")
    links = links_of(one, other)
    links.look()
    assert (down(links), caplog.messages) == ([], [])
    one.down, one.losses = True, 1
    links.look()
    links.look()
    assert down(links) == ["eth0"]
    one.down = False
    links.look()
    links.look()
    assert down(links) == []
    assert caplog.messages == [
        "eth0 is down or gone; nothing is seen there until it is back",
        "eth0 is back",
    ]


def test_threads_that_share_an_interface_tell_of_it_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    shares = [FakeCollector("eth0"), FakeCollector("eth0")]
    links = links_of(*shares)
    for share in shares:
        share.down, share.losses = True, 1
    links.look()
    assert down(links) == ["eth0"]
    assert len(caplog.messages) == 1


def test_a_link_that_was_lost_between_two_looks_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    one = FakeCollector("eth0")
    links = links_of(one)
    links.look()
    one.losses = 1
    links.look()
    links.look()
    assert caplog.messages == ["eth0 was down for a moment"]
