"""Lists of hashes of files: known to be bad, known to be good."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from phage.records.sample import Category, EngineKind, EngineVersion
from phage.scan import digests
from phage.scan.engine import Answer, EngineDefaults, Place
from phage.scan.trials import BENIGN, EICAR, EVIL, GARBAGE, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

BAD, GOOD = "bad", "good"


@dataclass(kw_only=True)
class HashListEngine(EngineDefaults):
    """Looks a file's hashes up in lists: own ones, those of feeds, what distributors ship (NSRL).

    Take a list with `phage engines update hashlist --from FILE`: a file whose name begins with
    "good" or "NSRL" lists what is good.
    """

    name: ClassVar[str] = "hashlist"
    summary: ClassVar[str] = (
        "Looks files up in lists of hashes, bad and good (own, feeds, NSRL, MISP)."
    )
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS
    place: ClassVar[Place] = Place.SERVICE

    largest: int = 2**40
    """Octets of the largest file that it takes."""
    _sets: dict[str, digests.DigestSet] = field(default_factory=dict, init=False, repr=False)

    def version(self) -> EngineVersion:
        """Return a digest of the lists' names, sizes and times."""
        told, built = hashlib.sha256(), 0
        for path in self._files():
            about = path.stat()
            told.update(f"{path.name} {about.st_size} {about.st_mtime_ns}\n".encode())
            built = max(built, about.st_mtime_ns)
        return EngineVersion("1", told.hexdigest()[:16] if built else "", built)

    def prepare(self) -> None:
        """Map the lists."""
        self.close()
        if self.definitions:
            for name in (BAD, GOOD, *_feed_lists(Path(self.definitions))):
                self._sets[name] = digests.DigestSet(Path(self.definitions), name)
                self._sets[name].open()

    def scan(self, content: Content) -> Answer:
        """Look the file up; what is bad goes before what is good."""
        hashes = content.hashes
        if hashes.sha256 == _EICAR:
            return Answer(Category.MALICIOUS, "EICAR-Test-File", {"list": "built in"})
        for name, each in self._sets.items():
            label = each.find(hashes) if name != GOOD else ""
            if label:
                return Answer(Category.MALICIOUS, label, {"list": name})
        good = self._sets[GOOD].find(hashes) if GOOD in self._sets else ""
        if good:
            return Answer(Category.HARMLESS, "", {"list": GOOD, "name": good})
        return Answer()

    def trials(self) -> tuple[Trial, ...]:
        """Return EICAR, something good, garbage."""
        return (EVIL, BENIGN, GARBAGE)

    def take(self, source: Path) -> None:
        """Take a list."""
        lowered = source.name.lower()
        name = GOOD if lowered.startswith(("good", "nsrl", "white", "allow")) else BAD
        digests.write(Path(self.definitions), name, digests.read_list(source))

    def close(self) -> None:
        """Let go of the lists."""
        for each in self._sets.values():
            each.close()
        self._sets.clear()

    def _files(self) -> list[Path]:
        return sorted(Path(self.definitions).iterdir()) if self.definitions else []


_EICAR = hashlib.sha256(EICAR).hexdigest()


def _feed_lists(folder: Path) -> list[str]:
    """Return the names of further lists in the folder: what feeds say."""
    names = {path.stem for path in folder.glob("*.sha256")} | {
        path.stem for path in folder.glob("*.md5")
    }
    return sorted(names - {BAD, GOOD})
