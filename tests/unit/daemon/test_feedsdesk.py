"""Feeds that are changed by the API: used at once, kept, and never got from at home."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from phage.clock import SystemClock
from phage.collect.logs.told import ToldFeed
from phage.config.load import load_settings
from phage.config.statedir import StateDirectory
from phage.daemon.feedsdesk import LocalFeedsDesk
from phage.daemon.hunting import RetroHunt
from phage.daemon.intel import IntelService, intel_folder
from phage.errors import PhageError
from phage.intel.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.config.settings import Settings


class Watched:
    """Waits for a catalog that is as a test wants it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.catalog = Catalog()

    def publish(self, catalog: Catalog) -> None:
        with self.changed:
            self.catalog = catalog
            self.changed.notify_all()

    def has(self, entries: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: len(self.catalog) == entries, 60)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def desk(tmp_path: Path, watched: Watched) -> Iterator[LocalFeedsDesk]:
    (tmp_path / "my.list").write_text("45.1.1.0/24\n8.8.8.8\n")
    file = tmp_path / "phage.yaml"
    file.write_text(
        "# mine\nintel:\n  feeds:\n    mine:\n      type: netset\n      enabled: false\n"
        f"      settings: {{url: {tmp_path}/my.list}}\n"
    )
    environment = {"PHAGE_STATE_DIR": str(tmp_path / "state")}
    settings: Settings = load_settings(file, environment, {})
    state = StateDirectory(settings.state_folder)
    state.create()
    retro = RetroHunt(ToldFeed("told"), SystemClock(), 0.0)
    service = IntelService(settings, intel_folder(state), SystemClock(), watched.publish, retro)
    service.start()
    yield LocalFeedsDesk(settings, file, environment, state.feed_keys, service, SystemClock())
    service.stop()


def test_a_feed_is_enabled_and_used_at_once(desk: LocalFeedsDesk, watched: Watched) -> None:
    desk.enable("mine", on=True)
    assert watched.has(1)
    desk.enable("mine", on=False)
    assert watched.has(0)
    assert "# mine" in desk.path.read_text()
    with pytest.raises(PhageError, match="mine is disabled"):
        desk.update("mine")
    with pytest.raises(PhageError, match="mine is disabled"):
        desk.test("mine")


def test_a_feed_is_tried_and_not_kept(desk: LocalFeedsDesk, watched: Watched) -> None:
    desk.enable("mine", on=True)
    assert watched.has(1)
    state = desk.test("mine")
    assert state is not None
    assert (state.entries, dict(state.left_out)) == (1, {"public resolver": 1})


def test_a_trial_that_went_wrong_is_followed_by_another(
    desk: LocalFeedsDesk, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.enable("mine", on=True)
    assert watched.has(1)
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    with monkeypatch.context() as patched:
        patched.setattr("phage.daemon.feedsdesk.try_feed", lambda *_: 1 // 0)
        assert desk.test("mine") is None
    assert told
    assert desk.test("mine") is not None


def test_a_trial_that_could_not_begin_keeps_no_other_from_it(
    desk: LocalFeedsDesk, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def thread(**_: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    desk.enable("mine", on=True)
    assert watched.has(1)
    with monkeypatch.context() as patched:
        patched.setattr(
            "phage.daemon.feedsdesk.threading",
            SimpleNamespace(Thread=thread, Event=threading.Event),
        )
        with pytest.raises(RuntimeError):
            desk.test("mine")
    assert desk.test("mine") is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/list",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://192.168.1.1/x",
        "http://localhost/x",
        "http://printer.local/x",
        "file:///etc/shadow",
        "/etc/shadow",
        "ftp://example.org/x",
        "gopher://example.org",
        "http://[",
    ],
)
def test_addresses_at_home_and_files_are_refused(desk: LocalFeedsDesk, url: str) -> None:
    before = desk.path.read_text()
    with pytest.raises(PhageError, match="url: "):
        desk.add("bad", "netset", {"url": url}, 3600.0)
    assert desk.path.read_text() == before
    assert "bad" not in desk.feeds()


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("threatfox", {"key_file": "/etc/shadow"}, "own machine"),
        ("nosuch", {}, "there is no 'nosuch'"),
        ("netset", {}, "url is not set"),
        ("netset", {"nosuch": 1}, "no such setting"),
    ],
)
def test_a_feed_that_cannot_be_used_is_not_added(
    desk: LocalFeedsDesk, kind: str, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(PhageError, match=said):
        desk.add("bad", kind, settings, 3600.0)
    assert list(desk.feeds()) == ["mine"]


def test_a_name_that_leads_home_is_refused_when_it_is_got(
    desk: LocalFeedsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = [(2, 1, 6, "", ("192.168.1.1", 80))]
    monkeypatch.setattr("phage.intel.fetch.socket.getaddrinfo", lambda *_, **__: place)
    desk.add("far", "netset", {"url": "http://lists.example.org/x"}, 3600.0)
    assert desk.feeds()["far"].public
    state = desk.test("far")
    assert state is not None
    assert state.fault == "http://lists.example.org: leads to a local address (192.168.1.1)"


def test_kinds_do_not_offer_what_is_set_here_only(desk: LocalFeedsDesk) -> None:
    kinds = {kind.name: kind for kind in desk.kinds()}
    assert len(kinds) == 21
    assert all(each.terms for each in kinds.values())
    assert "key_file" not in {each.key[0] for each in kinds["threatfox"].settings}
    assert kinds["threatfox"].takes_key
    assert not kinds["netset"].takes_key


def test_a_key_is_kept_in_a_file_for_its_owner_only(desk: LocalFeedsDesk) -> None:
    desk.add("fox", "threatfox", {}, 3600.0, "s3cret")
    file = desk.keys / "fox"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("s3cret\n", 0o600)
    assert desk.feeds()["fox"].settings == {"key_file": str(file)}
    assert "s3cret" not in desk.path.read_text()


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("netset", {"url": "https://example.org/l"}, "netset takes no key"),
        ("threatfox", {"nosuch": 1}, "no such setting"),
    ],
)
def test_a_key_of_a_feed_that_is_not_added_is_not_kept(
    desk: LocalFeedsDesk, kind: str, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(PhageError, match=said):
        desk.add("bad", kind, settings, 3600.0, "s3cret")
    assert list(desk.feeds()) == ["mine"]
    assert not (desk.keys / "bad").exists()
