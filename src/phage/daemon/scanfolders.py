"""Where file scanning keeps what it keeps; apart, since knowing that must load nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from phage.config.statedir import StateDirectory


@frozen
class ScanFolders:
    """Where file scanning keeps what it keeps, in the folder of state."""

    engines: Path
    samples: Path

    @property
    def members(self) -> Path:
        """What is in samples that many workers work on, a folder a job."""
        return self.samples.with_name("members")

    @property
    def releases(self) -> Path:
        """Definitions that are rolled out to workers, disguised."""
        return self.samples.with_name("releases")

    @property
    def counts(self) -> Path:
        """What processes that scan have done, a file each."""
        return self.samples.with_name("scan-counts")

    @classmethod
    def of(cls, state: StateDirectory) -> ScanFolders:
        """Return the folders of a folder of state."""
        return cls(state.path / "engines", state.path / "samples")
