"""The bus of a process: its password is shown to nobody."""

from __future__ import annotations

from pydantic import SecretStr

from phage.config.reference import as_values
from phage.config.settings import BusSettings
from phage.daemon.busrole import bus_collectors


def test_a_password_in_the_address_is_not_shown() -> None:
    bus = BusSettings(url=SecretStr("redis://phage:open-sesame@127.0.0.1:6379/0"))
    assert as_values(bus)["url"] == "(set)"
    assert "sesame" not in repr(bus)


def test_without_an_address_there_is_no_bus() -> None:
    assert bus_collectors(BusSettings()) == []
