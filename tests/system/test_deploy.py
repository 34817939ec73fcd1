"""What is shipped to run phage with: judged by the programs that read it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted(
    path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "phage.yaml"
)


def run(*command: str, cwd: Path = ROOT) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"lacks {command[0]}")
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def metrics() -> set[str]:
    """Return the names of all metrics in the sources."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r'\.(?:gauge|counter)\(\s*"(phage_[a-z_]+)"', text))
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_say_nothing_that_systemd_does_not_know(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text().replace("/usr/bin/phage", "/usr/bin/true")
    (tmp_path / unit.name).write_text(text)
    said = run("systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name))
    assert unit.name not in said
    judged = run("systemd-analyze", "security", "--offline=yes", "--threshold=45", str(unit))
    assert "Overall exposure level" in judged


def test_alerts_fire_when_they_should() -> None:
    folder = DEPLOY / "prometheus"
    run("promtool", "check", "rules", "phage.rules.yml", cwd=folder)
    run("promtool", "test", "rules", "phage.rules.test.yml", cwd=folder)


@pytest.mark.parametrize("path", ["prometheus/phage.rules.yml", "grafana/phage.json"])
def test_every_metric_that_is_asked_for_is_there(path: str) -> None:
    asked = set(re.findall(r"\bphage_[a-z_]+", (DEPLOY / path).read_text()))
    assert asked
    assert asked <= metrics()


def test_the_dashboard_is_whole() -> None:
    board = json.loads((DEPLOY / "grafana" / "phage.json").read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["targets"]
    taken = {
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    }
    assert len(taken) == sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in panels)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_what_kubernetes_takes(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        if document["kind"] != "Kustomization":
            version = kubernetes_validate.latest_version()
            assert kubernetes_validate.validate(document, version, strict=True)
        else:
            assert {path.name for path in MANIFESTS} == {path.name, *document["resources"]}


def test_the_settings_of_the_cluster_are_settings() -> None:
    from phage.config.settings import Settings

    written = yaml.safe_load((DEPLOY / "kubernetes" / "phage.yaml").read_text())
    del written["store"]["password_file"]  # It is not here.
    assert Settings.model_validate(written).logging.format == "json"
