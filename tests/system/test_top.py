"""`phage top` beside a running phage: what goes on now, and who is blocked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.system.conftest import phage_command, phage_json

from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Lab, Phage

pytestmark = pytest.mark.system

SETTINGS = {
    "policy": {"enforce": True, "allow": ["10.77.0.3"]},
    "respond": {"responders": ["dryrun"]},
    "home": ["10.77.0.0/24"],
}


def top(phage: Phage) -> dict[str, Any]:
    answer = phage_json("top", "--once", "--state-dir", str(phage.state))
    assert isinstance(answer, dict)
    return answer


def test_it_tells_who_talks_and_what_the_blocked_still_send(
    lab: Lab, needs: Callable[..., None]
) -> None:
    needs("ping")
    one, two = lab.add("one", 2), lab.add("two", 3)
    phage = lab.phage(settings=SETTINGS)
    lab.on_switch(
        *phage_command("decisions", "add", one.address, "--for", "1h",
                       "--state-dir", str(phage.state))
    ).wait()  # fmt: skip
    until("the block", lambda: top(phage)["in_force"] == 1)
    one.run("ping", "-q", "-c", "8", "-i", "0.1", two.address)
    until("packets of the blocked", lambda: top(phage)["bans"][0]["packets"] >= 8)
    told = top(phage)
    assert told["running"]
    assert told["enforce"]
    assert {one.address, two.address} <= {each["ip"] for each in told["sources"]}
    (ban,) = told["bans"]
    assert ban["target"] == one.address
    assert ban["octets"] >= 8 * 84
