"""What is shipped to run phage with: judged by the programs that read it."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted(
    path for path in (DEPLOY / "kubernetes").rglob("*.yaml") if path.name != "phage.yaml"
)


def run(*command: str, cwd: Path = ROOT, told: bool = False) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"lacks {command[0]}")
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout if told else done.stdout + done.stderr


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


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_manifests_are_what_kubernetes_takes(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        if document["kind"] != "Kustomization":
            version = kubernetes_validate.latest_version()
            assert kubernetes_validate.validate(document, version, strict=True)
        else:
            beside = {each.name for each in MANIFESTS if each.parent == path.parent}
            assert beside == {path.name, *document["resources"]}


@pytest.mark.parametrize("folder", ["", "joined"])
def test_the_settings_of_the_cluster_are_settings(folder: str) -> None:
    from phage.config.settings import Settings

    written = yaml.safe_load((DEPLOY / "kubernetes" / folder / "phage.yaml").read_text())
    written.get("store", {}).pop("password_file", "")  # It is not here.
    assert Settings.model_validate(written).logging.format == "json"


CHART = DEPLOY / "helm" / "phage"
SERVICE = "https://net-phage-controller:8080"
BUS = {"mode": "bus", "interfaces": ["eth0", "eth1"], "enforce": True}
VALUES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "workers": {"workers": {"enabled": True, "replicas": 5}},
    "bus": {"sensor": BUS, "workers": {"enabled": True}, "imagePullSecrets": [{"name": "r"}]},
    "join": {"sensor": {"mode": "join", "interfaces": ["eth0"]}},
    "join elsewhere": {
        "controller": {"enabled": False},
        "sensor": {"mode": "join", "interfaces": ["eth0"], "controllerUrl": "https://phage.lan"},
    },
    "sqlite": {"settings": {"logging": {"level": "debug"}}, "controller": {"hosts": ["x.lan"]}},
    "sensors only": {"controller": {"enabled": False}, "sensor": {"nodeSelector": {"a": "b"}}},
    "controller only": {"sensor": {"enabled": False}, "networkPolicy": {"enabled": False}},
}


def helm(*words: str) -> Any:
    """Ask Helm, in a process of its own; return what it says."""
    if importlib.util.find_spec("helm_sdkpy") is None:
        pytest.skip("lacks helm-sdkpy")
    lab = Path(__file__).with_name("helmlab.py")
    return json.loads(run(sys.executable, "-I", str(lab), *words, told=True))


def rendered(values: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    (folder / "values.json").write_text(json.dumps(values))
    found: list[dict[str, Any]] = helm("render", str(CHART), str(folder / "values.json"))
    return found


def test_helm_has_nothing_against_the_chart() -> None:
    # 1 is a hint: that it has no icon.
    assert max(each["Severity"] for each in helm("lint", str(CHART))) <= 1


@pytest.mark.parametrize("name", VALUES)
def test_what_the_chart_makes_is_what_kubernetes_and_phage_take(name: str, tmp_path: Path) -> None:
    from phage.config.load import load_settings

    documents = rendered(VALUES[name], tmp_path)
    version = kubernetes_validate.latest_version()
    for document in documents:
        assert kubernetes_validate.validate(document, version, strict=True)
    (settings,) = (each["data"] for each in documents if each["kind"] == "ConfigMap")
    for file, text in settings.items():
        path = tmp_path / file
        path.write_text(re.sub(r"password_file: .*", "password: x", text))
        load_settings(path, {})
    specs = [each.get("spec", {}) for each in documents]
    pods = [each["template"]["spec"] for each in specs if "template" in each]
    for pod in pods:
        (container,) = pod["containers"]
        command, *words = container["args"]
        known = importlib.import_module(f"phage.cli.commands.{command}").command
        options = {word for option in known.params for word in option.opts}
        assert {word for word in words if word.startswith("--")} <= options
        mounts = {each["mountPath"].partition("/state")[0] for each in container["volumeMounts"]}
        files = [word.removeprefix("@") for word in words if word.startswith(("/etc/", "@/etc/"))]
        assert all(str(Path(file).parent) in mounts for file in files)
        assert "ALL" in container["securityContext"]["capabilities"]["drop"]
    kinds = [each["kind"] for each in documents]
    assert ("DaemonSet" in kinds, "StatefulSet" in kinds, "Deployment" in kinds) == {
        "sensors only": (True, False, False),
        "join elsewhere": (True, False, False),
        "controller only": (False, True, False),
        "workers": (True, True, True),
        "bus": (True, True, True),
    }.get(name, (True, True, False))
    if name == "bus":
        assert "NET_ADMIN" in str(documents)
    if name.startswith("join"):
        (pod,) = (each for each in pods if "sensor" in each["containers"][0]["args"])
        args = pod["containers"][0]["args"]
        url = args[args.index("--join") + 1 :]
        assert url[0] == ("https://phage.lan" if "elsewhere" in name else SERVICE)
        assert url[1] == "@/etc/phage-secrets/invitation-$(NODE_NAME)"
        assert yaml.safe_load(settings["controller.yaml"])["bus"]["sensors"] is True


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sensor": {"mode": "bus"}}, "name the nodes' interfaces"),
        ({"sensor": {"mode": "join"}}, "name the nodes' interfaces"),
        (
            {"sensor": {"mode": "join", "interfaces": ["eth0"], "controllerUrl": "x"}},
            "controllerUrl",
        ),
        (
            {"sensor": {"mode": "join", "interfaces": ["a"]}, "controller": {"enabled": False}},
            "say where the controller is",
        ),
        ({"sensor": {"mode": "both"}}, "mode"),
        ({"workers": {"replica": 3}}, "replica"),
    ],
)
def test_values_that_are_wrong_are_refused(
    values: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=re.escape(said)):
        rendered(values, tmp_path)
