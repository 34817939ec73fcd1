"""capa for once: in an environment of its own, with a rule of our own, in the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import pytest

from phage.clock import FixedClock, SystemClock
from phage.config.scan import ScanSettings
from phage.records.sample import Category
from phage.scan import definitions
from phage.scan.content import Content
from phage.scan.engineset import find_engines
from phage.scan.programs import tiny_pe
from phage.scan.work import NoResults, Worker, WorkOptions

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system

RULE = """
rule:
  meta:
    name: is a program for Windows
    namespace: test
    authors: [phage]
    scopes: {static: file, dynamic: file}
    att&ck: ["Execution::Native API [T1106]"]
  features:
    - and:
      - os: windows
      - format: pe
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python that has capa: PHAGE_CAPA_PYTHON, or one that is made now."""
    if ready := os.environ.get("PHAGE_CAPA_PYTHON"):
        return ready
    folder = tmp_path_factory.mktemp("capa")
    folder.chmod(0o755)  # The account of the sandbox reads it.
    venv.create(folder, with_pip=True)
    made = str(folder / "bin" / "python")
    install = (made, "-m", "pip", "install", "--quiet", "flare-capa")
    done = subprocess.run(install, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        pytest.skip(f"flare-capa cannot be installed: {done.stderr[-200:]}")
    return made


def test_capa_tells_what_a_program_can_do(tmp_path: Path, python: str) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.yml").write_text(RULE)
    folder = tmp_path / "engines"
    settings = ScanSettings(also=("capa",), settings={"capa": {"python": python}})
    definitions.update("capa", rules, settings, folder, FixedClock(10**18))
    engines = find_engines(settings, folder).only(["capa"])
    assert engines.ready["capa"].version.definitions == "1 rules"
    worker = Worker(engines, NoResults(), SystemClock(), WorkOptions(unpack=False))
    worker.start()
    try:
        with Content.of_bytes(tiny_pe(), "tiny.exe") as content:
            (row,) = worker.ask(content, ["capa"])
    finally:
        worker.close()
    assert row.category is Category.UNDETECTED, row.error
    assert row.facts["capabilities"] == [{"name": "is a program for Windows", "attack": ["T1106"]}]


def test_without_capa_it_says_what_to_do(tmp_path: Path) -> None:
    nothing = tmp_path / "python"
    settings = ScanSettings(also=("capa",), settings={"capa": {"python": str(nothing)}})
    assert "has no capa" in find_engines(settings, tmp_path).unavailable["capa"]
    own = ScanSettings(also=("capa",))
    if "capa" in find_engines(own, tmp_path).unavailable:
        assert sys.executable in find_engines(own, tmp_path).unavailable["capa"]
