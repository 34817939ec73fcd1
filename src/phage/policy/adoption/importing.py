"""Reading a file of another program: which program's it is shows in its content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.config.document import MAX_OCTETS, read_text
from phage.errors import ConfigError
from phage.plugin import discover
from phage.policy.importer import IMPORTERS, Imported, Importer, Source

if TYPE_CHECKING:
    from pathlib import Path


def import_file(path: Path) -> Imported:
    """Read a file of another program. Raises ConfigError that says what is wrong and where."""
    return import_text(Source(str(path), read_text(path, MAX_OCTETS, "settings file")))


def import_text(source: Source) -> Imported:
    """Read the text of such a file, by the importer that knows most of its lines."""
    importers = _importers()
    claims = {importer.name: importer.claims(source) for importer in importers}
    best = max(importers, key=lambda importer: claims[importer.name])
    if not claims[best.name]:
        known = "; ".join(importer.summary for importer in importers)
        message = f"{source.place(1)}: is no file that can be imported; known are: {known}"
        raise ConfigError(message)
    return best.read(source)


def _importers() -> list[Importer]:
    return [plugin.factory() for plugin in discover(IMPORTERS) if plugin.factory is not None]
