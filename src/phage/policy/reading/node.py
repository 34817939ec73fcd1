"""Values of a rule file, each with its place: what is asked of it is there, or a Fault says where.

Lists are optional everywhere: `port: 22` is `port: [22]`.
"""

from __future__ import annotations

import enum
import math
import re
from typing import TYPE_CHECKING, NoReturn, TypeVar

import yaml

from phage.config.document import scalar
from phage.config.load import suggestion
from phage.frozen import frozen
from phage.policy.place import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ITEMS = 10_000
"""Of one list or mapping: longer lists of addresses belong in an indicator list."""

MAX_TEXT = 1024
"""Characters of a text; names and comments are shown in tables and logs."""

MAX_NAME = 80
"""Characters of a name."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
"""What would move a terminal's cursor or turn its writing direction round."""

_Words = TypeVar("_Words", bound=enum.StrEnum)


@frozen
class Value:
    """One value: its YAML node, and the file it stands in."""

    node: yaml.Node
    file: str

    @property
    def place(self) -> Place:
        """Where it begins."""
        mark = self.node.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1)

    def fail(self, text: str) -> NoReturn:
        """Raise the Fault that this value is."""
        raise Fault(self.place, text)

    @property
    def is_mapping(self) -> bool:
        """Tell whether it is keys and values."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_scalar(self) -> bool:
        """Tell whether it is a text, number or flag."""
        return isinstance(self.node, yaml.ScalarNode)

    @property
    def plain(self) -> object:
        """A scalar's value by the core schema of YAML 1.2; None for anything else."""
        if not isinstance(self.node, yaml.ScalarNode):
            return None
        text = str(self.node.value)
        return text if self.node.style else scalar(text)

    def shown(self) -> str:
        """Return a scalar as it was written, shortened; what kind of value it is for others."""
        if not isinstance(self.node, yaml.ScalarNode):
            return "a list" if isinstance(self.node, yaml.SequenceNode) else "keys and values"
        text = str(self.node.value)
        return repr(text if len(text) <= 60 else text[:59] + "…")

    def keys(self, known: Iterable[str], example: str = "") -> dict[str, Value]:
        """Return a mapping's values by key; refuse keys that are not known.

        Raises Fault.
        """
        wanted = list(known)
        found: dict[str, Value] = {}
        for key, value in self.entries(example):
            name = key.text(MAX_TEXT)
            if name not in wanted:
                key.fail(f"{name[:60]!r}: no such key{suggestion(name, wanted)}")
            found[name] = value
        return found

    def entries(self, example: str = "") -> list[tuple[Value, Value]]:
        """Return a mapping's keys and values, in order; refuse a key that stands there twice.

        Raises Fault.
        """
        hint = f", for example {example}" if example else ""
        if not isinstance(self.node, yaml.MappingNode):
            self.fail(f"must be keys and values{hint}, not {self.shown()}")
        if len(self.node.value) > MAX_ITEMS:
            self.fail(f"has more than {MAX_ITEMS} keys")
        seen: set[str] = set()
        pairs = []
        for key_node, value_node in self.node.value:
            key = Value(key_node, self.file)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                key.fail("a key must be a plain name")
            if key_node.value in seen:
                key.fail(f"{key.shown()} stands here a second time; keep one")
            seen.add(key_node.value)
            pairs.append((key, Value(value_node, self.file)))
        return pairs

    def items(self) -> list[Value]:
        """Return the items of a list; what is no list is the only item. Raises Fault."""
        if not isinstance(self.node, yaml.SequenceNode):
            return [self]
        if len(self.node.value) > MAX_ITEMS:
            self.fail(f"has more than {MAX_ITEMS} items; put them into an indicator list")
        return [Value(item, self.file) for item in self.node.value]

    def some(self) -> list[Value]:
        """Return the items of a list that must not be empty. Raises Fault."""
        items = self.items()
        if not items:
            self.fail("is an empty list, and would never hold; fill it, or remove the key")
        return items

    def text(self, longest: int = MAX_TEXT) -> str:
        """Return a text as it was written, numbers too. Raises Fault."""
        if not isinstance(self.node, yaml.ScalarNode):
            self.fail(f"must be a text, not {self.shown()}")
        text = str(self.node.value).strip()
        if not text or self.plain is None:
            self.fail("is empty; write a value, or remove the key")
        if len(text) > longest:
            self.fail(f"is longer than {longest} characters")
        if found := _CONTROL.search(text):
            self.fail(f"holds the control character {found[0]!r}; remove it")
        return text

    def name(self) -> str:
        """Return a name: one line of text, not too long. Raises Fault."""
        return self.text(MAX_NAME)

    def integer(self, low: int, high: int) -> int:
        """Return a whole number within a range. Raises Fault."""
        value = self.plain
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.fail(f"must be a whole number from {low} to {high}, not {self.shown()}")
        return value

    def number(self, low: float, high: float) -> float:
        """Return a number within a range. Raises Fault."""
        value = self.plain
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.fail(f"must be a number from {low:g} to {high:g}, not {self.shown()}")
        if not math.isfinite(value) or not low <= value <= high:
            self.fail(f"must be a number from {low:g} to {high:g}, not {self.shown()}")
        return float(value)

    def flag(self) -> bool:
        """Return true or false. Raises Fault."""
        value = self.plain
        if not isinstance(value, bool):
            self.fail(f"must be true or false, not {self.shown()}")
        return value

    def choice(self, words: Iterable[str]) -> str:
        """Return one of several words. Raises Fault."""
        known = list(words)
        text = self.text()
        if text not in known:
            self.fail(f"{text[:60]!r} is none of them{suggestion(text, known)}")
        return text

    def member(self, words: type[_Words]) -> _Words:
        """Return the member of an enumeration that is named. Raises Fault."""
        return words(self.choice([word.value for word in words]))
