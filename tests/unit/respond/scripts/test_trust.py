"""Which programs are run, by who may change them."""

from __future__ import annotations

import grp
import os
import pwd
from typing import TYPE_CHECKING

import pytest

from phage.respond.scripts.trust import distrust

if TYPE_CHECKING:
    from pathlib import Path

GROUP = 54_321


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir(mode=0o755)
    file = tmp_path / "bin" / "program"
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_what_only_its_owner_can_write_is_trusted(program: Path) -> None:
    assert distrust(str(program)) == ""


@pytest.mark.parametrize("name", ["bin", "bin/program"])
def test_what_everybody_can_write_is_not(program: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).chmod(0o757)
    assert "by everybody" in distrust(str(program))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
@pytest.mark.parametrize("name", ["bin", "bin/program"])
class TestOthers:
    def test_what_a_group_can_write_is_not(self, program: Path, tmp_path: Path, name: str) -> None:
        (tmp_path / name).chmod(0o775)
        assert distrust(str(program)) == "", "the group is root's"
        os.chown(tmp_path / name, -1, GROUP)
        assert f"{tmp_path / name}: may be written by a group" in distrust(str(program))
        (tmp_path / name).chmod(0o755)
        assert distrust(str(program)) == ""

    def test_what_belongs_to_another_is_not(self, program: Path, tmp_path: Path, name: str) -> None:
        os.chown(tmp_path / name, GROUP, 0)
        assert "another account" in distrust(str(program))

    @pytest.mark.parametrize(
        ("group", "members", "is_private"),
        [("me", [], True), ("me", ["me"], True), ("me", ["you"], False), ("staff", [], False)],
    )
    def test_the_running_accounts_private_group_is_its_own(
        self,
        program: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        group: str,
        members: list[str],
        is_private: bool,
    ) -> None:
        (tmp_path / name).chmod(0o775)
        os.chown(tmp_path / name, -1, GROUP)
        me = pwd.struct_passwd(("me", "x", os.geteuid(), GROUP, "", "/", "/bin/sh"))
        found = grp.struct_group((group, "x", GROUP, members))
        monkeypatch.setattr("phage.respond.scripts.trust.pwd.getpwuid", lambda _: me)
        monkeypatch.setattr("phage.respond.scripts.trust.grp.getgrgid", lambda _: found)
        assert (distrust(str(program)) == "") is is_private


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_a_sticky_folder_may_be_anybodys_to_write(program: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").chmod(0o1777)
    assert distrust(str(program)) == ""
