"""Samples, verdicts, results and jobs in the store, on every engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phage.records.sample import (
    Category,
    EngineKind,
    EngineResult,
    EngineVersion,
    Outcome,
    Part,
    Reason,
    Sample,
    Verdict,
)
from phage.records.scanjob import JobState, Progress, ScanJob
from phage.store.repositories.samplefilter import SampleFilter

if TYPE_CHECKING:
    from phage.store.store import Store

SAMPLE = Sample(
    "a" * 64, "b" * 40, "c" * 32, 68, "zip", ("x.zip", "ünï\0.zip"), 10, 10, 1, ("signed",)
)
ROW = EngineResult(
    "yara",
    EngineKind.EVILNESS,
    Category.MALICIOUS,
    "Eicar",
    EngineVersion("1.2", "d1", 5),
    {"rules": [{"rule": "Eicar"}], "entropy": 4.5, "100%_x": True},
    "",
    0.25,
)
VERDICT = Verdict(
    id="v1",
    sample=SAMPLE,
    outcome=Outcome.INFECTED,
    complete=False,
    time=10,
    reasons=(Reason(Outcome.INFECTED, "yara: Eicar in x.zip > c.com", "yara", ("c.com",)),),
    results=(ROW,),
    parts=(Part((), "a" * 64, 68, "zip", (ROW,), ("encrypted",)),),
    parts_total=2,
    fingerprint="f1",
    isolation="full",
    seconds=1.5,
)


def test_verdicts_come_back_as_they_were(store: Store) -> None:
    store.samples.save(VERDICT)
    again = store.samples.verdict("a" * 64, "f1")
    assert again is not None
    assert replace(again, sample=VERDICT.sample) == VERDICT
    assert set(again.sample.names) == {"x.zip", "ünï\ufffd.zip"}
    assert store.samples.verdict("a" * 64, "f2") is None
    assert store.samples.verdict_by_id("v1") == again
    assert store.samples.verdict_by_id("v2") is None


def test_history_and_due(store: Store) -> None:
    store.samples.save(VERDICT)
    later = replace(VERDICT, id="v2", time=20, outcome=Outcome.CLEAN, fingerprint="f2", results=())
    store.samples.save(replace(later, sample=replace(SAMPLE, last_seen=20)))
    assert [each.id for each in store.samples.history("a" * 64)] == ["v2", "v1"]
    ((sample, outcome, verdict),) = store.samples.listed()
    assert (sample.submissions, outcome, verdict) == (2, Outcome.CLEAN, "v2")
    assert store.samples.due(0, "f3") == [(20, "a" * 64)]
    assert store.samples.due(0, "f2") == []
    assert store.samples.due(30, "f3") == []


def test_due_is_read_page_by_page(store: Store) -> None:
    hashes = [f"{number:064x}" for number in range(5)]
    for number, sha256 in enumerate(hashes):
        sample = replace(SAMPLE, sha256=sha256, last_seen=20 + number // 2)
        store.samples.save(replace(VERDICT, id=f"v{number}", sample=sample))
    first = store.samples.due(0, "other", 2)
    assert [sha256 for _, sha256 in first] == [hashes[4], hashes[3]]
    second = store.samples.due(0, "other", 2, first[-1])
    assert [sha256 for _, sha256 in second] == [hashes[2], hashes[1]]
    assert list(store.samples.all_due(0, "other")) == hashes[::-1]


def test_search(store: Store) -> None:
    store.samples.save(VERDICT)
    other = Sample("d" * 64, "e" * 40, "f" * 32, 1, "text", ("100%.txt",), 5, 5)
    store.samples.save(replace(VERDICT, id="v3", sample=other, results=(), outcome=Outcome.CLEAN))

    def hashes(**wanted: object) -> list[str]:
        return [each.sha256[0] for each in store.samples.list(SampleFilter(**wanted))]  # type: ignore[arg-type]

    assert hashes() == ["a", "d"]
    assert hashes(name="X.ZI") == ["a"]
    assert hashes(name="100%") == ["d"]
    assert hashes(name="_") == []
    assert hashes(hash="b" * 40) == ["a"]
    assert hashes(hash="dddddddd") == ["d"]
    assert hashes(outcome=Outcome.CLEAN) == ["d"]
    assert hashes(kind="zip", tag="signed") == ["a"]
    assert hashes(tag="sign") == []
    assert hashes(fact="yara.label", value="eic") == ["a"]
    assert hashes(value="4.5") == ["a"]
    assert hashes(since=7) == ["a"]
    assert hashes(until=7) == ["d"]
    assert hashes(after="a" * 64) == ["d"]
    assert store.samples.get("dddddddd") is not None
    assert store.samples.get("ddd") is None
    assert store.samples.facts("a" * 64)["yara.entropy"] == "4.5"
    assert store.samples.count() == 2


def test_results_are_keyed_by_what_they_rest_on(store: Store) -> None:
    results = store.engine_results
    results.keep("a" * 64, [(ROW, "o1")], 1)
    results.keep("a" * 64, [(replace(ROW, label="Other"), "o1")], 2)
    key = ("yara", "1.2", "d1", "o1")
    assert results.known("a" * 64, [key])["yara"].label == "Other"
    for changed in (
        ("yara", "1.3", "d1", "o1"),
        ("yara", "1.2", "d2", "o1"),
        ("yara", "1.2", "d1", "o2"),
    ):
        assert results.known("a" * 64, [changed]) == {}
    results.crashed("a" * 64, "pdf", 1)
    results.crashed("a" * 64, "pdf", 2)
    assert results.crashes("a" * 64) == {"pdf": 2}
    results.forgive("a" * 64)
    assert results.crashes("a" * 64) == {}


def test_jobs_are_leased_fenced_and_given_up(store: Store) -> None:
    jobs = store.scan_jobs
    new = [
        ScanJob(f"j{number}", "a" * 64, engines=("yara",), priority=number % 2)
        for number in range(4)
    ]
    assert jobs.add(new, 1, most=3) == 3
    first = jobs.lease("w1", 1, 10, 20)[0]
    assert (first.id, first.attempts, first.engines) == ("j0", 1, ("yara",))
    assert [each.id for each in jobs.lease("w2", 5, 10, 40)] == ["j2", "j1"]
    assert jobs.extend("j0", first.lease, 25)
    assert jobs.expire(24, 3) == 0
    assert jobs.expire(26, 3) == 1
    assert not jobs.done("j0", first.lease, "late", 27)
    second = jobs.lease("w3", 1, 30, 40)[0]
    assert jobs.done("j0", second.lease, "v1", 31)
    done = jobs.get("j0")
    assert done is not None
    assert (done.state, done.verdict, done.attempts) == (JobState.DONE, "v1", 2)
    assert jobs.expire(100, 1) == 2
    assert jobs.counts() == {"done": 1, "dead": 2}
    assert jobs.retry("j1", 101)
    assert jobs.oldest() == 1
    assert jobs.cancel("j1", 102)
    assert not jobs.cancel("j0", 103)
    assert len(jobs.list()) == 3
    assert [each.id for each in jobs.list(JobState.DEAD)] == ["j2"]
    assert jobs.get("none") is None


def test_what_is_in_a_sample_leads_to_it(store: Store) -> None:
    inner = Part(("c.com",), "9" * 64, 68, "text", (ROW,))
    store.samples.save(replace(VERDICT, parts=(*VERDICT.parts, inner)))
    assert [each.sha256 for each in store.samples.containers("9" * 64)] == [SAMPLE.sha256]
    assert store.samples.containers(SAMPLE.sha256) == []
    assert store.samples.remove(SAMPLE.sha256)
    assert not store.samples.remove(SAMPLE.sha256)
    assert store.samples.containers("9" * 64) == []
    assert store.samples.history(SAMPLE.sha256) == []


def test_it_is_told_how_far_a_job_is(store: Store) -> None:
    store.scan_jobs.add([ScanJob("j", "a" * 64)], 1, 10)
    (job,) = store.scan_jobs.lease("w", 1, 2, 100)
    progress = Progress(3, {"yara": "malicious"})
    assert store.scan_jobs.tell("j", job.lease, progress)
    assert not store.scan_jobs.tell("j", "another", Progress(9))
    again = store.scan_jobs.get("j")
    assert again is not None
    assert again.progress == progress
