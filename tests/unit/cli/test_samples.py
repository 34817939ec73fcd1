"""`phage samples` over samples that others have scanned."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock
from phage.records.sample import Outcome
from phage.scan.content import Content
from phage.scan.vault import Vault
from phage.store.store import StoreLocation, open_store
from phage.testing.household import EICAR, eicar_verdict
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Phage = Callable[..., Any]


@pytest.fixture
def kept(tmp_path: Path) -> Vault:
    """Return the vault beside a store with two samples, of which one is kept."""
    state = tmp_path / "state"
    vault = Vault(state / "samples")
    with open_store(StoreLocation.of("", "", state / "store.sqlite3"), FixedClock(EPOCH)) as store:
        first = eicar_verdict(EPOCH)
        store.samples.save(first)
        with Content.of_bytes(b"another") as content:
            vault.put(content)
            sample = replace(first.sample, sha256=content.hashes.sha256, names=("b.txt",))
        store.samples.save(replace(first, id="2", sample=sample, outcome=Outcome.CLEAN, parts=()))
    return vault


def listed(phage: Phage, *arguments: str) -> list[str]:
    answer = phage("samples", *arguments, "--output", "json")
    assert answer.code == 0, answer.err
    return sorted(each["names"][0] for each in json.loads(answer.out))


def test_they_are_searched_by_name_hash_and_fact(phage: Phage, kept: Vault) -> None:
    assert listed(phage, "list") == ["b.txt", "eicar.zip"]
    assert listed(phage, "list", "--outcome", "clean") == ["b.txt"]
    assert listed(phage, "search", "b.tx") == ["b.txt"]
    assert listed(phage, "search", EICAR[:10]) == ["eicar.zip"]
    assert listed(phage, "search", "Eicar-Test") == ["b.txt", "eicar.zip"]
    assert listed(phage, "search", "ZIP", "--fact", "exiftool.FileType") == ["b.txt", "eicar.zip"]
    assert listed(phage, "search", "nothing") == []


def test_they_are_forgotten_with_what_is_kept_of_them(phage: Phage, kept: Vault) -> None:
    assert listed(phage, "remove", "--before", "0s", "--dry-run") == ["b.txt", "eicar.zip"]
    (file,) = kept.folder.glob("*/*")
    assert listed(phage, "remove", file.parent.name + file.name) == ["b.txt"]
    assert not file.exists()
    assert listed(phage, "list") == ["eicar.zip"]
    assert phage("samples", "show", file.parent.name + file.name).code == 1
    assert phage("samples", "remove", "0" * 64).code == 1
    assert listed(phage, "remove", "--before", "0s") == ["eicar.zip"]
    assert listed(phage, "list") == []
