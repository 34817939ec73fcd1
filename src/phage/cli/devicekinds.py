"""What `phage devices train` does: learn kinds from captures, and test what was learned."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from phage.cli.output import Column, emit, emit_one, say
from phage.errors import ConfigError, StateError

if TYPE_CHECKING:
    from pathlib import Path

    from phage.cli.settings import Chosen

TEST_COLUMNS = (
    Column("kind", "kind"),
    Column("said", "said"),
    Column("confidence", "confidence", right=True),
    Column("novelty", "novelty", right=True),
    Column("why", "why", wrap=True),
)


def learn(chosen: Chosen, folder: Path, form: str) -> None:
    """Learn kinds from the captures of a folder, and put them in force. Raises PhageError."""
    from phage.daemon.devicetraining import read_examples, read_told, shares
    from phage.devices import kinds
    from phage.devices.registry import load
    from phage.devices.training import learn_kinds

    settings = chosen.settings()
    state = chosen.state(settings)
    reference = load(state.oui)
    examples = list(read_examples(folder, settings, _progress, say, reference))
    try:
        model = learn_kinds(examples, read_told(folder))
    except ValueError as error:
        message = f"{folder}: {error}"
        raise ConfigError(message) from error
    kinds.save(state.kinds, model)
    twins = sorted({tuple(model.kinds[each] for each in group) for group in model.twins})
    counts = shares([example.kind for example in examples])
    shape = {
        "examples": dict(counts),
        "twins": [list(group) for group in twins if len(group) > 1],
        "told": {kind: dict(tells) for kind, tells in model.told.items()},
        "features": len(model.words),
    }
    lines = [f"{kind}  {count}" for kind, count in counts.items()]
    lines += [f"twins: {' / '.join(group)}" for group in twins if len(group) > 1]
    emit_one(form, shape, lines)
    say(f"{len(model.kinds)} kinds were learned from {len(examples)} captures")


def test(chosen: Chosen, folder: Path, form: str) -> None:
    """Tell what the kinds that were learned make of the captures of a folder.

    A folder whose name is no kind that was learned is to be called unknown. Raises PhageError.
    """
    from phage.daemon.devicetraining import read_examples
    from phage.devices import kinds

    settings = chosen.settings()
    model = kinds.load(chosen.state(settings).kinds)
    if model is None:
        message = "no kinds were learned yet; `phage devices train FOLDER` learns them"
        raise StateError(message)
    rows, right, known, unknown, strange = [], 0, 0, 0, 0
    for example in read_examples(folder, settings, _progress, say):
        verdict = model.judge(example.device.words)
        rows.append(
            {
                "kind": example.kind,
                "said": " / ".join(verdict.kinds) or "unknown",
                "confidence": verdict.confidence,
                "novelty": verdict.novelty,
                "why": list(verdict.why),
            }
        )
        if example.kind in model.kinds:
            known += 1
            right += example.kind in verdict.kinds
        else:
            strange += 1
            unknown += not verdict.kinds
    emit(form, rows, TEST_COLUMNS)
    if known:
        say(f"{right} of {known} captures of known kinds are told right ({right / known:.1%})")
    if strange:
        say(f"{unknown} of {strange} captures of other kinds are unknown ({unknown / strange:.1%})")


def _progress(done: int, whole: int) -> None:
    if sys.stderr.isatty():
        end = "\r\x1b[K" if done == whole else ""
        click.echo(f"\r\x1b[Kreading captures: {done} of {whole}{end}", nl=False, err=True)
