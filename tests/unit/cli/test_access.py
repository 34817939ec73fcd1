"""`phage users`, `phage tokens` and `phage audit`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from phage.testing.apilab import quick_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator

Phage = Callable[..., Any]
Typed = Callable[[str], None]


@pytest.fixture(autouse=True)
def _quick_passwords() -> Iterator[None]:
    with quick_passwords():
        yield


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Return a function that gives standard input a line."""
    return lambda line: monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\n"))


def rows(phage: Phage, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(phage(*words, "--output", "json").out)
    return found


def test_users_are_added_listed_changed_and_removed(phage: Phage, typed: Typed) -> None:
    typed("correct horse battery")
    assert phage("users", "add", "ada", "--role", "admin").code == 0
    typed("correct horse battery")
    assert phage("users", "add", "ada").code == 1
    typed("short")
    assert phage("users", "add", "bob").code == 1
    assert "/welcome?link=" in phage("users", "add", "bob", "--link").out
    assert phage("users", "role", "bob", "operator").code == 0
    listed = rows(phage, "users", "list")
    assert [(each["name"], each["role"]) for each in listed] == [
        ("ada", "admin"),
        ("bob", "operator"),
    ]
    assert phage("users", "remove", "ada").code == 1
    assert phage("users", "remove", "bob").code == 0
    typed("another good password")
    assert phage("users", "password", "ada").code == 0


def test_tokens_are_created_listed_and_revoked(phage: Phage, typed: Typed) -> None:
    assert phage("tokens", "create", "early").code == 1
    typed("correct horse battery")
    phage("users", "add", "ada", "--role", "admin")
    secret = phage("tokens", "create", "bouncer", "--bouncer").out.strip()
    assert secret.startswith("phage_")
    listed = rows(phage, "tokens", "list")
    assert listed[0]["scopes"] == ["bouncer:read"]
    assert secret not in json.dumps(listed)
    assert phage("tokens", "revoke", listed[0]["id"]).code == 0
    assert rows(phage, "tokens", "list")[0]["revoked"]
    assert phage("tokens", "create", "x", "--scope", "nothing:read").code == 1
    assert phage("tokens", "create", "x", "--bouncer", "--scope", "*").code == 2


def test_every_change_is_in_the_log_which_can_be_checked(phage: Phage, typed: Typed) -> None:
    typed("correct horse battery")
    phage("users", "add", "ada", "--role", "admin")
    phage("tokens", "create", "one")
    acts = [each["act"] for each in rows(phage, "audit", "list")]
    assert acts == ["tokens create", "users add"]
    assert phage("audit", "verify").code == 0
