"""Files that appear whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.config.savefile import save_new, save_over
from phage.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_file_is_the_owners_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "rules" / "home.yaml"
    save_new(path, "rules: []\né")
    assert path.read_text(encoding="utf-8") == "rules: []\né"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "home.yaml"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        save_new(path, "other")
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_keeps_its_permissions_and_its_links(tmp_path: Path) -> None:
    path, link = tmp_path / "phage.yaml", tmp_path / "link.yaml"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    save_over(link, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [link, path]


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for save in (save_new, save_over):
        with pytest.raises(ConfigError, match="cannot be written"):
            save(tmp_path / "file" / "x", "")
