"""`phage config import`: what it shows, what it writes, and that it never overwrites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLD = """\
phantom:
  mode: adaptive
  log_level: DEBUG
  rules:
    - {name: "Block Known Malicious IPs", priority: 1, action: DROP}
"""


@pytest.fixture(autouse=True)
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a file to import; settings go to a file of the test's own."""
    monkeypatch.setenv("PHAGE_CONFIG", str(tmp_path / "phage.yaml"))
    file = tmp_path / "old.yaml"
    file.write_text(OLD)
    return file


def test_a_dry_run_shows_all_and_writes_nothing(phage: Callable[..., Any], tmp_path: Path) -> None:
    answer = phage(
        "config", "import", "old.yaml", "--dry-run", "--config", str(tmp_path / "phage.yaml")
    )
    assert answer.code == 0, answer.err
    assert "match: {source: {list: any}}" in answer.out
    assert '+  level: "debug"' in answer.out
    assert "warning: old.yaml:5: rule 'Block Known Malicious IPs' had no condition" in answer.err
    assert "old.yaml:2: not imported: mode: 'adaptive'" in answer.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.yaml"]


def test_rules_and_settings_are_written_once(phage: Callable[..., Any], tmp_path: Path) -> None:
    settings = tmp_path / "phage.yaml"
    settings.write_text("# Mine.\nlogging:\n  level: error  # quiet\n")
    chosen = ("--config", str(settings))
    answer = phage("config", "import", "old.yaml", *chosen)
    assert answer.code == 0, answer.err
    rules = tmp_path / "state" / "rules" / "phantomfirewall.yaml"
    assert "mode: dry-run" in rules.read_text()
    assert settings.read_text() == '# Mine.\nlogging:\n  level: "debug"  # quiet\n'
    again = phage("config", "import", "old.yaml", *chosen)
    assert again.code == 1
    assert f"{rules}: is there already" in again.err
    other = phage("config", "import", "old.yaml", "--name", "second", *chosen)
    assert other.code == 0, other.err
    assert '"Block Known Malicious IPs (2)"' in rules.with_name("second.yaml").read_text()


def test_settings_are_not_written_where_nobody_named_a_file(
    phage: Callable[..., Any], tmp_path: Path
) -> None:
    answer = phage("config", "import", "old.yaml")
    assert answer.code == 1
    assert "--config FILE" in answer.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.yaml"]


def test_a_settings_file_that_is_new_is_made_in_a_folder_that_others_may_read(
    phage: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "etc" / "phage.yaml"
    answer = phage("config", "import", "old.yaml", "--config", str(file))
    assert answer.code == 0, answer.err
    assert f"made {file}" in answer.err
    assert file.parent.stat().st_mode & 0o777 == 0o755
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "", "x y", "\n"])
def test_names_that_are_paths_are_refused(
    phage: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    answer = phage("config", "import", "old.yaml", f"--name={name}", "--dry-run")
    assert answer.code == (1 if name else 0)
    assert not (tmp_path / "state").exists()


def test_a_file_that_is_wrong_is_told_with_its_line(
    phage: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "bad.conf").write_text("maxreq = 1\nbantime = []\n")
    answer = phage("config", "import", "bad.conf")
    assert answer.code == 1
    assert answer.err == (
        "phage: bad.conf:2: bantime: must be seconds, from 0 to 31622400 (got [])\n"
    )


def test_rules_that_nobody_would_read_are_told_of(
    phage: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("rules: []\n")
    (tmp_path / "phage.yaml").write_text("policy:\n  rules: [mine.yaml]\n")
    answer = phage("config", "import", "old.yaml")
    assert answer.code == 0, answer.err
    assert "policy.rules names other files" in answer.err
