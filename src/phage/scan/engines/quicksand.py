"""Exploits and active content in documents, by QuickSand."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from phage.records.sample import Category, EngineKind, Fact
from phage.scan.engine import Answer, EngineDefaults, lacks

if TYPE_CHECKING:
    from phage.scan.content import Content

MOST_STREAMS = 30


class _CompiledOnce:
    """The module yara, whose `compile` remembers."""

    def __init__(self, module: Any) -> None:  # noqa: ANN401  A module.
        self._module = module
        self.compile = functools.cache(module.compile)

    def __getattr__(self, name: str) -> object:
        return getattr(self._module, name)


@dataclass(kw_only=True)
class QuickSandEngine(EngineDefaults):
    """Scans documents and PDF with QuickSand's rules.

    Its ratings are 0 (clean), 1 (risky active content), 2 (exploit), 3 (likely exploit): honest
    documents reach 1, so 2 and more are suspicious.
    """

    name: ClassVar[str] = "quicksand"
    summary: ClassVar[str] = (
        "Finds exploits and active content in Office documents and PDF (QuickSand)."
    )
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS
    accepts: ClassVar[frozenset[str]] = frozenset({"ole", "ooxml", "rtf", "pdf"})
    packages: ClassVar[tuple[str, ...]] = ("quicksand",)

    largest: int = 32 * 2**20
    """Octets of the largest file that it takes."""
    least_rating: int = 2
    """QuickSand's rating from which a file is suspicious."""
    _quicksand: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        return lacks("quicksand")

    def prepare(self) -> None:
        """Load QuickSand. It compiles its rules for each file anew, 10 ms: here once for all."""
        module: Any = importlib.import_module("quicksand.quicksand")
        module.yara = _CompiledOnce(module.yara)
        self._quicksand = module.quicksand
        self._quicksand(b"%PDF-1.0", timeout=1, strings=False)

    def scan(self, content: Content) -> Answer:
        """Let QuickSand rate the file."""
        scanner = self._quicksand(
            bytes(content.data), timeout=max(1, int(self.timeout)), strings=False
        )
        scanner.process()
        results = scanner.results
        rating = int(results.get("rating", 0) or 0)
        streams: list[Fact] = []
        label = ""
        for place, matches in list((results.get("results") or {}).items())[:MOST_STREAMS]:
            for match in matches if isinstance(matches, list) else [matches]:
                rule = str(match.get("rule", "")) if isinstance(match, dict) else str(match)
                streams.append({"stream": str(place)[:200], "rule": rule[:200]})
                label = label or rule
        facts: dict[str, Fact] = {
            "rating": rating,
            "risk": str(results.get("risk", "")),
            "score": int(results.get("score", 0) or 0),
            "matches": streams,
        }
        if rating >= self.least_rating:
            return Answer(Category.SUSPICIOUS, label or str(results.get("risk")), facts)
        return Answer(facts=facts)
