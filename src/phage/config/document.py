"""YAML as settings are written in it: plain values with the line of each, and nothing hostile.

The core schema of YAML 1.2 is read: `yes`, `12:30` and dates are text. Anchors and aliases, tags
and merge keys are refused, since a settings file of some lines can use them to fill the memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from phage.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

MAX_OCTETS = 262_144
"""The documented file is some 10 kB; what is longer than this is no settings file, and parsing
costs time."""

MAX_DEPTH = 32
"""Settings are five levels deep at most; the parser recurses."""

Key = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,16}")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_CONSTANTS = {"null": None, "Null": None, "NULL": None, "~": None, "": None}
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


class DocumentError(ConfigError):
    """A text is no YAML as people write it. Its lines and columns begin at 1; 0 where unknown."""

    def __init__(self, reason: str, source: str, line: int, column: int) -> None:
        super().__init__(f"{source}:{line}: {reason}" if line else f"{source}: {reason}")
        self.reason, self.source, self.line, self.column = reason, source, line, column


@dataclass(slots=True)
class Document:
    """A settings file as it was read: values, and the line (from 1) where each key stands."""

    source: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)

    def place(self, key: Key) -> str:
        """Return "file:line" of a key, or of the nearest key above it that was written."""
        for end in range(len(key), 0, -1):
            if key[:end] in self.lines:
                return f"{self.source}:{self.lines[key[:end]]}"
        return self.source


def scalar(text: str) -> object:
    """Return the value of a plain scalar by the core schema of YAML 1.2 (section 10.3.2)."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text in _FLAGS:
        return _FLAGS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    if _REAL.fullmatch(text):
        return float(text)
    return text


def read_document(path: Path) -> Document:
    """Read a settings file. Raises ConfigError that names file, line and what to do."""
    return parse_document(read_text(path, MAX_OCTETS, "settings file"), str(path))


def read_text(path: Path, max_octets: int, what: str) -> str:
    """Read a file of text that a person wrote.

    Args:
        path: The file.
        max_octets: What is larger is refused.
        what: What the file ought to be, for the error.

    Raises:
        ConfigError: It cannot be read, is too large, or is no text; says what to do.
    """
    source = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(max_octets + 1)
    except OSError as error:
        message = f"{source}: cannot be read: {error.strerror}; check the path and its permissions"
        raise ConfigError(message) from error
    if len(data) > max_octets:
        message = f"{source}: is larger than {max_octets} octets; that is no {what}"
        raise ConfigError(message)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"{source}:{line}: is not UTF-8 text; save the file as UTF-8"
        raise ConfigError(message) from error


def parse_document(text: str, source: str) -> Document:
    """Parse the text of a settings file. Raises ConfigError that names the line and what to do."""
    document = Document(source)
    root = compose(text, source)
    if root is None:
        return document
    if not isinstance(root, yaml.MappingNode):
        message = (
            f"{source}:{_line(root)}: must be keys and values, for example `interfaces: [eth0]`"
        )
        raise ConfigError(message)
    document.values = _mapping(root, (), document)
    return document


def parse_value(text: str) -> object:
    """Parse one value as it would stand in the file, for environment variables.

    Raises ValueError.
    """
    try:
        document = parse_document(f"value: {text}" if text.strip() else "value:", "")
    except ConfigError as error:
        raise ValueError(str(error).lstrip(":0123456789 ")) from error
    return document.values.get("value")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def compose(text: str, source: str) -> yaml.Node | None:
    """Return the nodes of a YAML text, each with its place; None for an empty one.

    Raises DocumentError for what is no YAML and for what only an attack or a mistake uses.
    """
    loader = getattr(
        yaml, "CSafeLoader", yaml.SafeLoader
    )  # libyaml, where PyYAML was built with it.
    try:
        _refuse_hostile(text, source, loader)
        return yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        reason = f"is not YAML: {error.problem or error.context}; check indentation and quotes"
        raise DocumentError(reason, source, line, column) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        reason = f"is not YAML: {str(error).partition(chr(10))[0]}"
        raise DocumentError(reason, source, *_unreadable(text, error)) from error


def _unreadable(text: str, error: Exception) -> tuple[int, int]:
    """Return line and column of a character that YAML does not allow; zeros where unknown."""
    start = getattr(error, "start", None)  # Of what is no Unicode.
    offset = getattr(error, "position", None)  # Of a control character, in octets.
    if start is None and offset is not None:
        start = len(text.encode()[:offset].decode("utf-8", "ignore"))
    if start is None:
        return 0, 0
    return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)


def _refuse_hostile(text: str, source: str, loader: type[yaml.SafeLoader]) -> None:
    """Walk the events, without recursion, and refuse what only an attack or a mistake uses."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            reason = "anchors and aliases are refused; write it out, or quote it"
            raise DocumentError(reason, source, line, column)
        if tag := getattr(event, "tag", None):
            reason = f"the tag {tag!r} is refused; remove it, or quote the value"
            raise DocumentError(reason, source, line, column)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            reason = f"is nested more than {MAX_DEPTH} deep"
            raise DocumentError(reason, source, line, column)


def _convert(node: yaml.Node, key: Key, document: Document) -> object:
    document.lines.setdefault(key, _line(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, key, document)
    if isinstance(node, yaml.SequenceNode):
        return [_convert(item, (*key, index), document) for index, item in enumerate(node.value)]
    text = str(node.value)
    return text if getattr(node, "style", None) else scalar(text)


def _mapping(node: yaml.MappingNode, key: Key, document: Document) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name_node, value_node in node.value:
        name = name_node.value if isinstance(name_node, yaml.ScalarNode) else None
        place = f"{document.source}:{_line(name_node)}"
        if name is None or name == "<<":
            message = f"{place}: a key must be a plain name"
            raise ConfigError(message)
        if name in values:
            message = f"{place}: {dotted((*key, name))}: stands here a second time; keep one"
            raise ConfigError(message)
        document.lines[(*key, name)] = _line(name_node)
        values[name] = _convert(value_node, (*key, name), document)
    return values


def dotted(key: Key) -> str:
    """Return a key as people write it: "outputs.eve.path", "home[2]"."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
