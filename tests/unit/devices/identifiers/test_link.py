"""What devices say on their link: WS-Discovery, LLDP, MLD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.devices.identifier import NoReference
from phage.devices.identifiers.lldp import LldpIdentifier
from phage.devices.identifiers.mld import MldIdentifier
from phage.devices.identifiers.wsd import WsdIdentifier
from phage.records.device import Attribute, MarkKind
from phage.testing.records import make_observation

if TYPE_CHECKING:
    from phage.devices.identifier import Identifier
    from phage.records.device import Reading


def read(identifier: Identifier, kind: str, /, **fields: object) -> Reading:
    (reading,) = identifier.read(make_observation(kind, **fields), NoReference())
    return reading


def told(reading: Reading) -> dict[str, str]:
    return {str(trait.attribute): trait.value for trait in reading.traits}


def test_a_camera_says_what_it_is() -> None:
    reading = read(
        WsdIdentifier(),
        "wsd",
        action="Hello",
        uuid="urn:uuid:1C85-2",
        types=("dn:NetworkVideoTransmitter", "tds:Device"),
        scopes=(
            "onvif://www.onvif.org/name/Hall%20Cam\x1b",
            "onvif://www.onvif.org/hardware/X2",
            "onvif://www.onvif.org/location/",
        ),
    )
    assert told(reading) == {"category": "camera", "name": "Hall Cam\\x1b", "product": "X2"}
    assert [(mark.kind, mark.value) for mark in reading.marks] == [(MarkKind.UUID, "1c85-2")]
    assert "wsd:dn:networkvideotransmitter" in reading.words


def test_who_looks_for_printers_is_none() -> None:
    reading = read(WsdIdentifier(), "wsd", action="Probe", types=("wprt:PrintDeviceType",))
    assert (reading.traits, reading.marks) == ((), ())
    assert reading.words == ("wsd?:wprt:printdevicetype",)


def test_a_telephone_tells_its_inventory() -> None:
    reading = read(
        LldpIdentifier(),
        "lldp",
        chassis="02:00:00:00:00:01",
        system_name="desk",
        system_description="Phone, Linux 5",
        capabilities=("bridge", "telephone"),
        manufacturer="Acme",
        model="P5",
        serial="S1",
        mud_url="https://phone.example/mud.json",
    )
    assert told(reading) == {
        "name": "desk", "vendor": "Acme", "product": "P5", "serial": "S1", "category": "telephone",
        "system": "Linux", "mud": "https://phone.example/mud.json",
    }  # fmt: skip
    assert [mark.kind for mark in reading.marks] == [MarkKind.SERIAL]
    assert all(len(trait.value) <= 500 for trait in reading.traits)


def test_a_bridge_alone_is_nothing() -> None:
    reading = read(LldpIdentifier(), "lldp", chassis="a", capabilities=("bridge", "station"))
    assert Attribute.CATEGORY not in {trait.attribute for trait in reading.traits}


def test_listeners_tell_groups_but_not_their_addresses() -> None:
    groups = ("ff02::fb", "ff02::1:ff12:3456")
    assert read(MldIdentifier(), "mld", kind="report", groups=groups).words == ("mld:ff02::fb",)
    assert read(MldIdentifier(), "mld", kind="query", groups=groups).words == ()
