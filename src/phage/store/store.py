"""The store: a database with its repositories, opened with care."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from phage.clock import Clock, rfc3339
from phage.errors import StoreError
from phage.frozen import frozen
from phage.store.connect import open_database
from phage.store.database import Database, sqlite_path, sqlite_url
from phage.store.repositories.audit import AuditRepository
from phage.store.repositories.browsers import BrowserRepository
from phage.store.repositories.counters import CounterRepository
from phage.store.repositories.decisions import DecisionRepository
from phage.store.repositories.devices import DeviceRepository
from phage.store.repositories.exporters import ExporterRepository
from phage.store.repositories.findings import FindingRepository
from phage.store.repositories.flowgroups import FlowGroupRepository
from phage.store.repositories.flows import FlowRepository
from phage.store.repositories.indicators import IndicatorRepository
from phage.store.repositories.labels import LabelRepository
from phage.store.repositories.models import ModelRepository
from phage.store.repositories.profiles import ProfileRepository
from phage.store.repositories.receipts import ReceiptRepository
from phage.store.repositories.reputations import ReputationRepository
from phage.store.repositories.rulehits import RuleHitsRepository
from phage.store.repositories.samples import ResultRepository, SampleRepository
from phage.store.repositories.scanfleets import ScanFleetRepository
from phage.store.repositories.scanjobs import ScanJobRepository
from phage.store.repositories.scanreleases import ScanReleaseRepository
from phage.store.repositories.scans import ScanRepository
from phage.store.repositories.scantasks import ScanTaskRepository
from phage.store.repositories.scanworkers import ScanWorkerRepository
from phage.store.repositories.sessions import SessionRepository
from phage.store.repositories.sightings import SightingRepository
from phage.store.repositories.tokens import TokenRepository
from phage.store.repositories.traffic import TrafficRepository
from phage.store.repositories.users import UserRepository
from phage.store.repositories.vulnerabilities import VulnerabilityRepository
from phage.store.schema import applied, migrate, migrations, require_known

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

QUICK_CHECK_OCTETS = 64 * 2**20
"""Files up to this size are checked at each start (0.1 s); larger ones only after an unclean
end."""


@frozen
class StoreLocation:
    """Where the store is: a URL, and the password if it is not in the URL."""

    url: str
    password: str = ""

    @classmethod
    def of(cls, url: str, password: str, default: Path) -> StoreLocation:
        """Return the location that settings name; the default file when they name none."""
        return cls(url or sqlite_url(default), password)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for a server."""
        return sqlite_path(self.url) if self.url.startswith("sqlite:") else None


class Store:
    """A database with one repository for each record."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.findings = FindingRepository(database)
        self.flows = FlowRepository(database)
        self.flow_groups = FlowGroupRepository(database)
        self.devices = DeviceRepository(database)
        self.profiles = ProfileRepository(database)
        self.counters = CounterRepository(database)
        self.models = ModelRepository(database)
        self.decisions = DecisionRepository(database)
        self.receipts = ReceiptRepository(database)
        self.rule_hits = RuleHitsRepository(database)
        self.indicators = IndicatorRepository(database)
        self.reputations = ReputationRepository(database)
        self.sightings = SightingRepository(database)
        self.traffic = TrafficRepository(database)
        self.vulnerabilities = VulnerabilityRepository(database)
        self.scans = ScanRepository(database)
        self.users = UserRepository(database)
        self.sessions = SessionRepository(database)
        self.tokens = TokenRepository(database)
        self.audit = AuditRepository(database)
        self.browsers = BrowserRepository(database)
        self.labels = LabelRepository(database)
        self.exporters = ExporterRepository(database)
        self.samples = SampleRepository(database)
        self.engine_results = ResultRepository(database)
        self.scan_jobs = ScanJobRepository(database)
        self.scan_tasks = ScanTaskRepository(database)
        self.scan_workers = ScanWorkerRepository(database)
        self.scan_releases = ScanReleaseRepository(database)
        self.scan_fleets = ScanFleetRepository(database)

    def close(self) -> None:
        """Close the connection."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_store(location: StoreLocation, clock: Clock) -> Store:
    """Open the store for writing, made or brought up to date as needed.

    An SQLite file that is damaged is set aside under another name, and a new one is begun: watching
    goes on, and what can be saved of the old file is still there.

    Raises:
        StoreError: It cannot be opened, or was written by a later phage.
    """
    file = location.file
    if file is None:
        database = open_database(location.url, location.password)
    else:
        _make_folder(file)
        database = _open_file(location, file, clock)
    try:
        migrate(database, clock.now())
    except StoreError:
        database.close()
        raise
    return Store(database)


def open_reader(location: StoreLocation) -> Store:
    """Open the store for reading only.

    Raises StoreError when there is none, or of another version.
    """
    database = open_database(location.url, location.password, writable=False)
    try:
        _require_current(database)
    except StoreError:
        database.close()
        raise
    return Store(database)


def _require_current(database: Database) -> None:
    require_known(database)
    if migrations(database.dialect).keys() - applied(database):
        message = f"{database.place}: has the schema of an older phage; `phage run` updates it"
        raise StoreError(message)


def _make_folder(file: Path) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"{file.parent}: cannot be made: {error.strerror}"
        raise StoreError(message) from error


def _open_file(location: StoreLocation, file: Path, clock: Clock) -> Database:
    from phage.store.databases.sqlite import is_damaged  # noqa: PLC0415  Only for a file.

    existed = file.exists()
    check = existed and _wants_check(file)
    try:
        database = open_database(location.url)
        if not existed:
            file.chmod(0o600)  # It tells who talks to whom.
        faults = database.check() if check else []
    except StoreError as error:
        if not is_damaged(error):
            raise
        faults = [str(error)]
        database = None
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise StoreError(message) from error
    if database is not None and not faults:
        return database
    if database is not None:
        database.close()
    aside = set_aside(file, clock)
    _log.error(
        "the store is damaged (%s); it was set aside as %s and a new one begun", faults[0], aside
    )
    return open_database(location.url)


def _wants_check(file: Path) -> bool:
    log = file.with_name(f"{file.name}-wal")
    unclean = log.exists() and log.stat().st_size > 0
    return unclean or file.stat().st_size <= QUICK_CHECK_OCTETS


def set_aside(file: Path, clock: Clock) -> Path:
    """Rename an SQLite file and its log to NAME.damaged-TIME; return the new name."""
    stamp = rfc3339(clock.now()).replace(":", "")
    aside = file.with_name(f"{file.name}.damaged-{stamp}")
    try:
        for suffix in ("", "-wal", "-shm"):
            part = file.with_name(file.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        message = (
            f"{file}: is damaged and cannot be set aside: {error.strerror}; move it away by hand"
        )
        raise StoreError(message) from error
    return aside
