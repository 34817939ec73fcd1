"""A link is followed where a person names it, and not where others may have put it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.scan.content import Content

if TYPE_CHECKING:
    from pathlib import Path


def test_a_link_is_followed_only_if_wanted(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    with Content.of_file(link) as content:
        assert content.size == 3
    with pytest.raises(OSError, match="symbolic links"):
        Content.of_file(link, follow=False)
    with Content.of_file(tmp_path / "file", follow=False) as content:
        assert content.size == 3
