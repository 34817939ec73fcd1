"""Which engines share a zygote."""

from __future__ import annotations

import pytest

from phage.clock import SystemClock
from phage.errors import PhageError
from phage.plugin import discover
from phage.scan.bench import Bench
from phage.scan.content import Content
from phage.scan.engine import ENGINES
from phage.scan.engines.pdf import PdfEngine
from phage.scan.engineset import ready_of
from phage.scan.sandbox.isolation import Isolation, Level
from phage.scan.sandbox.sandbox import Sandbox
from phage.testing.misbehaving import MisbehavingEngine


def made() -> Bench:
    engines = (MisbehavingEngine(), PdfEngine())
    return Bench([ready_of(each) for each in engines], SystemClock(), unpack=False)


def test_engines_that_take_the_same_kinds_share_a_zygote() -> None:
    engines = [plugin.factory() for plugin in discover(ENGINES) if plugin.factory is not None]
    names = ("yara", "fingerprint", "office", "pdf", "quicksand", "lief", "exiftool", "magika")
    ready = [ready_of(each) for each in engines if each.name in names]
    bench = Bench(ready, SystemClock(), unpack=False)
    together: dict[int, set[str]] = {}
    for name, home in bench._homes.items():
        together.setdefault(id(home), set()).add(name)
    wanted = ({"yara", "fingerprint"}, {"office", "pdf", "quicksand"}, {"lief"},
              {"exiftool", "magika"})  # fmt: skip
    here = {each.name for each in ready}
    assert sorted(map(sorted, together.values())) == sorted(
        sorted(each & here) for each in wanted if each & here
    )


def test_a_zygote_starts_with_the_first_file_for_it() -> None:
    bench = made()
    try:
        bench.start()
        homes = bench._homes
        assert homes["misbehaving"].is_running
        assert not homes["pdf"].is_running
        with Content.of_bytes(b"evil %PDF-1.7") as content:
            said = bench.scan(content, ["pdf", "misbehaving"])
        assert {each.engine: each.message["label"] for each in said} == {
            "pdf": "", "misbehaving": "Evil",
        }  # fmt: skip
        assert homes["pdf"].is_running
    finally:
        bench.close()


def test_a_zygote_that_proves_weaker_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = made()
    try:
        assert bench.start().level.rank
        weak = Isolation(Level.NONE, reason="as the test says")
        monkeypatch.setattr(Sandbox, "start", lambda _sandbox: weak)
        with Content.of_bytes(b"%PDF-1.7") as content, pytest.raises(PhageError, match="test says"):
            bench.scan(content, ["pdf"])
    finally:
        bench.close()
