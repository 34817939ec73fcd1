"""Settings as they may be shown: secrets are masked, and put back when what was shown is saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args, get_origin

import yaml
from pydantic import SecretStr

from phage.config.document import Document, compose, dotted, parse_document
from phage.config.reference import MASK, SECRET_KEYS
from phage.config.section import Section
from phage.config.settings import Settings
from phage.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.config.document import Key


def is_secret(key: Key) -> bool:
    """Tell whether what stands at a key, or below it, is a secret."""
    annotation: Any = Settings
    for number, part in enumerate(key):
        if _is_section(annotation):
            info = annotation.model_fields.get(str(part))
            annotation = info.annotation if info is not None else None
        elif get_origin(annotation) is dict and _is_section(get_args(annotation)[1]):
            annotation = get_args(annotation)[1]
        else:  # Settings of a plug-in.
            return any(each in SECRET_KEYS for each in key[number:])
        if annotation is SecretStr:
            return True
    return False


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def masked(text: str, source: str) -> str:
    """Return a settings file with its secrets masked, all else as it is.

    Raises ConfigError for what is no YAML: what in it is a secret is not known.
    """
    return _replaced(text, ((node, MASK) for _, node in _secrets(text, source) if node.value))


def unmasked(text: str, source: str, before: Document) -> str:
    """Return a settings file with the secrets that were masked in it.

    Raises ConfigError for a masked secret that there was not.
    """
    values = (
        (node, _secret_at(key, before, f"{source}:{node.start_mark.line + 1}: "))
        for key, node in _secrets(text, source)
        if node.value == MASK
    )
    return _replaced(text, values)


def with_secrets(key: Key, value: object, before: Document) -> object:
    """Return the value of a key with the secrets that were masked in it. Raises ConfigError."""
    if isinstance(value, dict):
        return {name: with_secrets((*key, name), each, before) for name, each in value.items()}
    if isinstance(value, list):
        return [with_secrets((*key, at), each, before) for at, each in enumerate(value)]
    return _secret_at(key, before) if value == MASK and is_secret(key) else value


def _secret_at(key: Key, before: Document, where: str = "") -> object:
    value: Any = before.values
    for part in key:
        if isinstance(value, dict):
            value = value.get(str(part))
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            value = None
    if value is None:
        message = (
            f"{where}{dotted(key)}: {MASK} stands for a secret that is not known here; write it out"
        )
        raise ConfigError(message)
    return value


def _secrets(text: str, source: str) -> Iterator[tuple[Key, yaml.ScalarNode]]:
    root = compose(text, source)
    if root is not None:
        parse_document(text, source)  # Refuses what is no settings file.
        yield from ((key, node) for key, node in _scalars(root, ()) if is_secret(key))


def _scalars(node: yaml.Node, key: Key) -> Iterator[tuple[Key, yaml.ScalarNode]]:
    if isinstance(node, yaml.ScalarNode):
        yield key, node
    elif isinstance(node, yaml.SequenceNode):
        for number, each in enumerate(node.value):
            yield from _scalars(each, (*key, number))
    elif isinstance(node, yaml.MappingNode):
        for name, each in node.value:
            yield from _scalars(each, (*key, name.value))


def _replaced(text: str, values: Iterator[tuple[yaml.ScalarNode, object]]) -> str:
    """Return the text with other values in the places of some scalars."""
    pieces, done = [], 0
    for node, value in values:
        begin, end = node.start_mark.index, node.end_mark.index
        tail = "\n" if text[begin:end].endswith("\n") else ""  # Of a block, as |.
        pieces += [text[done:begin], json.dumps(value, ensure_ascii=False), tail]
        done = end
    return "".join([*pieces, text[done:]])
