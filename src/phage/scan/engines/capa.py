"""What a program can do, by Mandiant's capa."""

from __future__ import annotations

import json
import subprocess  # noqa: TID251  It runs in the sandbox, killed with its process group.
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from phage.errors import PhageError, PluginUnavailableError
from phage.records.sample import EngineKind, EngineVersion, Fact
from phage.scan.engine import Answer, EngineDefaults, lacks
from phage.scan.trials import BENIGN, GARBAGE, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

MOST = 300


@dataclass(kw_only=True)
class CapaEngine(EngineDefaults):
    """Tells capabilities of programs with their ATT&CK techniques; takes 15 s and more a file.

    capa's rules are not in its package: take them with `phage engines update capa --from FOLDER`.
    """

    name: ClassVar[str] = "capa"
    summary: ClassVar[str] = (
        "Tells what a program can do, with ATT&CK techniques (capa); slow, opt-in."
    )
    kind: ClassVar[EngineKind] = EngineKind.METADATA
    accepts: ClassVar[frozenset[str]] = frozenset({"pe", "elf"})
    by_default: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("flare-capa",)

    timeout: float = 300.0
    """Seconds that one file may take."""
    memory: int = 2 * 2**30
    """Octets of memory that one file may take."""
    largest: int = 16 * 2**20
    """Octets of the largest file that it takes."""

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        return lacks("capa").replace("phage[scan]", "flare-capa")

    def version(self) -> EngineVersion:
        """Return capa's version, and how many rules there are."""
        rules = len(list(Path(self.definitions).rglob("*.yml"))) if self.definitions else 0
        if not rules:
            message = "has no rules (`phage engines update capa --from FOLDER`)"
            raise PluginUnavailableError(message)
        return EngineVersion(super().version().engine, f"{rules} rules")

    def warm(self) -> None:
        """Do nothing: each child starts the program by itself."""

    def scan(self, content: Content) -> Answer:
        """Run capa."""
        folder = Path(self.definitions)
        with content.as_file() as path:
            done = subprocess.run(
                [sys.executable, "-m", "capa.main", "-j", "-r", str(folder / "rules"), "-s",
                 str(folder / "signatures"), path],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin", "HOME": "/nonexistent"},
                check=False,
            )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr.decode("utf-8", "replace").strip()[-300:])
        found = json.loads(done.stdout)
        told: list[Fact] = []
        for name, rule in list(found.get("rules", {}).items())[:MOST]:
            attack = rule.get("meta", {}).get("attack", [])
            told.append({"name": name, "attack": [str(each.get("id", "")) for each in attack]})
        return Answer(facts={"capabilities": told})

    def trials(self) -> tuple[Trial, ...]:
        """Return something good and garbage."""
        return (BENIGN, GARBAGE)

    def take(self, source: Path, before: Path | None) -> None:
        """Take a folder of rules."""
        del before
        rules = sorted(source.rglob("*.yml")) if source.is_dir() else []
        if not rules:
            message = f"{source}: has no rules of capa (*.yml)"
            raise PhageError(message)
        target = Path(self.definitions)
        (target / "signatures").mkdir(exist_ok=True)
        for path in rules:
            place = target / "rules" / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
