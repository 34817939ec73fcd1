"""Changes of a settings file that leave all else in it as it is: comments, order, spelling.

A change is made in the text, and taken only if the file then reads back as the old values with
exactly these changes.
"""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

from phage.config.document import Key, dotted, parse_document
from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.config.document import Document

_INDENT = "  "
_ENTRY = re.compile(r"""(?P<indent> *)(?P<key>[^\s#'"{\[][^#'"{\[]*?)(?P<colon> *:)(?P<rest>.*)""")


def edit(text: str, source: str, changes: Iterable[tuple[Key, object]]) -> str:
    """Return the text of a settings file with changes, one after the other.

    Args:
        text: The file as it is; '' for one to be made.
        source: Its name, for errors.
        changes: The key and the new value of each; a value is anything that JSON can say.

    Raises:
        ConfigError: The file is wrong already, or is written in a way that can only be changed by
            hand; says which key that is about.
    """
    for key, value in changes:
        document = parse_document(text, source)
        wanted = _with(document.values, key, value, document)
        if wanted == document.values:
            continue
        text = _changed(text, key, value, document)
        if not _reads_as(text, source, wanted):
            raise ConfigError(_by_hand(document, key, value))
    return text


def _with(values: dict[str, Any], key: Key, value: object, document: Document) -> dict[str, Any]:
    """Return the values as they are to be."""
    wanted = copy.deepcopy(values)
    section = wanted
    for part in key[:-1]:
        inner = section.get(str(part))
        if inner is None:
            inner = section[str(part)] = {}
        if not isinstance(inner, dict):
            raise ConfigError(_by_hand(document, key, value))
        section = inner
    section[str(key[-1])] = value
    return wanted


def _changed(text: str, key: Key, value: object, document: Document) -> str:
    lines = text.rstrip("\n").split("\n") if text else []
    known = max((end for end in range(len(key) + 1) if key[:end] in document.lines), default=0)
    if known == len(key):
        return _replaced(lines, document.lines[key] - 1, value)
    block = _block(key[known:], value)
    if not known:
        return _joined([*lines, *block])
    at = document.lines[key[:known]] - 1
    entry = _ENTRY.fullmatch(lines[at])
    if entry is None or entry["rest"].split("#")[0].strip():
        raise ConfigError(_by_hand(document, key, value))  # As {listen: …}, in one line.
    indent = _indent_below(lines, at, len(entry["indent"]))
    return _joined([*lines[: at + 1], *(indent + line for line in block), *lines[at + 1 :]])


def _replaced(lines: list[str], at: int, value: object) -> str:
    """Replace the value of a key that stands in one line; what follows it as a comment stays."""
    entry = _ENTRY.fullmatch(lines[at])
    if entry is None:
        return _joined(lines)  # It will not read as it should, and be refused.
    comment = re.search(r"\s+#.*$", entry["rest"])
    tail = comment[0] if comment else ""
    lines[at] = f"{entry['indent']}{entry['key']}{entry['colon']} {_text(value)}{tail}"
    return _joined(lines)


def _block(key: Key, value: object) -> list[str]:
    """Return the lines of a key that is not there yet, with its sections."""
    lines = [f"{_INDENT * depth}{part}:" for depth, part in enumerate(key)]
    lines[-1] += f" {_text(value)}"
    return lines


def _indent_below(lines: list[str], at: int, indent: int) -> str:
    """Return how the keys of the section at a line are indented."""
    for line in lines[at + 1 :]:
        bare = line.strip()
        if bare and not bare.startswith("#"):
            inner = len(line) - len(line.lstrip(" "))
            return " " * inner if inner > indent else " " * indent + _INDENT
    return " " * indent + _INDENT


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # JSON is YAML.


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _reads_as(text: str, source: str, wanted: dict[str, Any]) -> bool:
    try:
        return parse_document(text, source).values == wanted
    except ConfigError:
        return False


def _by_hand(document: Document, key: Key, value: object) -> str:
    where = document.place(key)
    return f"{where}: {dotted(key)}: cannot be changed here; by hand, set it to {_text(value)}"
