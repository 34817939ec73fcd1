"""Which rule sets stand, on disk: what is needed to go back, whatever happens to the process."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from phage.config.savefile import save_over
from phage.errors import StateError
from phage.frozen import frozen
from phage.respond.nft.rendering import Chain, Definition, Entry, Line, Rendering

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION = 1


@frozen
class Saved:
    """The rule sets that matter.

    Attributes:
        standing: The one in force; None for none.
        previous: The one before it; None for none.
        trial: One that goes before `standing` until it is confirmed or its time is over.
        until: When the time of `trial` is over, in nanoseconds since the Unix epoch.
        loose: How connection tracking was set before the SYN proxy changed it; '' when it did not.
    """

    standing: Rendering | None = None
    previous: Rendering | None = None
    trial: Rendering | None = None
    until: int = 0
    loose: str = ""


def save(path: Path, saved: Saved) -> None:
    """Write the state, whole or not at all. Raises ConfigError when it cannot be written."""
    body = json.dumps(dataclasses.asdict(saved), separators=(",", ":"))
    document = {"version": VERSION, "digest": _digest(body), "state": body}
    save_over(path, json.dumps(document))


def load(path: Path) -> Saved:
    """Read the state; nothing stands where there is no file.

    Raises StateError for a file that is damaged, which is put aside, so that the next start works.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Saved()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read: {error}"
        raise StateError(message) from error
    try:
        document = json.loads(text)
        body = document["state"]
        if document["version"] != VERSION or document["digest"] != _digest(body):
            raise ValueError  # noqa: TRY301  Like every other damage.
        return _saved(json.loads(body))
    except (ValueError, KeyError, TypeError):
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        message = f"{path}: is damaged, or of another version; it is {aside} now"
        raise StateError(message) from None


def _digest(body: str) -> str:
    import hashlib  # noqa: PLC0415  A megabyte, which the enforcer needs for static rules only.

    return hashlib.blake2b(body.encode(), digest_size=16).hexdigest()


def _saved(found: Mapping[str, Any]) -> Saved:
    renderings = {
        name: _rendering(found[name]) if found[name] else None
        for name in ("standing", "previous", "trial")
    }
    return Saved(**renderings, until=int(found["until"]), loose=str(found["loose"]))


def _rendering(found: Mapping[str, Any]) -> Rendering:
    return Rendering(
        slot=found["slot"],
        definitions=tuple(
            Definition(each["kind"], each["name"], tuple(each["body"]), tuple(each["elements"]))
            for each in found["definitions"]
        ),
        vlan_sets=tuple((name, tuple(ids)) for name, ids in found["vlan_sets"]),
        chains=tuple(
            Chain(each["name"], tuple(Line(**line) for line in each["lines"]))
            for each in found["chains"]
        ),
        entries=tuple(Entry(**each) for each in found["entries"]),
        counters=tuple((counter, rule) for counter, rule in found["counters"]),
        strict=bool(found["strict"]),
    )
