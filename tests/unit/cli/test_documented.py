"""Commands that documents, deployment files, pages and messages name are there as written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phage.cli.main import root

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PLACES = ("README.md", "ARCHITECTURE.md", "SECURITY.md", "docs", "deploy", "src/phage")
KINDS = {".md", ".yaml", ".yml", ".txt", ".html", ".py", ".service", ".json"}

QUOTED = re.compile(r"(?:`|<code>)(?:sudo )?phage ([a-z][^`<\n]*)(?:`|</code>)")
LINE = re.compile(r"^\s*(?:\$ |# )?(?:sudo )?phage ([a-z].*)$", re.MULTILINE)
FENCED = re.compile(r"^```(?:console|sh|bash)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def named(path: Path) -> Iterator[str]:
    """Give what stands behind `phage` wherever a text names a command."""
    told = path.read_text(encoding="utf-8")
    for found in QUOTED.finditer(told):
        yield found[1]
    if path.suffix == ".md":
        for block in FENCED.finditer(told):
            for line in LINE.finditer(block[1]):
                yield line[1]


def texts() -> Iterator[Path]:
    for place in PLACES:
        path = ROOT / place
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (each for each in files if each.suffix in KINDS)


def fault_of(line: str) -> str:
    """Return what is wrong with a command line: "" where it could be typed so."""
    try:
        words = shlex.split(re.split(r"\s#|[|;<>]|&&|\$\(", line)[0])
    except ValueError:
        words = line.split()
    command: click.Command = root
    context = click.Context(root)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if not re.fullmatch(r"[a-z][a-z-]*", words[0]):
            break  # "phage rules check|test": several at once, or a placeholder.
        found = command.get_command(context, words[0])
        if found is None:
            return f"no command {words[0]!r}"
        command, words = found, words[1:]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    known |= {"-h", "--help"}
    for word in words:
        option = re.match(r"--[a-z][a-z-]*|-[a-zA-Z]$", word)
        if option and option[0] not in known:
            return f"no option {option[0]}"
    return ""


def test_commands_that_are_named_are_there() -> None:
    faults = [
        f"{path.relative_to(ROOT)}: phage {line}: {fault}"
        for path in texts()
        for line in named(path)
        if (fault := fault_of(line))
    ]
    assert faults == [], "\n".join(faults)
