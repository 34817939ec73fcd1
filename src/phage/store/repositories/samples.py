"""Samples, their verdicts with history, and what engines said of each file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phage.records.sample import EngineResult, Outcome, Sample, Verdict
from phage.store.repositories.samplefilter import EVERY, SampleFilter, where
from phage.store.repositories.text import storable, storable_integer
from phage.store.repositories.verdictbody import (
    result_body,
    result_from,
    verdict_body,
    verdict_from,
)

if TYPE_CHECKING:
    from phage.store.database import Database, Row

MAX_PAGE = 10_000
"""Samples that one question returns at most."""

MOST_NAMES = 50
"""Names that are kept of one sample."""

MOST_FACTS = 200
"""Facts of one sample by which it can be found."""

LONGEST_VALUE = 200
"""Characters of a fact by which a sample can be found."""

Place = tuple[int, str]
"""Where a sample stands among those that were seen last: when that was, and its SHA-256."""

_SAMPLE = "sha256, sha1, md5, size, kind, first_seen, last_seen, submissions, tags"
_VERDICT = "id, time, outcome, complete, fingerprint, body"


class SampleRepository:
    """Samples in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, verdict: Verdict, *, again: bool = False) -> None:
        """Keep a verdict and its sample; a later verdict does not replace an earlier one.

        `again` for one that nobody submitted: it was only looked at once more.
        """
        sample = verdict.sample
        with self._database.transaction():
            self._save_sample(sample, verdict, again=again)
            self._database.execute(
                "INSERT INTO verdicts (id, sha256, time, outcome, complete, fingerprint, "
                "positives, judged, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO NOTHING",
                (
                    verdict.id,
                    sample.sha256,
                    storable_integer(verdict.time),
                    str(verdict.outcome),
                    int(verdict.complete),
                    verdict.fingerprint,
                    verdict.positives,
                    verdict.judged,
                    json.dumps(verdict_body(verdict)),
                ),
            )
            self._save_facts(verdict)
            self._save_parts(verdict)

    def seen(self, sample: Sample) -> None:
        """Count one more submission of a sample that is known, under these names."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE samples SET last_seen = ?, submissions = submissions + 1 WHERE sha256 = ?",
                (storable_integer(sample.last_seen), sample.sha256),
            )
            self._save_names(sample)

    def get(self, hash_: str) -> Sample | None:
        """Return the sample with a hash, or with the only one that begins so (8 letters)."""
        found = self.list(SampleFilter(hash=hash_), 2) if len(hash_) >= 8 else []
        return found[0] if len(found) == 1 else None

    def list(self, wanted: SampleFilter = EVERY, limit: int = 100) -> Sequence[Sample]:
        """Return samples, those seen last first."""
        return [sample for sample, _, _ in self.listed(wanted, limit)]

    def listed(
        self, wanted: SampleFilter = EVERY, limit: int = 100
    ) -> Sequence[tuple[Sample, Outcome, str]]:
        """Return samples with the outcome and id of their last verdict, those seen last first."""
        conditions, parameters = where(wanted)
        rows = self._database.query(
            f"SELECT {_SAMPLE}, outcome, verdict FROM samples{conditions} "
            "ORDER BY last_seen DESC, sha256 DESC LIMIT ?",
            (*parameters, max(0, min(limit, MAX_PAGE))),
        )
        names = self._names([str(row[0]) for row in rows])
        return [
            (_sample(row, names.get(str(row[0]), ())), Outcome(str(row[9])), str(row[10]))
            for row in rows
        ]

    def count(self, wanted: SampleFilter = EVERY) -> int:
        """Return how many samples there are."""
        conditions, parameters = where(wanted)
        rows = self._database.query(f"SELECT count(*) FROM samples{conditions}", parameters)
        return int(rows[0][0] or 0)

    def verdict(self, sha256: str, fingerprint: str = "") -> Verdict | None:
        """Return the last verdict of a sample, or the last with a fingerprint."""
        found = self.history(sha256, 1, fingerprint)
        return found[0] if found else None

    def verdict_by_id(self, id: str) -> Verdict | None:  # noqa: A002  The field's name.
        """Return a verdict by its id."""
        rows = self._database.query(
            f"SELECT {_VERDICT}, sha256 FROM verdicts WHERE id = ?", (storable(id),)
        )
        samples = self.list(SampleFilter(hash=str(rows[0][-1])), 1) if rows else []
        return _verdict(rows[0], samples[0]) if samples else None

    def history(self, sha256: str, limit: int = 100, fingerprint: str = "") -> Sequence[Verdict]:
        """Return the verdicts of a sample, the last first."""
        samples = self.list(SampleFilter(hash=sha256), 1)
        if not samples:
            return []
        condition, parameters = "", [samples[0].sha256]
        if fingerprint:
            condition, parameters = " AND fingerprint = ?", [samples[0].sha256, fingerprint]
        rows = self._database.query(
            f"SELECT {_VERDICT} FROM verdicts WHERE sha256 = ?{condition} "
            "ORDER BY time DESC, id DESC LIMIT ?",
            (*parameters, max(0, min(limit, MAX_PAGE))),
        )
        return [_verdict(row, samples[0]) for row in rows]

    def facts(self, sha256: str) -> dict[str, str]:
        """Return the facts by which a sample can be found."""
        rows = self._database.query(
            "SELECT fact, value FROM sample_facts WHERE sha256 = ? ORDER BY fact", (sha256,)
        )
        return {str(fact): str(value) for fact, value in rows}

    def containers(self, sha256: str, limit: int = 100) -> Sequence[Sample]:
        """Return samples in which a file was, those seen last first."""
        return self.list(SampleFilter(part=sha256), limit)

    def remove(self, sha256: str) -> bool:
        """Forget a sample with all its verdicts; False when it was not known."""
        with self._database.transaction():
            for table in ("sample_names", "sample_facts", "verdicts", "engine_results",
                          "engine_crashes"):  # fmt: skip
                self._database.execute(f"DELETE FROM {table} WHERE sha256 = ?", (sha256,))
            self._database.execute("DELETE FROM sample_parts WHERE parent = ?", (sha256,))
            return bool(self._database.execute("DELETE FROM samples WHERE sha256 = ?", (sha256,)))

    def due(
        self, since: int, fingerprint: str, limit: int = 1000, after: Place | None = None
    ) -> Sequence[Place]:
        """Return samples seen since a time whose last verdict rests on other engines.

        Those seen last come first; the last place of a page is where the next goes on.
        """
        place, parameters = ("AND (last_seen, sha256) < (?, ?) ", after) if after else ("", ())
        rows = self._database.query(
            "SELECT last_seen, sha256 FROM samples WHERE last_seen >= ? AND verdict NOT IN "
            f"(SELECT id FROM verdicts WHERE fingerprint = ?) {place}"
            "ORDER BY last_seen DESC, sha256 DESC LIMIT ?",
            (since, fingerprint, *parameters, limit),
        )
        return [(int(row[0] or 0), str(row[1])) for row in rows]

    def all_due(self, since: int, fingerprint: str) -> Iterator[str]:
        """Return the same, page by page."""
        page = self.due(since, fingerprint)
        while page:
            yield from (sha256 for _, sha256 in page)
            page = self.due(since, fingerprint, after=page[-1])

    def _save_sample(self, sample: Sample, verdict: Verdict, *, again: bool) -> None:
        seen = (
            ""
            if again
            else "last_seen = excluded.last_seen, submissions = samples.submissions + 1, "
        )
        self._database.execute(
            f"INSERT INTO samples ({_SAMPLE}, outcome, verdict) "
            f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET {seen}"
            "tags = excluded.tags, kind = excluded.kind, outcome = excluded.outcome, "
            "verdict = excluded.verdict",
            (
                sample.sha256,
                sample.sha1,
                sample.md5,
                storable_integer(sample.size),
                storable(sample.kind),
                storable_integer(sample.first_seen),
                storable_integer(sample.last_seen),
                1,
                storable(" ".join(sample.tags)),
                str(verdict.outcome),
                verdict.id,
            ),
        )
        self._save_names(sample)

    def _save_names(self, sample: Sample) -> None:
        if not sample.names:
            return
        rows = self._database.query(
            "SELECT count(*) FROM sample_names WHERE sha256 = ?", (sample.sha256,)
        )
        room = max(0, MOST_NAMES - int(rows[0][0] or 0))
        self._database.execute_many(
            "INSERT INTO sample_names (sha256, name, seen) VALUES (?, ?, ?) "
            "ON CONFLICT (sha256, name) DO UPDATE SET seen = excluded.seen",
            [
                (sample.sha256, storable(name[:1000]), storable_integer(sample.last_seen))
                for name in sample.names[:room]
            ],
        )

    def _save_facts(self, verdict: Verdict) -> None:
        sha256 = verdict.sample.sha256
        facts = dict(list(_flat(verdict))[:MOST_FACTS])
        self._database.execute("DELETE FROM sample_facts WHERE sha256 = ?", (sha256,))
        self._database.execute_many(
            "INSERT INTO sample_facts (sha256, fact, value) VALUES (?, ?, ?)",
            [(sha256, storable(fact), storable(value)) for fact, value in facts.items()],
        )

    def _save_parts(self, verdict: Verdict) -> None:
        parent = verdict.sample.sha256
        self._database.execute_many(
            "INSERT INTO sample_parts (parent, sha256) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [(parent, digest) for digest in {each.sha256 for each in verdict.parts} - {parent}],
        )

    def _names(self, hashes: Sequence[str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for start in range(0, len(hashes), 500):
            some = hashes[start : start + 500]
            marks = ", ".join("?" * len(some))
            rows = self._database.query(
                f"SELECT sha256, name FROM sample_names WHERE sha256 IN ({marks}) "
                "ORDER BY seen, name",
                some,
            )
            for sha256, name in rows:
                found.setdefault(str(sha256), []).append(str(name))
        return {sha256: tuple(names) for sha256, names in found.items()}


class ResultRepository:
    """What engines said of files, by hash, engine, versions and options; and what kills engines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(
        self, sha256: str, keys: Sequence[tuple[str, str, str, str]]
    ) -> Mapping[str, EngineResult]:
        """Return results by engine, for engines with these versions and options."""
        rows = self._database.query(
            "SELECT engine, version, definitions, options, body FROM engine_results "
            "WHERE sha256 = ?",
            (sha256,),
        )
        wanted = set(keys)
        return {
            str(row[0]): result_from(json.loads(str(row[4])))
            for row in rows
            if (str(row[0]), str(row[1]), str(row[2]), str(row[3])) in wanted
        }

    def keep(self, sha256: str, results: Sequence[tuple[EngineResult, str]], now: int) -> None:
        """Keep results, each with the digest of its engine's options; one key, one row."""
        with self._database.transaction():
            self._database.execute_many(
                "INSERT INTO engine_results (sha256, engine, version, definitions, options, time, "
                "body) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (sha256, engine, version, definitions, options) DO UPDATE SET "
                "time = excluded.time, body = excluded.body",
                [
                    (
                        sha256,
                        result.engine,
                        storable(result.version.engine),
                        storable(result.version.definitions),
                        options,
                        now,
                        json.dumps(result_body(result)),
                    )
                    for result, options in results
                ],
            )

    def crashes(self, sha256: str) -> Mapping[str, int]:
        """Return how often a file killed engines, by name."""
        rows = self._database.query(
            "SELECT engine, crashes FROM engine_crashes WHERE sha256 = ?", (sha256,)
        )
        return {str(engine): int(count or 0) for engine, count in rows}

    def crashed(self, sha256: str, engine: str, now: int) -> None:
        """Count one more time that a file killed an engine."""
        self._database.execute(
            "INSERT INTO engine_crashes (sha256, engine, crashes, last) VALUES (?, ?, 1, ?) "
            "ON CONFLICT (sha256, engine) DO UPDATE SET crashes = engine_crashes.crashes + 1, "
            "last = excluded.last",
            (sha256, engine, now),
        )

    def forgive(self, sha256: str) -> None:
        """Forget that a file killed engines: it may be tried again."""
        self._database.execute("DELETE FROM engine_crashes WHERE sha256 = ?", (sha256,))


def _sample(row: Row, names: tuple[str, ...]) -> Sample:
    values: tuple[Any, ...] = row
    return Sample(
        sha256=values[0],
        sha1=values[1],
        md5=values[2],
        size=values[3],
        kind=values[4],
        names=names,
        first_seen=values[5],
        last_seen=values[6],
        submissions=values[7],
        tags=tuple(values[8].split()),
    )


def _verdict(row: Row, sample: Sample) -> Verdict:
    values: tuple[Any, ...] = row
    return verdict_from(
        values[0], sample, (values[1], values[2], values[3], values[4]), json.loads(values[5])
    )


def _flat(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Yield the facts of a verdict as "ENGINE.NAME" and text; labels are facts too."""
    for result in verdict.results:
        if result.label:
            yield f"{result.engine}.label", result.label[:LONGEST_VALUE]
        yield from _leaves(result.engine, result.facts)


def _leaves(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(f"{prefix}.{name}"[:LONGEST_VALUE], item)
    elif isinstance(value, list):
        texts = [str(item) for item in value if not isinstance(item, dict | list)]
        if texts:
            yield prefix, ", ".join(texts)[:LONGEST_VALUE]
    elif value is not None and value != "":
        yield prefix, str(value)[:LONGEST_VALUE]
