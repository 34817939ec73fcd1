"""`phage samples`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from phage.cli.output import Column, emit, emit_one, output_option, say
from phage.cli.settings import settings_options
from phage.cli.times import Moment
from phage.clock import SystemClock
from phage.errors import PhageError, StateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.cli.settings import Chosen
    from phage.records.sample import Sample, Verdict
    from phage.store.store import Store

OUTCOMES = ("infected", "suspicious", "incomplete", "clean")
COLUMNS = (
    Column("sha256", "short"),
    Column("outcome", "outcome"),
    Column("kind", "kind"),
    Column("size", "size", right=True),
    Column("last seen", "last_seen"),
    Column("tags", "tags"),
    Column("names", "names", wrap=True),
)
HISTORY = (
    Column("time", "time"),
    Column("outcome", "outcome"),
    Column("engines", "ratio", right=True),
    Column("what changed", "changes", wrap=True),
)


@click.group()
def command() -> None:
    """List files that were scanned, show one with all that is known, search, scan again."""


@command.command("list")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only with this outcome.")
@click.option("--kind", default="", help="Only of this kind, as pe or pdf.")
@click.option("--tag", default="", help="Only with this tag.")
@click.option("--name", default="", help="Only with this in a name.")
@click.option(
    "--since", type=Moment(SystemClock()), help="Seen since: a time, or how long ago (2h)."
)
@click.option("--until", type=Moment(SystemClock()), help="First seen before.")
@click.option("--after", default="", metavar="SHA256", help="The page after this sample.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@output_option
@settings_options
def list_(
    chosen: Chosen,
    outcome: str | None,
    kind: str,
    tag: str,
    name: str,
    since: int | None,
    until: int | None,
    after: str,
    limit: int,
    form: str,
) -> None:
    """List samples, those seen last first."""
    from phage.records.sample import Outcome
    from phage.store.repositories.samplefilter import SampleFilter

    wanted = SampleFilter(
        name=name,
        outcome=Outcome(outcome) if outcome else None,
        kind=kind,
        tag=tag,
        since=since,
        until=until,
        after=after,
    )
    _emit(chosen, form, wanted, limit)


@command.command()
@click.argument("text")
@click.option(
    "--fact", default="", metavar="ENGINE.NAME", help="Only in this fact, as magika.type."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@output_option
@settings_options
def search(chosen: Chosen, text: str, fact: str, limit: int, form: str) -> None:
    """Search samples by hash, by name and by any fact or label that engines told."""
    from phage.store.repositories.samplefilter import SampleFilter

    wanted = SampleFilter(fact=fact, value=text) if fact else SampleFilter(text=text)
    _emit(chosen, form, wanted, limit)


@command.command()
@click.argument("hash_", metavar="HASH")
@output_option
@settings_options
def show(chosen: Chosen, hash_: str, form: str) -> None:
    """Show a sample: its verdict, every engine's word, what is in it, all facts.

    The beginning of a hash is enough where it is the only one.
    """
    from phage.api.sampleshapes import verdict_shape
    from phage.cli.scanshapes import explain_verdict

    with chosen.reader() as store:
        sample = _sample(store, hash_)
        verdict = store.samples.verdict(sample.sha256)
    if verdict is None:
        message = f"the sample {hash_} has no verdict yet"
        raise StateError(message)
    emit_one(form, verdict_shape(verdict), explain_verdict(verdict))


@command.command()
@click.argument("hash_", metavar="HASH")
@output_option
@settings_options
def history(chosen: Chosen, hash_: str, form: str) -> None:
    """List the verdicts of a sample and what changed between them."""
    with chosen.reader() as store:
        verdicts = store.samples.history(_sample(store, hash_).sha256)
    emit(form, _history(verdicts), HISTORY, empty="no verdicts")


@command.command()
@click.argument("hashes", nargs=-1, metavar="[HASH]...")
@click.option(
    "--since", type=Moment(SystemClock()), help="All seen since, that other engines judged last."
)
@click.option(
    "--engine", "engines", multiple=True, metavar="NAME", help="Only this engine; again for more."
)
@click.option("--forgive", is_flag=True, help="Show it again to engines that it has ended twice.")
@output_option
@settings_options
def rescan(
    chosen: Chosen,
    hashes: tuple[str, ...],
    since: int | None,
    engines: tuple[str, ...],
    forgive: bool,  # noqa: FBT001  A flag of the command line.
    form: str,
) -> None:
    """Scan samples again that are kept: only engines with other versions or options run."""
    from phage.api.sampleshapes import change_shape
    from phage.daemon.scanfolders import ScanFolders
    from phage.daemon.scanning import open_scanner
    from phage.scan.vault import Vault

    clock = SystemClock()
    settings = chosen.settings()
    state = chosen.state(settings)
    vault = Vault(ScanFolders.of(state).samples)
    shapes = []
    with open_scanner(settings, state, chosen.location(settings), clock, engines=engines) as (
        scanner,
        store,
    ):
        if store is None:
            return
        wanted = [_sample(store, each).sha256 for each in hashes]
        if since is not None:
            wanted += store.samples.all_due(since, scanner.fingerprint)
        for sha256 in dict.fromkeys(wanted):
            sample = _sample(store, sha256)
            if forgive:
                store.engine_results.forgive(sha256)
            before = store.samples.verdict(sha256)
            try:
                with vault.get(sha256, next(iter(sample.names), "")) as content:
                    after = scanner.scan(content, force=True, again=True)
            except PhageError as error:
                say(str(error))
                continue
            shapes.append(change_shape(before, after))
    emit(form, shapes, HISTORY, empty="nothing to scan again")


@command.command()
@click.argument("hashes", nargs=-1, metavar="[HASH]...")
@click.option(
    "--before", type=Moment(SystemClock()), help="All not seen since: a time, or how long ago."
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@output_option
@settings_options
def remove(
    chosen: Chosen,
    hashes: tuple[str, ...],
    before: int | None,
    dry_run: bool,  # noqa: FBT001  A flag of the command line.
    form: str,
) -> None:
    """Forget samples: their verdicts, and what is kept of them."""
    from phage.daemon.scanfolders import ScanFolders
    from phage.scan.vault import Vault
    from phage.store.repositories.samplefilter import SampleFilter
    from phage.store.store import open_store

    clock = SystemClock()
    settings = chosen.settings()
    vault = Vault(ScanFolders.of(chosen.state(settings)).samples)
    rows: list[Any] = []
    with open_store(chosen.location(settings), clock) as store:
        if before is not None:
            rows += store.samples.listed(SampleFilter(unseen_since=before), 10_000)
        for each in hashes:
            rows += store.samples.listed(SampleFilter(hash=_sample(store, each).sha256), 1)
        for sample, _, _ in [] if dry_run else rows:
            vault.remove(sample.sha256)
            store.samples.remove(sample.sha256)
    emit(form, [_shape(*row) for row in rows], COLUMNS, empty="no samples")


def _emit(chosen: Chosen, form: str, wanted: Any, limit: int) -> None:  # noqa: ANN401  A library's own type.
    with chosen.reader() as store:
        rows = store.samples.listed(wanted, limit)
    emit(form, [_shape(*row) for row in rows], COLUMNS, empty="no samples")


def _shape(sample: Sample, outcome: Any, _verdict: str) -> dict[str, Any]:  # noqa: ANN401  A library's own type.
    from phage.api.sampleshapes import sample_shape

    return {**sample_shape(sample, outcome), "short": sample.sha256[:16]}


def _sample(store: Store, hash_: str) -> Sample:
    sample = store.samples.get(hash_)
    if sample is None:
        message = f"no sample {hash_!r}, or several begin so; `phage samples list` names them"
        raise StateError(message)
    return sample


def _history(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    from phage.api.sampleshapes import change_shape

    older: list[Verdict | None] = [*verdicts[1:], None]
    return [change_shape(before, after) for after, before in zip(verdicts, older, strict=True)]
