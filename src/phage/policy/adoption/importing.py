"""Reading a file of another program: which program's it is shows in its content."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from phage.config.document import MAX_OCTETS, read_text
from phage.errors import ConfigError
from phage.plugin import discover
from phage.policy.importer import IMPORTERS, Imported, Importer, Source


def import_file(path: Path) -> Imported:
    """Read a file of another program. Raises ConfigError that says what is wrong and where."""
    text = read_text(path, MAX_OCTETS, "settings file")
    return import_text(Source(str(path), text, partial(_beside, path.parent)))


def _beside(folder: Path, name: str) -> Source | None:
    """Return a file that the imported one names: beside it, else where it says."""
    for path in (folder / Path(name).name, Path(name)):
        if path.is_file():
            try:
                return Source(str(path), read_text(path, MAX_OCTETS, "list"))
            except ConfigError:
                continue
    return None


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
