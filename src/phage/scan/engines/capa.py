"""What a program can do, by Mandiant's capa."""

from __future__ import annotations

import functools
import json
import subprocess  # noqa: TID251  It runs in the sandbox, killed with its process group.
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from phage.errors import PhageError, PluginUnavailableError
from phage.records.sample import EngineKind, EngineVersion, Fact
from phage.scan.engine import Answer, EngineDefaults
from phage.scan.trials import BENIGN, GARBAGE, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

MOST = 300


@dataclass(kw_only=True)
class CapaEngine(EngineDefaults):
    """Tells capabilities of programs with their ATT&CK techniques; takes 15 s and more a file.

    capa's rules are not in its package: take them with `phage engines update capa --from FOLDER`.
    It needs some thirty packages; give it an environment of its own and name that one's Python.
    """

    name: ClassVar[str] = "capa"
    summary: ClassVar[str] = (
        "Tells what a program can do, with ATT&CK techniques (capa); slow, opt-in."
    )
    kind: ClassVar[EngineKind] = EngineKind.METADATA
    accepts: ClassVar[frozenset[str]] = frozenset({"pe", "elf"})
    by_default: ClassVar[bool] = False

    python: str = sys.executable
    """The Python of the environment that has capa (`pip install flare-capa`)."""
    timeout: float = 300.0
    """Seconds that one file may take."""
    memory: int = 2 * 2**30
    """Octets of memory that one file may take."""
    largest: int = 16 * 2**20
    """Octets of the largest file that it takes."""

    def reads(self) -> tuple[str, ...]:
        """Return the rules, and the environment with the Python that it was made of."""
        return (*super().reads(), *_environment(self.python)[1:])

    def version(self) -> EngineVersion:
        """Return capa's version, and how many rules there are."""
        version = _environment(self.python)[0]
        rules = len(list(Path(self.definitions).rglob("*.yml"))) if self.definitions else 0
        if not rules:
            message = "has no rules (`phage engines update capa --from FOLDER`)"
            raise PluginUnavailableError(message)
        return EngineVersion(version, f"{rules} rules")

    def warm(self) -> None:
        """Do nothing: each child starts the program by itself."""

    def scan(self, content: Content) -> Answer:
        """Run capa."""
        folder = Path(self.definitions)
        with content.as_file() as path:
            done = subprocess.run(
                [self.python, "-m", "capa.main", "-j", "-r", str(folder / "rules"), "-s",
                 str(folder / "signatures"), path],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                # It keeps a cache of rules at home and asks for its user; it ends without.
                env={"PATH": "/usr/bin", "HOME": tempfile.gettempdir(), "USER": "nobody"},
                check=False,
            )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr.decode("utf-8", "replace").strip()[:300])
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


_ASK = (
    "import sys; from importlib.metadata import version; "
    "print(version('flare-capa'), sys.prefix, sys.base_prefix, sep='\\n')"
)


@functools.cache
def _environment(python: str) -> tuple[str, ...]:
    """Return capa's version and the folders of its environment. Raises PluginUnavailableError."""
    try:
        done = subprocess.run([python, "-c", _ASK], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        message = f"{python} has no capa (pip install flare-capa, scan.settings.capa.python)"
        raise PluginUnavailableError(message) from error
    return tuple(dict.fromkeys(done.stdout.decode().split("\n")[:3]))
