"""Vulnerabilities: saved by id and source, found by product."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from phage.records.cveimport import ImportMark, SaveCount
from phage.records.vulnerability import (
    Exploited,
    Likelihood,
    MatchString,
    Node,
    Vulnerability,
)
from phage.store.repositories.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from phage.store.database import Database, Row, Value

Products = frozenset[tuple[str, str]]
"""Vendors and products that a record names, in lower case, without escapes."""

ANY_PRODUCT = ("*", "*")
"""Under this a record is found that names products by a pattern."""

PRECEDENCE = ("override", "nvd", "cve")
"""Whose word counts, where several sources describe one vulnerability."""

MAX_PAGE = 10_000
_MARKS = 500  # Parameters of a statement; SQLite takes 32,766, and plans no better for more.

_COLUMNS = (
    "id, source, modified, published, description, cvss, cvss_version, cvss_vector, weaknesses, "
    "exploitation, rejected, configurations"
)
_SAVE = (
    f"INSERT INTO cves ({_COLUMNS}, digest) VALUES ({', '.join('?' * 13)}) "
    "ON CONFLICT (id, source) DO UPDATE SET "
    + ", ".join(
        f"{name.strip()} = excluded.{name.strip()}"
        for name in f"{_COLUMNS}, digest".split(",")
        if name.strip() not in {"id", "source"}
    )
)
_MARK = (
    "INSERT INTO cve_imports (name, digest, done, released, at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, done = excluded.done, "
    "released = excluded.released, at = excluded.at"
)


@dataclass(frozen=True, slots=True)
class CveFilter:
    """Which vulnerabilities are wanted; what is empty does not narrow. `after` is an id."""

    text: str = ""
    vendor: str = ""
    product: str = ""
    exploited: bool = False
    after: str = ""


class VulnerabilityRepository:
    """Vulnerabilities in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- Saving -----------------------------------------------------------------------------------

    def save(
        self, records: Iterable[tuple[Vulnerability, Products]], mark: ImportMark | None = None
    ) -> SaveCount:
        """Insert records, or update those that changed; older ones change nothing.

        With a mark, it is stored in the same transaction: after a kill both are there or neither.
        """
        latest: dict[tuple[str, str], tuple[Vulnerability, Products]] = {}
        for record, products in records:
            known = latest.get((record.id, record.source))
            if known is None or record.modified >= known[0].modified:
                latest[record.id, record.source] = record, products
        with self._database.transaction():
            count = self._save(latest)
            if mark is not None:
                self.mark(mark)
        return count

    def _save(self, latest: Mapping[tuple[str, str], tuple[Vulnerability, Products]]) -> SaveCount:
        stored = self._stored(latest)
        rows: list[Row] = []
        gone: list[tuple[str, str]] = []
        products: list[tuple[str, str, str, str]] = []
        for key, (record, named) in latest.items():
            row = _to_row(record)
            known = stored.get(key)
            if known is not None and (known[1] == row[-1] or known[0] > record.modified):
                continue
            rows.append(row)
            if known is not None:
                gone.append(key)
            products += ((storable(vendor), storable(product), *key) for vendor, product in named)
        run = self._database.execute_many
        if gone:
            run("DELETE FROM cve_products WHERE cve = ? AND source = ?", gone)
        if rows:
            run(_SAVE, rows)
        if products:
            run(
                "INSERT INTO cve_products (vendor, product, cve, source) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                products,
            )
        return SaveCount(len(rows) - len(gone), len(gone), len(latest) - len(rows))

    def _stored(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, str]]:
        """Return time of change and digest of the records that are there."""
        ids = list(dict.fromkeys(key[0] for key in keys))
        return {
            (str(row[0]), str(row[1])): (str(row[2]), str(row[3]))
            for row in self._of_ids(
                "SELECT id, source, modified, digest FROM cves WHERE id IN", ids
            )
        }

    def replace_exploited(self, entries: Iterable[Exploited], mark: ImportMark) -> None:
        """Make these all that is known to be exploited."""
        with self._database.transaction():
            self._database.execute("DELETE FROM cve_exploited")
            self._database.execute_many(
                "INSERT INTO cve_exploited (cve, name, added, due, action, ransomware) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (
                        each.cve,
                        storable(each.name),
                        storable(each.added),
                        storable(each.due),
                        storable(each.action),
                        int(each.ransomware),
                    )
                    for each in {entry.cve: entry for entry in entries}.values()
                ),
            )
            self.mark(mark)

    def replace_likelihoods(self, entries: Iterable[Likelihood], mark: ImportMark) -> None:
        """Make these all likelihoods that are known."""
        with self._database.transaction():
            self._database.execute("DELETE FROM cve_likelihoods")
            self._database.execute_many(
                "INSERT INTO cve_likelihoods (cve, score, percentile) VALUES (?, ?, ?) "
                "ON CONFLICT (cve) DO UPDATE SET score = excluded.score, "
                "percentile = excluded.percentile",
                ((each.cve, each.score, each.percentile) for each in entries),
            )
            self.mark(mark)

    def mark(self, mark: ImportMark) -> None:
        """Store how far an import came."""
        row = (storable(mark.name), mark.digest, mark.done, storable(mark.released), mark.at)
        self._database.execute(_MARK, row)

    def marks(self, name: str) -> ImportMark:
        """Return how far an import came; an empty mark where it never began."""
        rows = self._database.query(
            "SELECT name, digest, done, released, at FROM cve_imports WHERE name = ?",
            (storable(name),),
        )
        values: tuple[Any, ...] = rows[0] if rows else (name, "", 0, "", 0)
        return ImportMark(*values)

    # --- Reading ----------------------------------------------------------------------------------

    def get(self, cve: str) -> Vulnerability | None:
        """Return a vulnerability, all sources in one; None where there is none."""
        return next(iter(self._joined([cve.upper()]).values()), None)

    def of_product(self, vendor: str, product: str) -> Sequence[Vulnerability]:
        """Return vulnerabilities whose configurations name a product, but those withdrawn."""
        rows = self._database.query(
            "SELECT DISTINCT cve FROM cve_products WHERE (vendor = ? AND product = ?) "
            "OR (vendor = ? AND product = ?)",
            (storable(vendor), storable(product), *ANY_PRODUCT),
        )
        found = self._joined([str(row[0]) for row in rows])
        return [each for each in found.values() if not each.rejected]

    def vendors_of(self, product: str) -> list[str]:
        """Return vendors of a product of this name, the one with most vulnerabilities first."""
        rows = self._database.query(
            "SELECT vendor FROM cve_products WHERE product = ? GROUP BY vendor "
            "ORDER BY count(*) DESC, vendor LIMIT 20",
            (storable(product),),
        )
        return [str(row[0]) for row in rows]

    def list(self, wanted: CveFilter = CveFilter(), limit: int = 100) -> list[Vulnerability]:
        """Return vulnerabilities, by id from the highest."""
        conditions = ["rejected = 0"]
        parameters: list[Value] = []
        if wanted.text:
            like = storable(wanted.text).replace("!", "!!").replace("%", "!%").replace("_", "!_")
            conditions.append("(id LIKE ? ESCAPE '!' OR description LIKE ? ESCAPE '!')")
            parameters += [f"%{like.upper()}%", f"%{like}%"]
        for column, value in (("vendor", wanted.vendor), ("product", wanted.product)):
            if value:
                conditions.append(f"id IN (SELECT cve FROM cve_products WHERE {column} = ?)")
                parameters.append(storable(value.lower()))
        if wanted.exploited:
            conditions.append("id IN (SELECT cve FROM cve_exploited)")
        if wanted.after:
            conditions.append("id < ?")
            parameters.append(storable(wanted.after.upper()))
        rows = self._database.query(
            f"SELECT DISTINCT id FROM cves WHERE {' AND '.join(conditions)} "
            "ORDER BY id DESC LIMIT ?",
            (*parameters, max(0, min(limit, MAX_PAGE))),
        )
        ids = [str(row[0]) for row in rows]
        found = self._joined(ids)
        return [found[each] for each in ids]

    def exploited(self, cves: Iterable[str]) -> Mapping[str, Exploited]:
        """Return which of these are known to be used in attacks."""
        select = "SELECT cve, name, added, due, action, ransomware FROM cve_exploited WHERE cve IN"
        found: dict[str, Exploited] = {}
        for row in self._of_ids(select, list(cves)):
            values: tuple[Any, ...] = (*row[:5], bool(row[5]))
            found[values[0]] = Exploited(*values)
        return found

    def likelihoods(self, cves: Iterable[str]) -> Mapping[str, Likelihood]:
        """Return the likelihood of each of these that has one."""
        select = "SELECT cve, score, percentile FROM cve_likelihoods WHERE cve IN"
        found: dict[str, Likelihood] = {}
        for row in self._of_ids(select, list(cves)):
            values: tuple[Any, ...] = row
            found[values[0]] = Likelihood(*values)
        return found

    def counts(self) -> Mapping[str, int]:
        """Return how many there are of what."""
        return {
            name: int(self._database.query(f"SELECT count(*) FROM {table}")[0][0] or 0)
            for name, table in (
                ("records", "cves"),
                ("exploited", "cve_exploited"),
                ("likelihoods", "cve_likelihoods"),
            )
        }

    def _joined(self, ids: Sequence[str]) -> dict[str, Vulnerability]:
        """Return vulnerabilities by id, all sources in one."""
        parts: defaultdict[str, dict[str, Vulnerability]] = defaultdict(dict)
        for row in self._of_ids(f"SELECT {_COLUMNS} FROM cves WHERE id IN", ids):
            record = _from_row(row)
            parts[record.id][record.source] = record
        return {cve: _join(sources) for cve, sources in parts.items()}

    def _of_ids(self, select: str, ids: Sequence[str]) -> Iterator[Row]:
        for at in range(0, len(ids), _MARKS):
            some = ids[at : at + _MARKS]
            yield from self._database.query(
                f"{select} ({', '.join('?' * len(some))})", [storable(each) for each in some]
            )


