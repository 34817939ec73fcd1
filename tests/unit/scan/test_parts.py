"""The small parts: kinds, contents, the vault, lists of hashes, answers, the verdict."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phage.errors import PhageError
from phage.records.sample import Category, EngineKind, EngineResult, EngineVersion, Outcome, Part
from phage.scan import assess, digests
from phage.scan.content import IN_MEMORY, Content
from phage.scan.kinds import kind_of
from phage.scan.programs import tiny_elf, tiny_pe
from phage.scan.sandbox import answer
from phage.scan.trials import EICAR
from phage.scan.vault import Vault
from phage.scan.work import Findings
from phage.testing import containers

if TYPE_CHECKING:
    from pathlib import Path


def kind(data: bytes, name: str = "") -> str:
    with Content.of_bytes(data, name) as content:
        return content.kind


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (b"", "", "empty"),
        (tiny_pe(), "", "pe"),
        (tiny_elf(), "", "elf"),
        (b"MZ" + bytes(100), "", "dos"),
        (containers.zipped(b"x"), "", "zip"),
        (containers.document(b"x"), "", "ooxml"),
        (containers.tarred(b"x"), "", "tar"),
        (containers.cabinet(b"x"), "", "cab"),
        (containers.rar(b"x"), "", "rar"),
        (containers.mail(b"x"), "", "eml"),
        (containers.message(b"x"), "", "ole"),
        (containers.rtf(b"x"), "", "rtf"),
        (containers.pdf(b"x"), "", "pdf"),
        (b"  \r\n" + containers.pdf(b"x"), "", "pdf"),
        (b"#!/bin/sh\necho\n", "", "script"),
        (b"<!DOCTYPE html><html></html>", "", "html"),
        (b"<?xml version='1.0'?><x/>", "", "xml"),
        (b"Subject: x\n\nbody", "x.eml", "eml"),
        (b"plain text\n", "", "text"),
        (b"\x00\x01\x02\x03", "", "data"),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x34", "", "class"),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x02", "", "macho"),
    ],
)
def test_kinds(data: bytes, name: str, expected: str) -> None:
    assert kind(data, name) == expected


@given(st.binary(max_size=600))
def test_every_file_has_a_kind(data: bytes) -> None:
    assert kind_of(lambda at, count: data[at : at + count], len(data))


def test_content_is_sealed_and_hashed() -> None:
    with Content.of_bytes(EICAR) as content:
        assert content.hashes.md5 == "44d88612fea8a8f36de82e1278abb02f"
        with pytest.raises(OSError, match="not permitted"):
            os.write(content.descriptor, b"x")


def test_large_content_lies_on_disk(tmp_path: Path) -> None:
    chunks = [bytes(2**20)] * (IN_MEMORY // 2**20 + 2)
    with Content.of_chunks(chunks, "large", tmp_path) as content:
        assert content.size == len(chunks) * 2**20
        assert content.data[:3] == bytes(3)
        assert not list(tmp_path.iterdir())


def test_content_of_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="no regular file"):
        Content.of_file(pipe)


def test_vault_disguises_and_gives_back(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with Content.of_bytes(EICAR, "c.com") as content:
        assert vault.put(content)
        sha256 = content.hashes.sha256
    (stored,) = tmp_path.glob("??/*")
    assert b"EICAR" not in stored.read_bytes()
    assert not stored.stat().st_mode & 0o111
    with vault.get(sha256) as again:
        assert bytes(again.data) == EICAR
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    with pytest.raises(PhageError, match="is damaged"):
        vault.get(sha256)
    assert vault.remove(sha256)
    assert not vault.has(sha256)
    with pytest.raises(PhageError, match="is no SHA-256"):
        vault.get("../../etc/passwd")


def test_vault_is_pruned_by_age_and_size(tmp_path: Path) -> None:
    vault = Vault(tmp_path, most=5000)
    for number in range(4):
        with Content.of_bytes(bytes([number]) * 1000) as content:
            vault.put(content)
            os.utime(vault._path(content.hashes.sha256), (number, number))
    vault.most = 2500
    assert vault.prune(before=1) == 2
    assert len(list(tmp_path.glob("??/*"))) == 2
    assert vault.prune(before=10) == 2
    with Content.of_bytes(bytes(3000)) as content:
        assert not vault.put(content)
    assert vault.refused == 1


def test_vault_makes_room_for_what_comes(tmp_path: Path) -> None:
    vault = Vault(tmp_path, most=10_000)
    newest = ""
    for number in range(30):
        with Content.of_bytes(bytes([number]) * 1000) as content:
            assert vault.put(content)
            os.utime(vault._path(content.hashes.sha256), (number, number))
            newest = content.hashes.sha256
        assert sum(path.stat().st_size for path in tmp_path.glob("??/*")) <= 10_200
    assert vault.has(newest)
    assert vault.crowded >= 20


def test_digests_of_every_form(tmp_path: Path) -> None:
    with Content.of_bytes(EICAR) as content:
        hashes = content.hashes
    listed = tmp_path / "list.csv"
    listed.write_text(
        f'# comment\n"{hashes.sha1.upper()}","x.exe",12\n{"0" * 64},Zero.Trojan\n'
        f"{'f' * 32}:68:Hdb\n"
    )
    assert digests.write(tmp_path, "bad", digests.read_list(listed)) == 3
    found = digests.DigestSet(tmp_path, "bad")
    found.open()
    assert len(found) == 3
    assert found.find(hashes) == "x.exe"
    with Content.of_bytes(b"other") as content:
        assert found.find(content.hashes) == ""
    found.close()
    (tmp_path / "none").write_text("nothing here\n")
    with pytest.raises(PhageError, match="has no MD5"):
        list(digests.read_list(tmp_path / "none"))


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=40))
def test_digests_are_found_exactly(found: set[bytes]) -> None:
    import tempfile
    from pathlib import Path as Folder

    with tempfile.TemporaryDirectory() as folder:
        digests.write(Folder(folder), "x", [(each.hex(), "") for each in found])
        known = digests.DigestSet(Folder(folder), "x")
        known.open()
        assert len(known) == len(found)
        maps = known._maps.get("md5")
        assert all(maps is not None and digests._has(maps, each) for each in found)
        known.close()


ROW = EngineResult("yara", EngineKind.EVILNESS, Category.UNDETECTED)


@example(10**400)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    )
)
def test_answers_never_raise_and_are_bounded(value: object) -> None:
    message = {"category": value, "label": value, "facts": value, "seconds": value}
    row = answer.result_of(message, "x", EngineKind.EVILNESS, EngineVersion("1"))
    assert row.category is Category.FAILURE
    row = answer.result_of(
        {**message, "category": "malicious"}, "x", EngineKind.METADATA, ROW.version
    )
    assert row.category is Category.UNDETECTED


def found(*rows: EngineResult, faults: tuple[str, ...] = ()) -> Findings:
    findings = Findings(faults=[(("b.7z",), fault) for fault in faults])
    findings.add(Part((), "0" * 64, 1, "zip", rows))
    return findings


@pytest.mark.parametrize(
    ("categories", "faults", "outcome", "complete"),
    [
        (("undetected",), (), Outcome.CLEAN, True),
        (("malicious", "undetected"), (), Outcome.INFECTED, True),
        (("suspicious", "timeout"), (), Outcome.SUSPICIOUS, False),
        (("undetected", "failure"), (), Outcome.INCOMPLETE, False),
        (("undetected",), ("encrypted",), Outcome.INCOMPLETE, False),
        (("malicious",), ("encrypted",), Outcome.INFECTED, False),
        (("type-unsupported",), (), Outcome.INCOMPLETE, False),
        ((), (), Outcome.INCOMPLETE, False),
        (("suspicious", "harmless"), (), Outcome.CLEAN, True),
    ],
)
def test_outcomes(
    categories: tuple[str, ...], faults: tuple[str, ...], outcome: Outcome, complete: bool
) -> None:
    rows = [
        EngineResult(f"e{number}", EngineKind.EVILNESS, Category(category), label="x")
        for number, category in enumerate(categories)
    ]
    told, whole, reasons = assess.assess(found(*rows, faults=faults), "a.zip")
    assert (told, whole) == (outcome, complete)
    assert bool(reasons) == (outcome is not Outcome.CLEAN)


def test_the_place_is_told() -> None:
    findings = Findings()
    row = EngineResult("clamav", EngineKind.EVILNESS, Category.MALICIOUS, label="Eicar")
    findings.add(Part(("b.7z", "c.com"), "0" * 64, 68, "data", (row,)))
    (reason,) = assess.assess(findings, "a.zip")[2]
    assert reason.text == "clamav: Eicar in a.zip > b.7z > c.com"
