"""Country and autonomous system of addresses, from databases that the user has.

Files in MaxMind's format (MaxMind DB File Format Specification 2.0), as MaxMind, DB-IP and IPinfo
give them away: their records differ in names only. Files that are replaced are read anew. What a
database says of an address is where its network is registered or announced, not where anybody is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phage.errors import PhageError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from ipaddress import IPv4Network, IPv6Network

    import maxminddb

    Network = IPv4Network | IPv6Network

_log = logging.getLogger(__name__)

USUAL_FOLDERS = ("/usr/share/GeoIP", "/var/lib/GeoIP", "/usr/local/share/GeoIP")
"""Where geoipupdate(1) and distributions put them."""

USUAL_NAMES = (
    "GeoLite2-Country",
    "GeoIP2-Country",
    "GeoLite2-ASN",
    "GeoIP2-ISP",
    "dbip-country-lite",
    "dbip-asn-lite",
)

MAX_TEXT = 128
"""Characters of a name that are kept."""

_DAMAGE = (OSError, ValueError, RuntimeError)
"""What maxminddb raises for a file that is none or damaged (InvalidDatabaseError is the last)."""


class GeographyError(PhageError):
    """A database cannot be read; names the file and why."""


@frozen
class Place:
    """What is known of where an address belongs.

    Attributes:
        country: Two letters (ISO 3166-1), '' for unknown.
        system: Number of the autonomous system, 0 for unknown.
        organization: Who runs it.
    """

    country: str = ""
    system: int = 0
    organization: str = ""

    def __str__(self) -> str:
        system = f"AS{self.system} {self.organization}".strip() if self.system else ""
        return ", ".join(filter(None, (self.country, system)))


NOWHERE = Place()


@dataclass(slots=True)
class Geography:
    """Asks databases; for one thread at a time.

    Attributes:
        paths: The files, in order: the first that knows counts.
        faults: What is wrong with files, by path.
    """

    paths: Sequence[Path] = ()
    faults: dict[Path, str] = field(default_factory=dict)
    _readers: dict[Path, tuple[tuple[int, int], maxminddb.Reader]] = field(default_factory=dict)

    def look(self) -> bool:
        """Open files that are new or changed, forget those that are gone; tell if any changed."""
        changed = False
        for path in self.paths:
            try:
                found = path.stat()
                stamp = (found.st_mtime_ns, found.st_size)
                if path in self._readers and self._readers[path][0] == stamp:
                    continue
                self._readers[path] = (stamp, open_database(path))
                self.faults.pop(path, None)
            except (OSError, GeographyError) as error:
                # What was open stays: a file that is being replaced is whole again soon.
                self._failed(path, str(error))
                continue
            changed = True
        return changed

    def place(self, address: str) -> Place:
        """Return what is known of an address. Raises ValueError for what is none."""
        country, system, organization = "", 0, ""
        for path, (_, reader) in tuple(self._readers.items()):
            found = place_of(self._record(path, reader, address))
            country = country or found.country
            if not system and found.system:
                system, organization = found.system, found.organization
        return Place(country, system, organization)

    def system_of(self, address: str) -> int:
        """Return the number of the autonomous system of an address; 0 for unknown."""
        try:
            return self.place(address).system
        except ValueError:
            return 0

    def networks(self, *, country: str = "", system: int = 0) -> Iterator[Network]:
        """Yield the networks of a country, or of an autonomous system; a second or two of work."""
        for path, (_, reader) in tuple(self._readers.items()):
            try:
                for network, record in reader:
                    found = place_of(record)
                    if country in (found.country, "") and system in (found.system, 0):
                        yield network
            except _DAMAGE as error:
                self._failed(path, f"{path}: {error}")

    def __bool__(self) -> bool:
        return bool(self._readers)

    def _record(self, path: Path, reader: maxminddb.Reader, address: str) -> object:
        try:
            return reader.get(address)
        except ValueError:
            if ":" in address:  # A database of IPv4 alone.
                return None
            raise
        except _DAMAGE as error:
            self._failed(path, f"{path}: {error}")
            return None

    def _failed(self, path: Path, fault: str) -> None:
        if self.faults.get(path) != fault:
            _log.warning("%s", fault)
        self.faults[path] = fault


def open_database(path: Path) -> maxminddb.Reader:
    """Open a database. Raises GeographyError."""
    import maxminddb  # noqa: PLC0415  Only where there is a database.

    try:
        return maxminddb.open_database(path)
    except _DAMAGE as error:
        message = f"{path}: not a database in MaxMind's format: {error}"
        raise GeographyError(message) from error


def place_of(record: object) -> Place:
    """Return what a record says, whoever made the database."""
    if not isinstance(record, dict):
        return NOWHERE
    system = _system(record)
    organization = record.get("autonomous_system_organization") or record.get("as_name") or ""
    return Place(_country(record), system, str(organization)[:MAX_TEXT] if system else "")


def _country(record: Mapping[str, Any]) -> str:
    for key in ("country", "registered_country"):
        said = record.get(key)
        code = said.get("iso_code") if isinstance(said, dict) else said
        if isinstance(code, str) and len(code) == 2:
            return code.upper()
    code = record.get("country_code")
    return code.upper() if isinstance(code, str) and len(code) == 2 else ""


def _system(record: Mapping[str, Any]) -> int:
    number = record.get("autonomous_system_number", record.get("asn"))
    if isinstance(number, str):
        text = number.upper().removeprefix("AS")
        number = int(text) if text.isdecimal() and len(text) <= 10 else 0
    return number if isinstance(number, int) and 0 < number < 2**32 else 0


def usual_files() -> tuple[Path, ...]:
    """Return the databases that are at the usual places."""
    return tuple(
        path
        for name in USUAL_NAMES
        for folder in USUAL_FOLDERS
        if (path := Path(folder, f"{name}.mmdb")).is_file()
    )


def make_geography(paths: Sequence[Path]) -> Geography:
    """Return the databases of these files, or of the usual ones; read once."""
    made = Geography(tuple(paths) or usual_files())
    made.look()
    return made
