"""How far imports of vulnerabilities came."""

from __future__ import annotations

from phage.frozen import frozen


@frozen
class ImportMark:
    """How far a file or address was imported.

    Attributes:
        name: The file's path, the URL, or "kev" and "epss" for what is replaced as a whole.
        digest: Of the content, so that another file under the name is begun anew.
        done: Records that are stored; -1 when all are.
        released: The time that the content carries.
        at: When, in nanoseconds since the Unix epoch.
    """

    name: str
    digest: str = ""
    done: int = 0
    released: str = ""
    at: int = 0

    @property
    def is_whole(self) -> bool:
        """Tell whether all of it is stored."""
        return self.done < 0


@frozen
class SaveCount:
    """What became of records that were saved."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    """The same is stored already, or something newer."""

    def __add__(self, other: SaveCount) -> SaveCount:
        return SaveCount(
            self.new + other.new, self.changed + other.changed, self.unchanged + other.unchanged
        )
