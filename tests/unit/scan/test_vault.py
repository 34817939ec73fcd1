"""Samples at rest, disguised."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from phage.errors import PhageError
from phage.scan.content import Content
from phage.scan.vault import Vault, revealed

if TYPE_CHECKING:
    from pathlib import Path


def kept(vault: Vault, data: bytes) -> str:
    with Content.of_bytes(data) as content:
        vault.put(content)
        return content.hashes.sha256


def test_no_more_is_revealed_than_is_expected(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    sha256 = kept(vault, bytes(5000))
    with vault.disguised(sha256) as file, revealed(file, "a", tmp_path, 5000) as content:
        assert content.size == 5000
    with vault.disguised(sha256) as file, pytest.raises(PhageError, match="larger than 4,999"):
        revealed(file, "a", tmp_path, 4999)


def test_what_is_still_needed_counts_as_new(tmp_path: Path) -> None:
    vault = Vault(tmp_path, most=2500)
    first, second = kept(vault, b"a" * 1000), kept(vault, b"b" * 1000)
    for number, sha256 in enumerate((first, second)):
        os.utime(vault._path(sha256), (number, number))
    vault.touch(first)
    vault.touch("0" * 64)
    third = kept(vault, b"c" * 1000)
    assert [vault.has(each) for each in (first, second, third)] == [True, False, True]
