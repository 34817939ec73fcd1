"""Users, tokens, attempts and the audit log, over both engines."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from phage.access import audit as audit_module
from phage.access.access import Access, make_access
from phage.access.attempts import MAX_BY_ADDRESS, MAX_BY_USER, Attempts, origin_of
from phage.access.audit import hash_of
from phage.access.errors import AccessError, LoginError, SlowDownError, UnknownNameError
from phage.access.passwords import check_password, hash_password, is_password
from phage.access.roles import Role
from phage.access.totp import matching_step, totp_code
from phage.clock import FixedClock
from phage.store.store import Store, StoreLocation, open_store
from phage.testing.apilab import quick_passwords
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _quick_passwords() -> Iterator[None]:
    with quick_passwords():
        yield


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(EPOCH)


@pytest.fixture
def store(tmp_path: Path, clock: FixedClock) -> Iterator[Store]:
    with open_store(StoreLocation.of("", "", tmp_path / "store.sqlite3"), clock) as opened:
        yield opened


@pytest.fixture
def access(store: Store, clock: FixedClock) -> Access:
    return make_access(store, clock)


def test_codes_are_those_of_rfc_6238() -> None:
    # Appendix B, SHA-1, the last six of eight digits.
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        assert totp_code(secret, seconds // 30) == code
        assert matching_step(secret, code, (seconds + 30) * 10**9) == seconds // 30
        assert matching_step(secret, code, (seconds + 90) * 10**9) is None
    assert matching_step("not base32!", "000000", 0) is None


def test_passwords_are_argon2id_and_never_kept(access: Access, store: Store) -> None:
    hashed = hash_password(PASSWORD)
    assert hashed.startswith("$argon2id$")
    assert is_password(PASSWORD, hashed)
    assert not is_password(PASSWORD + "x", hashed)
    assert not is_password("", "")
    access.users.add("ada", Role.ADMIN, PASSWORD)
    rows = str(store.database.query("SELECT * FROM users"))
    assert PASSWORD not in rows


@pytest.mark.parametrize(
    "password", ["", "short", "1234567890", "aaaaaaaaaaaa", "adaadaadaada", "x" * 2000]
)
def test_poor_passwords_are_refused(password: str) -> None:
    with pytest.raises(AccessError):
        check_password(password, "ada")


@pytest.mark.parametrize("name", ["", " ", "a b", "../x", "a" * 65, "-x", "ü", "<script>"])
def test_names_that_are_none_are_refused(access: Access, name: str) -> None:
    with pytest.raises(AccessError):
        access.users.add(name, Role.VIEWER, PASSWORD)


def test_secrets_of_tokens_and_sessions_are_kept_as_digests(access: Access, store: Store) -> None:
    access.users.add("ada", Role.ADMIN, PASSWORD)
    _, secret = access.tokens.create("ada", "t", ["*"])
    session = access.sessions.begin("ada", "192.0.2.1", "test")
    for table in ("tokens", "sessions"):
        rows = str(store.database.query(f"SELECT * FROM {table}"))
        assert secret not in rows
        assert session not in rows
    assert access.tokens.identify(secret, "") is not None
    assert access.tokens.identify(secret[:-1], "") is None
    assert access.sessions.identify(session) is not None


def test_a_demoted_owner_takes_his_tokens_along(access: Access) -> None:
    access.users.add("root", Role.ADMIN, PASSWORD)
    access.users.add("ada", Role.OPERATOR, PASSWORD)
    _, secret = access.tokens.create("ada", "t", ["*"])
    access.users.set_role("ada", Role.VIEWER)
    found = access.tokens.identify(secret, "")
    assert found is not None
    assert not found.may("decisions:write")
    with pytest.raises(UnknownNameError):
        access.tokens.create("nobody", "t", ["*"])


def test_a_user_has_so_many_sessions_and_no_more(access: Access, clock: FixedClock) -> None:
    access.users.add("ada", Role.ADMIN, PASSWORD)
    secrets = []
    for _ in range(25):
        clock.nanoseconds += 10**9
        secrets.append(access.sessions.begin("ada", "", ""))
    alive = [access.sessions.identify(each) is not None for each in secrets]
    assert alive == [False] * 5 + [True] * 20


def test_a_stranger_who_guesses_does_not_lock_the_owner_out(clock: FixedClock) -> None:
    attempts = Attempts(clock)
    attempts.check("ada", "192.0.2.1")
    attempts.succeeded("ada", "192.0.2.1")
    for number in range(MAX_BY_USER + 5):
        try:
            attempts.check("ada", f"198.51.100.{number}")
        except SlowDownError:
            break
    else:
        pytest.fail("nobody was slowed down")
    with pytest.raises(SlowDownError):
        attempts.check("ada", "203.0.113.1")
    attempts.check("ada", "192.0.2.1")  # From where she was in before.
    attempts.check("bob", "203.0.113.1")


def test_one_address_is_slowed_down_whatever_names_it_tries(clock: FixedClock) -> None:
    attempts = Attempts(clock)
    for number in range(MAX_BY_ADDRESS):
        attempts.check(f"user{number}", f"2001:db8::{number:x}")
    with pytest.raises(SlowDownError):
        attempts.check("another", "2001:db8::ffff")
    attempts.check("another", "2001:db8:1::1")
    assert origin_of("::ffff:192.0.2.1") == "192.0.2.1"


def test_the_second_factor_can_be_cleared_by_an_admin(access: Access, clock: FixedClock) -> None:
    access.users.add("ada", Role.ADMIN, PASSWORD)
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    access.users.set_totp("ada", secret, totp_code(secret, clock.now() // 10**9 // 30))
    with pytest.raises(LoginError):
        access.login.check("ada", PASSWORD, "", "192.0.2.1")
    access.users.clear_totp("ada")
    assert access.login.check("ada", PASSWORD, "", "192.0.2.1").name == "ada"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE audit SET detail = 'nothing' WHERE number = 3", "was altered"),
        ("UPDATE audit SET happened = 1 WHERE number = 3", "was altered"),
        ("UPDATE audit SET number = 99 WHERE number = 9", "entries 9 to 98 are missing"),
        ("DELETE FROM audit WHERE number = 3", "entries 3 to 3 are missing"),
    ],
)
def test_what_was_altered_or_taken_out_of_the_log_shows(
    access: Access, store: Store, change: str, fault: str
) -> None:
    for number in range(10):
        access.audit.note("user:ada", "did", str(number))
    before = access.audit.verify()
    assert (before.entries, before.fault) == (10, "")
    store.database.execute(change)
    assert access.audit.verify().fault == fault


def test_an_entry_made_anew_breaks_the_one_after_and_the_end_shows_in_the_head(
    access: Access, store: Store
) -> None:
    for number in range(5):
        access.audit.note("user:ada", "did", str(number))
    head = access.audit.verify().head
    entry = access.audit.list(before=3, limit=1)[0]
    from dataclasses import replace

    forged = replace(entry, actor="user:bob")
    store.database.execute(
        "UPDATE audit SET actor = ?, hash = ? WHERE number = ?",
        (forged.actor, hash_of(forged), forged.number),
    )
    assert access.audit.verify().fault == "does not follow the entry before"
    store.database.execute("DELETE FROM audit WHERE number >= 2")
    cut = access.audit.verify()
    assert (cut.fault, cut.head == head) == ("", False)


def test_many_threads_and_processes_write_one_chain(
    access: Access, tmp_path: Path, clock: FixedClock
) -> None:
    def write(own: Access) -> None:
        for number in range(20):
            own.audit.note("user:ada", "did", str(number))

    location = StoreLocation.of("", "", tmp_path / "store.sqlite3")
    with open_store(location, clock) as other:
        second = make_access(other, clock)
        threads = [threading.Thread(target=write, args=(own,)) for own in (access, second, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = access.audit.verify()
    assert (found.entries, found.fault) == (60, "")


def test_the_oldest_entries_go_and_the_rest_still_verifies(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "MAX_ENTRIES", 20)
    monkeypatch.setattr(audit_module, "TRIM", 10)
    for number in range(45):
        access.audit.note("user:ada", "did", str(number))
    found = access.audit.verify()
    assert found.fault == ""
    assert 20 <= found.entries <= 32
    assert any(each.act == audit_module.TRIMMED for each in access.audit.list())


def test_a_refused_login_is_logged_without_what_was_typed(
    access: Access, caplog: pytest.LogCaptureFixture
) -> None:
    access.users.add("ada", Role.VIEWER, PASSWORD)
    for name, password in (("ada", "typed wrong"), ("my password", "x")):
        with pytest.raises(LoginError):
            access.login.check(name, password, "", "192.0.2.1")
    assert access.login.check("ada", PASSWORD, "", "192.0.2.1").name == "ada"
    assert caplog.messages == [
        "login from 192.0.2.1 as ada was refused: name, password or code is wrong",
        "login from 192.0.2.1 as nobody known was refused: name, password or code is wrong",
    ]
