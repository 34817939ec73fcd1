"""What hostile devices call themselves is stored escaped and bounded, whatever says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock
from phage.daemon.devices import make_inventory
from phage.records import Observation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.records.observation import Value

AT = 1_700_000_000 * 1_000_000_000
MAC = "02:00:00:00:00:09"
HOSTILE = "\x1b[2J\x00<script>alert(1)</script>&amp;&#x41;\u202e\r\n" + "A" * 1_000_000

SAID: Mapping[str, dict[str, Value]] = {
    "neighbour": {"source": "kernel"},
    "dhcp": {"hostname": HOSTILE, "vendor_class": HOSTILE, "client_id": HOSTILE, "mud": HOSTILE},
    "mdns": {"response": True, "instance": HOSTILE, "name": HOSTILE, "txt": (HOSTILE,),
             "answers": (HOSTILE,), "services": (HOSTILE,)},
    "upnp": {"friendly_name": HOSTILE, "model_name": HOSTILE, "manufacturer": HOSTILE,
             "serial_number": HOSTILE},
    "ssdp": {"server": HOSTILE, "usn": HOSTILE, "st": HOSTILE},
    "banner": {"service": "http", "port": 80, "text": HOSTILE},
    "http": {"host": HOSTILE, "user_agent": HOSTILE},
    "nbns": {"name": HOSTILE},
    "llmnr": {"query": HOSTILE, "response": False},
    "wsd": {"types": HOSTILE, "address": HOSTILE, "scopes": HOSTILE},
    "lldp": {"system_name": HOSTILE, "description": HOSTILE, "mud": HOSTILE},
    "snmp": {"description": HOSTILE, "name": HOSTILE},
}  # fmt: skip


@pytest.mark.parametrize("kind", [*SAID, "all"])
def test_what_devices_say_is_stored_escaped_and_bounded(kind: str) -> None:
    inventory = make_inventory(("192.168.0.0/16",), FixedClock(AT))
    for number, (name, fields) in enumerate(SAID.items()):
        if name == "neighbour" or kind in {name, "all"}:
            at = AT + number * 1_000_000_000
            inventory.observe(
                Observation(name, at, 1, "192.168.1.9", "", 0, 0, MAC, "", 0, 17, 0, 0, fields)
            )
    entry = inventory.table.get(MAC)
    assert entry is not None
    device = entry.record()
    texts = [device.shown, *device.words, *(mark.value for mark in device.marks)]
    for trait in device.traits:
        texts += [trait.value, trait.evidence]
    assert all(text.isprintable() for text in texts)
    assert max(map(len, texts)) <= 256
