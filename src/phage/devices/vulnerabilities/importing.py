"""Imports vulnerabilities: whole files or nothing of them, and again only what changed.

A file is read to its end before any of it is stored, so that one that is damaged leaves what is
known as it is. What is stored goes in parts, each in one transaction with how far it came: an
import that was killed goes on there. Records are stored by id, so none is ever there twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from phage.devices.vulnerabilities.cpe import CpeError, parse_cpe, plain
from phage.devices.vulnerabilities.documents import SUFFIXES, Document, documents
from phage.devices.vulnerabilities.reading.cvelist import read_cve
from phage.devices.vulnerabilities.reading.fields import RecordError
from phage.devices.vulnerabilities.reading.lists import epss_header, read_epss, read_kev
from phage.devices.vulnerabilities.reading.nvd import read_nvd, read_override
from phage.errors import PhageError
from phage.records.cveimport import ImportMark, SaveCount
from phage.records.vulnerability import Exploited, Likelihood, Vulnerability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.records.vulnerability import Node

BATCH = 500
"""Records stored in one transaction: some ten milliseconds in which nobody else can write."""

KEPT = 10_000
"""Records of a file that are kept in memory between reading and storing; larger files are read
twice."""

MAX_FAULTS = 50
"""Files whose faults are told one by one."""

_END = object()

Products = frozenset[tuple[str, str]]


class CveImportError(PhageError):
    """Nothing could be imported; says from where and why."""


class ForeignError(RecordError):
    """A file describes records and holds none."""


class Shelf(Protocol):
    """Where vulnerabilities are kept."""

    def save(
        self, records: Iterable[tuple[Vulnerability, Products]], mark: ImportMark | None = None
    ) -> SaveCount:
        """Store records and how far the import came, together."""

    def replace_exploited(self, entries: Iterable[Exploited], mark: ImportMark) -> None:
        """Make these all that is known to be exploited."""

    def replace_likelihoods(self, entries: Iterable[Likelihood], mark: ImportMark) -> None:
        """Make these all likelihoods that are known."""

    def mark(self, mark: ImportMark) -> None:
        """Store how far an import came."""

    def marks(self, name: str) -> ImportMark:
        """Return how far an import came."""


@dataclass
class ImportReport:
    """What became of an import.

    Attributes:
        count: Records that were new, changed, unchanged.
        exploited: Entries of KEV in force now, where one was imported.
        likelihoods: Scores of EPSS in force now, where they were imported.
        files: Documents that were read.
        known: Documents that were imported before, as they are.
        faults: Documents of which nothing was taken: "NAME: record 3: what is wrong".
        notes: What else a person should know.
    """

    count: SaveCount = field(default_factory=SaveCount)
    exploited: int = 0
    likelihoods: int = 0
    files: int = 0
    known: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faulty: int = 0

    def fault(self, text: str) -> None:
        """Note a document of which nothing was taken."""
        self.faulty += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(text)


@dataclass
class Importer:
    """Imports files and folders of them.

    Attributes:
        shelf: Where vulnerabilities are kept.
        clock: Tells when something was imported.
        progress: Told how many octets of all are done, and of how many.
    """

    shelf: Shelf
    clock: Clock
    progress: Callable[[int, int], None] = lambda _done, _whole: None
    report: ImportReport = field(default_factory=ImportReport)
    _small: list[tuple[Vulnerability, Products]] = field(default_factory=list)

    def run(self, path: Path) -> ImportReport:
        """Import a file, or all files in a folder and below. Raises CveImportError."""
        files = _files(path)
        if not files:
            message = f"{path}: holds no file that ends with {', '.join(SUFFIXES)}"
            raise CveImportError(message)
        sizes = [file.stat().st_size for file in files]
        whole, done = sum(sizes), 0
        for file, size in zip(files, sizes, strict=True):
            self._file(file, partial(self._came, done, whole))
            done += size
        self._flush()
        self.progress(whole, whole)
        return self.report

    def _came(self, done: int, whole: int, octets: int) -> None:
        self.progress(done + octets, whole)

    def _file(self, path: Path, progress: Callable[[int], None]) -> None:
        try:
            for document in documents(path, progress):
                self._document(document)
        except RecordError as error:
            self.report.fault(f"{path}: {error}")

    def _document(self, document: Document) -> None:
        self.report.files += 1
        try:
            if document.is_csv():
                self._epss(document)
            else:
                self._records(document)
        except ForeignError:
            self.report.notes.append(f"{document.name}: is a JSON schema: left out")
        except RecordError as error:
            self.report.fault(f"{document.name}: {error}")

    # --- Documents --------------------------------------------------------------------------------

    def _records(self, document: Document) -> None:
        kept: list[Vulnerability] | None = []
        exploited: list[Exploited] = []
        total = 0
        for record in read_records(document):
            total += 1
            if isinstance(record, Exploited):
                exploited.append(record)
            elif kept is not None:
                kept.append(record)
                if len(kept) > KEPT:
                    kept = None
        _check_count(document, total)
        if exploited:
            self._kev(document, exploited)
        if total - len(exploited) > 0:
            self._store(document, total, kept)

    def _store(self, document: Document, total: int, kept: list[Vulnerability] | None) -> None:
        if kept is not None and len(kept) < BATCH:
            self._small += ((each, products_of(each)) for each in kept)
            if len(self._small) >= BATCH:
                self._flush()
            return
        name = str(document.path.absolute()) + (f":{document.member}" if document.member else "")
        mark = self.shelf.marks(name)
        done = mark.done if mark.digest == document.digest else 0
        if done < 0:
            self.report.known += 1
            self.report.count += SaveCount(unchanged=total)
            return
        digest = document.digest
        source = read_records(document) if kept is None else iter(kept)
        records = (each for each in source if isinstance(each, Vulnerability))
        for batch in _batches(records, done):
            done += len(batch)
            pairs = [(each, products_of(each)) for each in batch]
            made = ImportMark(name, digest, done, "", self.clock.now())
            self.report.count += self.shelf.save(pairs, made)
        self.shelf.mark(ImportMark(name, digest, -1, "", self.clock.now()))

    def _flush(self) -> None:
        if self._small:
            self.report.count += self.shelf.save(self._small)
            self._small = []

    def _kev(self, document: Document, entries: Sequence[Exploited]) -> None:
        released = str(document.header.get("dateReleased", ""))[:40]
        if self._is_older("kev", released, document):
            return
        mark = ImportMark("kev", document.digest, -1, released, self.clock.now())
        self.shelf.replace_exploited(entries, mark)
        self.report.exploited = len(entries)

    def _epss(self, document: Document) -> None:
        released, at = "", 1
        lines = document.lines()
        first = next(lines, "")
        if first.startswith("#"):
            released = epss_header(first)
            at = 2
            first = next(lines, "")
        try:
            entries = list(read_epss(_chained(first, lines)))
        except RecordError as error:
            raise _renumbered(error, at) from error
        if not entries:
            message = "holds no scores"
            raise RecordError(message)
        if self._is_older("epss", released, document):
            return
        mark = ImportMark("epss", document.digest, -1, released, self.clock.now())
        self.shelf.replace_likelihoods(entries, mark)
        self.report.likelihoods = len(entries)

    def _is_older(self, name: str, released: str, document: Document) -> bool:
        before = self.shelf.marks(name)
        if before.digest == document.digest:
            self.report.known += 1
            return True
        if released and before.released > released:
            self.report.notes.append(
                f"{document.name}: is of {released}, that in force of {before.released}: left out"
            )
            return True
        return False


def read_records(document: Document) -> Iterator[Vulnerability | Exploited]:
    """Yield the records of a document. Raises RecordError, which names the record."""
    at = 0  # Of the record that is read or judged.
    try:
        items = document.records()
        while True:
            at += 1
            item = next(items, _END)
            if item is _END:
                return
            yield _record(item)
    except ForeignError:
        raise
    except RecordError as error:
        message = f"record {at}: {error}"
        raise RecordError(message) from error
    except RecursionError as error:
        message = f"record {at}: is nested too deeply"
        raise RecordError(message) from error


def _record(item: object) -> Vulnerability | Exploited:
    """Return the record that an item of JSON is, of any of the formats. Raises RecordError."""
    if not isinstance(item, dict):
        message = "is no object"
        raise RecordError(message)
    if "cveID" in item:
        return read_kev(item)
    if "cveMetadata" in item:
        return read_cve(item)
    if "_annotation" in item:
        return read_override(item)
    if isinstance(item.get("cve"), dict):
        return read_nvd(item)
    if "id" in item and ("vulnStatus" in item or "configurations" in item or "metrics" in item):
        return read_nvd({"cve": item})  # As tools keep them, without the shell.
    if "$schema" in item and "properties" in item:
        raise ForeignError
    names = ", ".join(sorted(map(str, item))[:5])
    message = f"is no record of NVD, of the CVE list, or of KEV (it has {names or 'no fields'})"
    raise RecordError(message)


def _check_count(document: Document, total: int) -> None:
    """Raise RecordError where a document says itself that there should be more."""
    for name in ("count", "resultsPerPage"):
        stated = document.header.get(name)
        if name == "resultsPerPage" and document.header.get("format") != "NVD_CVE":
            continue
        if isinstance(stated, int) and not isinstance(stated, bool) and stated > total:
            message = f"holds {total} records and says that it has {stated}: it is not whole"
            raise RecordError(message)


def products_of(record: Vulnerability) -> Products:
    """Return the vendors and products that a record names; ("*", "*") for a pattern."""
    found: set[tuple[str, str]] = set()
    for node in record.configurations:
        _collect(node, found)
    return frozenset(found)


def _collect(node: Node, found: set[tuple[str, str]]) -> None:
    for match in node.matches:
        if not match.vulnerable:
            continue  # What a fault needs around it is asked when the rest is there.
        try:
            name = parse_cpe(match.criteria)
        except CpeError:
            continue
        pair = plain(name.vendor), plain(name.product)
        wild = any(sign in name.vendor + name.product for sign in "*?")
        found.add(("*", "*") if wild and _is_pattern(name.vendor, name.product) else pair)
    for each in node.nodes:
        _collect(each, found)


def _is_pattern(*values: str) -> bool:
    """Tell whether any value has a wildcard that is not escaped."""
    return any("*" in v.replace("\\*", "") or "?" in v.replace("\\?", "") for v in values)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.exists():
            message = f"{path}: there is no such file or folder"
            raise CveImportError(message)
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.name.endswith(SUFFIXES) and file.is_file() and not file.name.startswith(".")
    )


def _batches(records: Iterator[Vulnerability], skip: int) -> Iterator[list[Vulnerability]]:
    batch: list[Vulnerability] = []
    for at, record in enumerate(records):
        if at < skip:
            continue
        batch.append(record)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _renumbered(error: RecordError, at: int) -> RecordError:
    """Return a fault with its line counted from the first of the file."""
    text = str(error)
    if not text.startswith("line "):
        return error
    number, colon, rest = text.removeprefix("line ").partition(":")
    return RecordError(f"line {int(number) + at - 1}{colon}{rest}")
