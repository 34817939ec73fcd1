"""A feed's networks are dropped by in the kernel, without a decision for each."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from tests.system.acting.site import SERVER

from phage.testing.waiting import until

if TYPE_CHECKING:
    from tests.system.acting.site import Site

pytestmark = pytest.mark.system

BAD = "45.155.1.9"


def test_a_list_comes_into_force_outlives_its_enforcer_and_spares_the_allow_list(
    site: Site,
) -> None:
    site.inside("out", "ip", "address", "add", BAD, "dev", "eth0")
    site.inside("router", "ip", "route", "add", BAD, "dev", "out")
    listed = site.folder / "bad.netset"
    listed.write_text(f"{BAD}\n45.156.0.0/16\n", encoding="ascii")
    feed = {"type": "netset", "settings": {"url": str(listed)}}
    site.extra = {"intel": {"feeds": {"mine": feed}}}
    block = {"feeds": ["mine"], "confidence": 1}
    assert reaches(site)
    site.phage(block_lists=block)
    until("the list", lambda: not reaches(site))
    assert site.reaches(), "who is not on the list passes"
    (serving,) = site.serving()
    os.kill(serving, signal.SIGKILL)
    until("another enforcer", lambda: site.serving() not in ([], [serving]))
    assert not reaches(site)
    site.stop()
    site.phage(block_lists=block, allow=[BAD])
    until("the allow-list", lambda: reaches(site))


def reaches(site: Site) -> bool:
    """Tell whether the stranger reaches the server from the address that is listed."""
    ping = ("ping", "-n", "-c", "1", "-W", "0.5", "-I", BAD, SERVER)
    return " 0% packet loss" in site.inside("out", *ping, check=False)
