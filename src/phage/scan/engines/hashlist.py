"""Lists of hashes of files: known to be bad, known to be good."""

from __future__ import annotations

import hashlib
import shutil
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
    """Looks a file's hashes up in lists: own ones, and what distributors ship (NSRL).

    Take a list with `phage engines update hashlist --from FILE`: a file whose name begins with
    "good" or "NSRL" lists what is good.
    """

    name: ClassVar[str] = "hashlist"
    summary: ClassVar[str] = (
        "Looks files up in lists of hashes, bad and good (own, NSRL, MISP exports)."
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
        """Map the lists. Who is looking a file up meanwhile goes on with those of before."""
        sets: dict[str, digests.DigestSet] = {}
        if self.definitions:
            for name in (BAD, GOOD):
                sets[name] = digests.DigestSet(Path(self.definitions), name)
                sets[name].open()
        self._sets = sets

    def scan(self, content: Content) -> Answer:
        """Look the file up; what is bad goes before what is good."""
        hashes = content.hashes
        if hashes.sha256 == _EICAR:
            return Answer(Category.MALICIOUS, "EICAR-Test-File", {"list": "built in"})
        bad = self._sets[BAD].find(hashes) if BAD in self._sets else ""
        if bad:
            return Answer(Category.MALICIOUS, bad, {"list": BAD})
        good = self._sets[GOOD].find(hashes) if GOOD in self._sets else ""
        if good:
            return Answer(Category.HARMLESS, "", {"list": GOOD, "name": good})
        return Answer()

    def trials(self) -> tuple[Trial, ...]:
        """Return EICAR, something good, garbage."""
        return (EVIL, BENIGN, GARBAGE)

    def take(self, source: Path, before: Path | None) -> None:
        """Take a list of what is bad, or good; the other list stays as it was."""
        lowered = source.name.lower()
        name = GOOD if lowered.startswith(("good", "nsrl", "white", "allow")) else BAD
        other = BAD if name == GOOD else GOOD
        for path in before.glob(f"{other}.*") if before else ():
            shutil.copyfile(path, Path(self.definitions) / path.name)
        digests.write(Path(self.definitions), name, digests.read_list(source))

    def close(self) -> None:
        """Let go of the lists."""
        for each in self._sets.values():
            each.close()
        self._sets.clear()

    def _files(self) -> list[Path]:
        return sorted(Path(self.definitions).iterdir()) if self.definitions else []


_EICAR = hashlib.sha256(EICAR).hexdigest()