def _join(sources: Mapping[str, Vulnerability]) -> Vulnerability:
    """Return what several sources say as one record; each field from the first that has it.

    A correction says what is affected and nothing more.
    """
    order = [sources[name] for name in PRECEDENCE if name in sources]
    described = [each for each in order if each.source != PRECEDENCE[0]] or order
    first = described[0]
    scored = next((each for each in order if each.cvss is not None), first)
    return replace(
        first,
        description=next((e.description for e in (*described, *order) if e.description), ""),
        cvss=scored.cvss,
        cvss_version=scored.cvss_version,
        cvss_vector=scored.cvss_vector,
        weaknesses=next((each.weaknesses for each in order if each.weaknesses), ()),
        exploitation=next((each.exploitation for each in order if each.exploitation), ""),
        configurations=next((each.configurations for each in order if each.configurations), ()),
        rejected=any(each.rejected for each in order),
    )


def _to_row(record: Vulnerability) -> Row:
    row = (
        storable(record.id),
        storable(record.source),
        storable(record.modified),
        storable(record.published),
        storable(record.description),
        record.cvss,
        storable(record.cvss_version),
        storable(record.cvss_vector),
        storable(",".join(record.weaknesses)),
        storable(record.exploitation),
        int(record.rejected),
        json.dumps([_packed(each) for each in record.configurations], separators=(",", ":")),
    )
    digest = hashlib.blake2b(repr(row).encode("utf-8", "replace"), digest_size=16).hexdigest()
    return (*row, digest)


def _from_row(row: Row) -> Vulnerability:
    values: tuple[Any, ...] = row
    return Vulnerability(
        id=values[0],
        source=values[1],
        modified=values[2],
        published=values[3],
        description=values[4],
        cvss=values[5],
        cvss_version=values[6],
        cvss_vector=values[7],
        weaknesses=tuple(filter(None, values[8].split(","))),
        exploitation=values[9],
        rejected=bool(values[10]),
        configurations=tuple(_unpacked(each) for each in json.loads(values[11])),
    )


def _packed(node: Node) -> list[object]:
    return [
        node.operator,
        int(node.negate),
        [
            [
                match.criteria,
                int(match.vulnerable),
                match.start_including,
                match.start_excluding,
                match.end_including,
                match.end_excluding,
            ]
            for match in node.matches
        ],
        [_packed(each) for each in node.nodes],
    ]


def _unpacked(packed: list[Any]) -> Node:
    operator, negate, matches, nodes = packed
    return Node(
        operator,
        bool(negate),
        tuple(MatchString(each[0], bool(each[1]), *each[2:]) for each in matches),
        tuple(_unpacked(each) for each in nodes),
    )
