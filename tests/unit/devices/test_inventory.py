"""The inventory: who is who, under which addresses, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from phage.clock import FixedClock
from phage.devices.inventory import Inventory
from phage.devices.table import DeviceError
from phage.plugin import Runner
from phage.records.device import Attribute, Device, Mark, MarkKind, Reading, Trait
from phage.records.observation import Observation, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phage.devices.identifier import Reference

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
BEGIN = 1_700_000_000 * SECOND
HOME = ("192.168.1.0/24", "fe80::/10")
REAL, OTHER = "00:17:88:00:00:01", "00:17:88:00:00:02"
MADE_UP, NEWER = "02:00:00:00:00:01", "06:00:00:00:00:02"


class Told:
    """An identifier of tests: a message says marks and traits outright."""

    name: ClassVar[str] = "told"
    summary: ClassVar[str] = "what a test says"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"told": ("marks", "names", "category")}

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:
        marks = observation.fields.get("marks", ())
        names = observation.fields.get("names", ())
        assert isinstance(marks, tuple)
        assert isinstance(names, tuple)
        traits = [
            Trait(Attribute.NAME, name, 0.8, self.name, seen=observation.time) for name in names
        ]
        if category := observation.fields.get("category"):
            traits.append(
                Trait(Attribute.CATEGORY, str(category), 0.9, self.name, seen=observation.time)
            )
        yield Reading(
            observation.src_mac,
            observation.src,
            tuple(traits),
            tuple(Mark(MarkKind(kind), value) for kind, value in (m.split("=") for m in marks)),
        )


def inventory(most: int = 100) -> Inventory:
    return Inventory([Runner("told", Told(), FixedClock(BEGIN))], HOME, most=most)


def say(into: Inventory, at: float, mac: str, ip: str = "", *marks: str, **fields: Value) -> None:
    said: Mapping[str, Value] = {"marks": marks, **fields}
    moment = BEGIN + int(at * SECOND)
    into.observe(Observation("told", moment, 1, ip, "", 0, 0, mac, "", 0, 17, 0, 0, said))


def only(into: Inventory) -> Device:
    devices = into.devices()
    assert len(devices) == 1, [device.id for device in devices]
    return devices[0]


def test_a_device_keeps_its_id_over_addresses() -> None:
    known = inventory()
    say(known, 0, REAL, "192.168.1.5")
    say(known, 10, REAL, "192.168.1.6")
    say(known, 11, REAL, "fe80::1")
    device = only(known)
    assert device.id == REAL
    assert {seen.value for seen in device.addresses} == {"192.168.1.5", "192.168.1.6", "fe80::1"}
    assert known.of(ip="192.168.1.6") == device


def test_an_address_belongs_to_who_had_it_last() -> None:
    known = inventory()
    say(known, 0, REAL, "192.168.1.5")
    say(known, 10, OTHER, "192.168.1.5")
    found = known.of(ip="192.168.1.5")
    assert found is not None
    assert found.id == OTHER


def test_one_known_by_its_address_alone_gets_its_mac() -> None:
    known = inventory()
    say(known, 0, "", "192.168.1.5")
    say(known, 10, REAL, "192.168.1.5")
    device = only(known)
    assert (device.id, device.mac) == ("192.168.1.5", REAL)


def test_strangers_and_groups_are_no_devices() -> None:
    known = inventory()
    say(known, 0, REAL, "8.8.8.8")
    say(known, 0, "", "192.168.1.255")
    say(known, 0, "33:33:00:00:00:16")
    say(known, 0, "00:00:00:00:00:00", "0.0.0.0")  # noqa: S104
    assert not known.devices()


def test_a_made_up_address_is_joined_by_its_client_id() -> None:
    known = inventory()
    say(known, 0, MADE_UP, "192.168.1.5", "client_id=ff0001", "hostname=annas-phone")
    say(known, 7200, NEWER, "192.168.1.9", "client_id=ff0001")
    device = only(known)
    assert device.id == MADE_UP
    assert device.mac == NEWER
    assert device.joins[0].mac == NEWER
    assert device.joins[0].confidence >= 0.85
    assert "client id 'ff0001'" in device.joins[0].why


def test_a_name_that_many_have_joins_nobody() -> None:
    known = inventory()
    say(known, 0, MADE_UP, "192.168.1.5", "hostname=iphone", "ja4=t13d")
    say(known, 7200, NEWER, "192.168.1.9", "hostname=iphone", "ja4=t13d")
    assert len(known.devices()) == 2


def test_two_seen_at_one_time_are_never_joined() -> None:
    known = inventory()
    say(known, 0, MADE_UP, "192.168.1.5", "client_id=ff0001")
    say(known, 5, NEWER, "192.168.1.9")
    say(known, 6, MADE_UP, "192.168.1.5")
    say(known, 7, NEWER, "192.168.1.9", "client_id=ff0001")
    assert len(known.devices()) == 2


def test_a_maker_s_address_is_not_joined_to_a_maker_s_address() -> None:
    known = inventory()
    say(known, 0, REAL, "192.168.1.5", "client_id=ff0001")
    say(known, 7200, OTHER, "192.168.1.9", "client_id=ff0001")
    assert len(known.devices()) == 2


def test_nobody_takes_the_place_of_a_thing_by_its_words() -> None:
    known = inventory()
    say(known, 0, REAL, "192.168.1.5", "client_id=ff0001", category="camera")
    say(known, 7200, MADE_UP, "192.168.1.9", "client_id=ff0001")
    assert len(known.devices()) == 2


def test_a_phone_that_began_with_its_maker_s_address_is_joined() -> None:
    known = inventory()
    say(known, 0, REAL, "192.168.1.5", "client_id=ff0001", category="phone")
    say(known, 7200, MADE_UP, "192.168.1.9", "client_id=ff0001")
    assert only(known).id == REAL


def test_two_that_come_into_question_are_not_joined() -> None:
    known = inventory()
    third = "0a:00:00:00:00:03"
    say(known, 0, third, "192.168.1.6")
    say(known, 1, MADE_UP, "192.168.1.5", "client_id=ff0001", "uuid=1", "instance=x y")
    say(known, 2, third, "192.168.1.6", "client_id=ff0001", "uuid=1", "instance=x y")
    say(known, 7200, NEWER, "192.168.1.9", "client_id=ff0001", "uuid=1", "instance=x y")
    assert len(known.devices()) == 3


def test_addresses_that_speak_by_turns_are_parted_again() -> None:
    known = inventory()
    say(known, 0, MADE_UP, "192.168.1.5", "client_id=ff0001")
    say(known, 7200, NEWER, "192.168.1.9", "client_id=ff0001")
    only(known)
    for at, mac in enumerate((MADE_UP, NEWER, MADE_UP)):
        say(known, 7300 + at, mac, "192.168.1.5" if mac == MADE_UP else "192.168.1.9")
    assert {device.id for device in known.devices()} == {MADE_UP, NEWER}
    say(known, 20_000, NEWER, "192.168.1.9", "client_id=ff0001", "uuid=7")
    assert len(known.devices()) == 2


def test_a_person_merges_and_splits() -> None:
    known = inventory()
    say(known, 0, REAL, "192.168.1.5")
    say(known, 1, OTHER, "192.168.1.6")
    merged = known.edit.merge(REAL, [OTHER], "user:anna")
    assert only(known) == merged
    assert {seen.value for seen in merged.macs} == {REAL, OTHER}
    known.edit.split(REAL, OTHER, "user:anna")
    assert {device.id for device in known.devices()} == {REAL, OTHER}


def test_the_address_that_is_the_id_can_be_split_off() -> None:
    known = inventory()
    for number, mac in enumerate((REAL, OTHER, MADE_UP)):
        say(known, number, mac)
    known.edit.merge(REAL, [OTHER, MADE_UP], "user:anna")
    known.edit.split(REAL, REAL, "user:anna")
    devices = {device.id: device for device in known.devices()}
    assert set(devices) == {REAL, OTHER}
    assert {seen.value for seen in devices[OTHER].macs} == {OTHER, MADE_UP}


def test_people_find_a_device_by_all_its_names() -> None:
    known = inventory()
    say(known, 0, REAL, "192.168.1.5", names=("Philips-hue",))
    known.edit.rename(REAL, "Hall light", "user:anna")
    for name in (REAL, REAL.upper().replace(":", "-"), "192.168.1.5", "hall LIGHT"):
        assert known.edit.find(name).id == REAL
    with pytest.raises(DeviceError, match="no device is 'nobody'"):
        known.edit.find("nobody")


def test_names_are_given_once() -> None:
    known = inventory()
    say(known, 0, REAL)
    say(known, 0, OTHER)
    known.edit.rename(REAL, "Light", "user:anna")
    with pytest.raises(DeviceError, match="rules ask for devices by name"):
        known.edit.rename(OTHER, "light", "user:anna")


def test_a_person_s_word_is_final() -> None:
    known = inventory()
    say(known, 0, REAL, category="camera")
    assert only(known).category == "camera"
    known.edit.tell(REAL, Attribute.CATEGORY, "doorbell", "user:anna")
    say(known, 7200, REAL, category="camera")
    assert only(known).category == "doorbell"
    assert only(known).guess(Attribute.CATEGORY).confidence == 1.0
    known.edit.tell(REAL, Attribute.CATEGORY, "", "user:anna")
    assert only(known).category == "camera"


def test_the_stalest_goes_where_there_is_no_room_but_not_who_has_a_name() -> None:
    known = inventory(most=3)
    say(known, 0, REAL)
    known.edit.rename(REAL, "Light", "user:anna")
    for number in range(5):
        say(known, number + 1, f"00:00:00:00:01:{number:02x}")
    assert len(known) == 3
    assert known.dropped == 3
    assert REAL in {device.id for device in known.devices()}
    assert len(known.take_changes().gone) == 3


def test_presence_waits_for_longer_than_the_device_is_usually_silent() -> None:
    known = inventory()
    for at in (0, 1000, 2000, 3000):
        say(known, at, REAL)
    known.look(BEGIN + 4500 * SECOND)
    assert only(known).present
    known.look(BEGIN + 5100 * SECOND)
    assert not only(known).present
    say(known, 6000, REAL)
    events = [event.what for event in known.take_changes().events]
    assert events == ["new", "away", "back"]


def test_what_was_stored_is_taken_up() -> None:
    known = inventory()
    say(known, 0, MADE_UP, "192.168.1.5", "client_id=ff0001", names=("phone of Anna",))
    known.edit.label(MADE_UP, ["guest"], [], "user:anna")
    later = inventory()
    later.load(known.devices())
    assert later.devices() == known.devices()
    assert not later.take_changes().changed
    say(later, 7200, NEWER, "", "client_id=ff0001")
    assert only(later).labels == ("guest",)
