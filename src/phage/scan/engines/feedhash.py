"""Hashes of files that threat feeds list."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from phage.records.sample import Category, EngineKind, EngineVersion
from phage.scan import digests
from phage.scan.engine import Answer, EngineDefaults, Place

if TYPE_CHECKING:
    from phage.scan.content import Content

LIST = "feeds"
"""The name of the list in the folder of definitions; phage writes it when feeds change."""


@dataclass(kw_only=True)
class FeedHashEngine(EngineDefaults):
    """Looks a file's hashes up among the indicators of threat feeds (`phage feeds`)."""

    name: ClassVar[str] = "feedhash"
    summary: ClassVar[str] = "Looks files up among the hashes that threat feeds list."
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS
    place: ClassVar[Place] = Place.SERVICE

    largest: int = 2**40
    """Octets of the largest file that it takes."""
    _list: digests.DigestSet | None = field(default=None, init=False, repr=False)

    def version(self) -> EngineVersion:
        """Return when the list was written."""
        built = 0
        if self.definitions:
            built = max(
                (path.stat().st_mtime_ns for path in Path(self.definitions).glob(f"{LIST}.*")),
                default=0,
            )
        return EngineVersion("1", str(built) if built else "", built)

    def prepare(self) -> None:
        """Map the list. Who is looking a file up meanwhile goes on with the one of before."""
        if self.definitions:
            found = digests.DigestSet(Path(self.definitions), LIST)
            found.open()
            self._list = found

    def scan(self, content: Content) -> Answer:
        """Look the file up."""
        label = self._list.find(content.hashes) if self._list is not None else ""
        return Answer(Category.MALICIOUS, label) if label else Answer()

    def close(self) -> None:
        """Let go of the list."""
        if self._list is not None:
            self._list.close()
            self._list = None
