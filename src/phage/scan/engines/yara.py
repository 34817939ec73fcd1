"""YARA rules, by yara-x."""

from __future__ import annotations

import hashlib
import importlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from phage.errors import PhageError
from phage.records.sample import Category, EngineKind, EngineVersion, Fact
from phage.scan.engine import Answer, EngineDefaults, lacks
from phage.scan.trials import BENIGN, EVIL, GARBAGE, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.scan.content import Content

OWN_RULES = Path(__file__).resolve().parents[1] / "rules"
SUFFIXES = frozenset({".yar", ".yara", ".rule", ".rules"})
MOST_FILES = 20_000
MOST_MATCHES = 100
"""Rules that are told of a file; all of them judge it."""

_VERDICTS = {
    "malicious": Category.MALICIOUS,
    "suspicious": Category.SUSPICIOUS,
    "info": Category.UNDETECTED,
}


@dataclass(kw_only=True)
class YaraEngine(EngineDefaults):
    """Matches YARA rules: phage's own, and those in the folder of definitions.

    A rule that does not compile is left out by itself. A rule's meta `verdict` says what a match
    means (malicious, suspicious, info); malicious without one.
    """

    name: ClassVar[str] = "yara"
    summary: ClassVar[str] = "Matches YARA rules (yara-x), each bad rule quarantined by itself."
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS
    packages: ClassVar[tuple[str, ...]] = ("yara-x",)

    own_rules: bool = True
    """Use the rules that come with phage."""
    skip: tuple[str, ...] = ()
    """Names of rules that are not to match, as where they are wrong too often."""
    memory: int = 1024 * 2**20
    """Octets of memory that one file may take."""
    _scanner: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        return lacks("yara_x")

    def version(self) -> EngineVersion:
        """Return yara-x's version and a digest of all rules."""
        digest, built = hashlib.sha256(), 0
        for path in self._files():
            digest.update(path.name.encode("utf-8", "replace") + b"\0" + path.read_bytes())
            built = max(built, path.stat().st_mtime_ns)
        return EngineVersion(super().version().engine, digest.hexdigest()[:16], built)

    def prepare(self) -> None:
        """Compile the rules."""
        yara = importlib.import_module("yara_x")
        compiler = yara.Compiler()
        compiler.ignore_invalid_rules(True)  # noqa: FBT003  The library's.
        for number, path in enumerate(self._files()):
            compiler.new_namespace(f"{path.stem}_{number}")
            with suppress(yara.CompileError):
                compiler.add_source(path.read_text("utf-8", "replace"), origin=path.name)
        self._scanner = yara.Scanner(compiler.build())
        self._scanner.set_timeout(max(1, int(self.timeout)))

    def scan(self, content: Content) -> Answer:
        """Match the rules."""
        matches = self._scanner.scan_file(content.path).matching_rules
        worst, label = Category.UNDETECTED, ""
        told: list[Fact] = []
        for rule in matches:
            if rule.identifier in self.skip:
                continue
            meta = dict(rule.metadata)
            category = _VERDICTS.get(str(meta.get("verdict", "")), Category.MALICIOUS)
            if category.rank > worst.rank:
                worst, label = category, rule.identifier
            if len(told) < MOST_MATCHES:
                told.append(
                    {
                        "rule": rule.identifier,
                        "set": rule.namespace.rpartition("_")[0],
                        "tags": list(rule.tags),
                        "description": str(meta.get("description", "")),
                    }
                )
        facts: dict[str, Fact] = {"rules": told} if told else {}
        return Answer(worst, label, facts)

    def trials(self) -> tuple[Trial, ...]:
        """Return EICAR where phage's own rules are used, something good, garbage."""
        return (EVIL, BENIGN, GARBAGE) if self.own_rules else (BENIGN, GARBAGE)

    def take(self, source: Path, before: Path | None) -> None:
        """Take rule files; those that are no text are refused."""
        del before
        paths = [source] if source.is_file() else sorted(_below(source))
        if not paths:
            message = f"{source}: has no rule files ({', '.join(sorted(SUFFIXES))})"
            raise PhageError(message)
        for number, path in enumerate(paths):
            text = path.read_bytes()
            if b"\0" in text or b"rule" not in text:
                message = f"{path}: is no YARA rule file"
                raise PhageError(message)
            target = Path(self.definitions) / f"{path.stem}-{number}.yar"
            target.write_bytes(text)

    def _files(self) -> list[Path]:
        folders = [OWN_RULES] if self.own_rules else []
        if self.definitions:
            folders.append(Path(self.definitions))
        return [path for folder in folders for path in sorted(_below(folder))][:MOST_FILES]


def _below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
