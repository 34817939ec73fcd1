"""Names of addresses are believed only if they lead back."""

from __future__ import annotations

import socket
import threading

import pytest

from phage.intel.reverse import name_of


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Answer from a table: what an address is called, and where that name leads."""
    table = {
        "198.51.100.7": "Mail.Example.net.",
        "mail.example.net": "198.51.100.7",
        "198.51.100.8": "liar.example",
        "liar.example": "198.51.100.9",
    }

    def by_address(address: str) -> tuple[str, list[str], list[str]]:
        if address not in table:
            raise socket.herror
        return table[address], [], []

    def by_name(name: str, _port: None) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, 1, 6, "", (table[name.rstrip(".").lower()], 0))]

    monkeypatch.setattr(socket, "gethostbyaddr", by_address)
    monkeypatch.setattr(socket, "getaddrinfo", by_name)
    return table


@pytest.mark.parametrize(
    ("address", "name"),
    [("198.51.100.7", "mail.example.net"), ("198.51.100.8", ""), ("198.51.100.9", "")],
    ids=["leads back", "leads elsewhere", "none"],
)
def test_a_name_is_told_if_it_leads_back(resolver: dict[str, str], address: str, name: str) -> None:
    assert name_of(address) == name


def test_a_server_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released, asked = threading.Event(), threading.Event()

    def silent(_address: str) -> None:
        released.wait(60)
        asked.set()
        raise socket.herror

    monkeypatch.setattr(socket, "gethostbyaddr", silent)
    assert name_of("198.51.100.7", 0.05) == ""
    released.set()
    assert asked.wait(60)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="no-address"):
        name_of("no-address")
