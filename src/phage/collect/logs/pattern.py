r"""Patterns of lines: a part of the language of regular expressions that is safe and quick.

Whoever is refused a login chooses what stands in the log: a name of a thousand characters that
looks like the rest of the line. So a pattern is read before it is used. It describes the whole
message from its first to its last character, and at most one part of it may be of any length and
anything (`.*`). Then one message is read in one way, and reading takes at most a number of steps
that grows with the square of its length, which is bounded.

What there is: characters, `.`, `\d \w \s \S \D \W`, classes `[...]`, groups `(?:...)` and
`(?P<name>...)` with alternatives, `?`, `*`, `+`, `{m,n}`, and `<address>` for an IPv4 or IPv6
address. Repeated groups, look-around and references to groups are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from phage.errors import ConfigError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ADDRESS = (
    r"(?P<address>\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
    r"|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,41}(?:%[0-9A-Za-z_.-]{1,15})?)"
)
"""What `<address>` stands for; whether it is one is looked at afterwards. A zone may follow (RFC
4007, section 11)."""

GROUPS = frozenset({"address", "user", "path", "status"})

LONGEST_PATTERN = 1000
MOST_REPEATS = 1000
# Ways that the bounded parts of a pattern may be divided, multiplied.
MOST_WAYS = 2048

_DIGITS = frozenset("0123456789")
_WORD = _DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPACE = frozenset(" \t\n\r\f\v")
# All of ASCII, and one that stands for every other character.
_ALL = frozenset(map(chr, range(128))) | {"\u0080"}
_CLASSES = {
    "d": _DIGITS,
    "w": _WORD,
    "s": _SPACE,
    "D": _ALL - _DIGITS,
    "W": _ALL - _WORD,
    "S": _ALL - _SPACE,
}
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_BOUNDS = re.compile(r"\{(\d{1,4})(,?)(\d{0,4})\}")
_EITHER_PORT = re.compile(r"<(?:address|HOST)>(?:\(\?::[^)]*\)[?*]|:\?)")
_NAME = re.compile(r"\?P<([a-z]+)>")

Characters = frozenset[str]


class PatternError(ConfigError):
    """A pattern is outside the language; says where and what to write."""


@dataclass(slots=True)
class _Item:
    """One part of a sequence: characters or a group, so many times."""

    characters: Characters = frozenset()
    alternatives: list[list[_Item]] = field(default_factory=list)
    name: str = ""
    least: int = 1
    most: int | None = 1

    @property
    def is_group(self) -> bool:
        return bool(self.alternatives)

    @property
    def is_fixed(self) -> bool:
        return self.least == self.most

    def literal(self) -> str:
        """Return the character that this is, if it is one of ASCII and once."""
        if self.is_group or len(self.characters) != 1 or self.least != 1 or self.most != 1:
            return ""
        (character,) = self.characters
        return character if character.isascii() else ""


@frozen
class Pattern:
    """A pattern that was read and found safe.

    Attributes:
        text: As it was written.
        expression: What matches whole messages.
        hint: Text that every message that matches contains; '' when there is none.
        start: Text that every message that matches begins with.
        groups: The names of its groups.
        is_forgeable: Whether a name stands before the address and anything may come after it: then
            a name that looks like the rest of the line brings another address in.
    """

    text: str
    expression: re.Pattern[str]
    hint: str
    start: str
    groups: frozenset[str]
    is_forgeable: bool


def read(text: str) -> Pattern:
    """Read a pattern. Raises PatternError with the place and what to do."""
    if len(text) > LONGEST_PATTERN:
        message = f"the pattern is longer than {LONGEST_PATTERN} characters"
        raise PatternError(message)
    if _EITHER_PORT.search(text):
        message = (
            "after <address> a port cannot be optional: 2001:db8::1:22 could be either; write "
            "<address>:\\d+ or \\[<address>\\]"
        )
        raise PatternError(message)
    full = text.replace("<address>", ADDRESS).replace("<HOST>", ADDRESS)
    reader = _Reader(full)
    sequence = reader.read_all()
    if "address" not in reader.groups:
        message = "the pattern has no <address>: a line that names nobody leads to nothing"
        raise PatternError(message)
    _check_ways(sequence)
    start, hint = _literals(sequence)
    expression = re.compile(full, re.ASCII)
    forgeable = _is_forgeable(sequence)
    return Pattern(text, expression, hint, start, frozenset(reader.groups), forgeable)


def read_own(text: str) -> Pattern:
    """Read a pattern that a user wrote. Raises PatternError also for one that can be forged."""
    pattern = read(text)
    if pattern.is_forgeable:
        message = (
            "the pattern has a name before <address> and .* after it: whoever chooses the name "
            "could choose the address; write out what follows <address>, or [^ ]*"
        )
        raise PatternError(message)
    return pattern


class _Reader:
    """Reads the text of a pattern into items."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.groups: set[str] = set()

    def read_all(self) -> list[_Item]:
        """Return the items of the whole text."""
        if self.text.startswith("^"):
            self.place = 1
        alternatives = self._alternatives()
        if self.place < len(self.text):
            self._fail("a ) without its (")
        if len(alternatives) > 1:
            return [_Item(alternatives=alternatives)]
        return alternatives[0]

    def _fail(self, what: str) -> NoReturn:
        shown = self.text[max(0, self.place - 20) : self.place + 5]
        message = f"pattern, near {shown!r}: {what}"
        raise PatternError(message)

    def _next(self) -> str:
        return self.text[self.place : self.place + 1]

    def _alternatives(self) -> list[list[_Item]]:
        alternatives: list[list[_Item]] = [[]]
        while (mark := self._next()) and mark != ")":
            if mark == "|":
                self.place += 1
                alternatives.append([])
            elif mark == "$":
                self.place += 1
                if self._next():
                    self._fail("$ stands at the end only; write \\$ for the character")
            else:
                alternatives[-1].append(self._item())
        return alternatives

    def _item(self) -> _Item:
        item = self._atom()
        mark = self._next()
        if mark and mark in "?*+":
            self.place += 1
            item.least, item.most = {"?": (0, 1), "*": (0, None), "+": (1, None)}[mark]
        elif mark == "{":
            item.least, item.most = self._bounds()
        else:
            return item
        if self._next() == "?":  # Lazy: another order of the same ways.
            self.place += 1
        if (self._next() or " ") in "*+{":
            self._fail("one repetition follows another")
        if item.is_group and item.most != 1:
            self._fail("a group cannot be repeated, only be optional (?)")
        return item

    def _bounds(self) -> tuple[int, int | None]:
        match = _BOUNDS.match(self.text, self.place)
        if match is None:
            self._fail("write {3} or {1,20}, and \\{ for the character")
        self.place = match.end()
        least = int(match[1])
        most = least if not match[2] else int(match[3]) if match[3] else None
        if most is not None and not least <= most <= MOST_REPEATS:
            self._fail(f"repetitions go up to {MOST_REPEATS}")
        return least, most

    def _atom(self) -> _Item:
        mark = self._next()
        if mark == "(":
            return self._group()
        if mark == "[":
            return _Item(self._class())
        if mark in "*+?{":
            self._fail("nothing stands before the repetition")
        if mark == "^":
            self._fail("^ stands at the beginning only; write \\^ for the character")
        if mark == "\\":
            return _Item(self._escape())
        self.place += 1
        if mark == ".":
            return _Item(_ALL - {"\n"})
        return _Item(frozenset(mark if mark.isascii() else "\u0080"))

    def _escape(self) -> Characters:
        self.place += 1
        mark = self._next()
        self.place += 1
        if mark in _CLASSES:
            return _CLASSES[mark]
        if mark in _CONTROL:
            return frozenset(_CONTROL[mark])
        if not mark or mark.isalnum():
            self._fail(f"there is no \\{mark} here")
        return frozenset(mark if mark.isascii() else "\u0080")

    def _group(self) -> _Item:
        self.place += 1
        named = ""
        if name := _NAME.match(self.text, self.place):
            if name[1] not in GROUPS:
                known = ", ".join(sorted(GROUPS))
                self._fail(f"there is no group {name[1]!r}; there are {known}")
            if name[1] in self.groups:
                self._fail(f"the group {name[1]!r} stands twice")
            self.groups.add(name[1])
            self.place = name.end()
            named = name[1]
        elif self.text.startswith("?:", self.place):
            self.place += 2
        elif self._next() == "?":
            self._fail("of (?...) there are (?:...) and (?P<name>...) only")
        alternatives = self._alternatives()
        if self._next() != ")":
            self._fail("a ( without its )")
        self.place += 1
        return _Item(alternatives=alternatives, name=named)

    def _class(self) -> Characters:
        self.place += 1
        negated = self._next() == "^"
        self.place += negated
        members: set[str] = set()
        first = True
        while (mark := self._next()) != "]" or first:
            if not mark:
                self._fail("a [ without its ]")
            if mark == "[":
                self._fail("write \\[ for the character within a class")
            members |= self._member()
            first = False
        self.place += 1
        return _ALL - members if negated else frozenset(members)

    def _member(self) -> Characters:
        low = self._character()
        if self._next() != "-" or self.text[self.place + 1 : self.place + 2] in {"]", ""}:
            return low
        self.place += 1
        high = self._character()
        if len(low) != 1 or len(high) != 1:
            self._fail("a range goes from one character to another")
        (first,), (last,) = low, high
        if not first <= last or not last.isascii():
            self._fail("a range goes upwards, within ASCII")
        return frozenset(map(chr, range(ord(first), ord(last) + 1)))

    def _character(self) -> Characters:
        mark = self._next()
        if mark == "\\":
            return self._escape()
        self.place += 1
        return frozenset(mark if mark.isascii() else "\u0080")


def _first(items: Sequence[_Item], follow: Characters) -> Characters:
    """Return the characters that a sequence can begin with; `follow` comes after it."""
    found: set[str] = set()
    for item in items:
        if item.is_group:
            for alternative in item.alternatives:
                found |= _first(alternative, frozenset())
            skippable = item.least == 0 or any(map(_is_empty, item.alternatives))
        else:
            found |= item.characters
            skippable = item.least == 0
        if not skippable:
            return frozenset(found)
    return frozenset(found | follow)


def _is_empty(items: Sequence[_Item]) -> bool:
    """Tell whether a sequence can match nothing."""
    return all(
        item.least == 0 or (item.is_group and any(map(_is_empty, item.alternatives)))
        for item in items
    )


def _check_ways(sequence: Sequence[_Item]) -> None:
    """Raise PatternError when a message could be read in too many ways."""
    # What may go on to the end with anything is such a part too.
    endless, ways = _ways(sequence, frozenset(" "))
    if endless > 1:
        message = (
            "the pattern has more than one part of any length that the text after it could be a "
            'part of, so that one line could be read in several ways; write [^ ]* or [^"]* '
            "instead of .*"
        )
        raise PatternError(message)
    if ways > MOST_WAYS:
        message = "the pattern leaves too many ways to read one line; make its parts differ more"
        raise PatternError(message)


def _ways(items: Sequence[_Item], follow: Characters) -> tuple[int, int]:
    """Return how many endless parts can end in several places, and the ways of the others."""
    endless, ways = 0, 1
    for number, item in enumerate(items):
        after = _first(items[number + 1 :], follow)
        own = item.characters
        if item.is_group:
            inner = [_ways(alternative, after) for alternative in item.alternatives]
            endless += max(count for count, _ in inner)
            ways *= sum(count for _, count in inner) if len(inner) > 1 else inner[0][1]
            own = _first([item], frozenset())
        if item.is_fixed or not own & after:
            continue
        if item.most is None:
            endless += 1
        elif item.is_group or item.most - item.least < 2:
            ways *= 2
        else:
            ways *= min(item.most - item.least + 1, MOST_WAYS)
    return endless, ways


def _flat(items: Sequence[_Item]) -> Iterator[_Item]:
    """Yield every item, those within groups after their group."""
    for item in items:
        yield item
        for alternative in item.alternatives:
            yield from _flat(alternative)


def _is_forgeable(sequence: Sequence[_Item]) -> bool:
    named = address = False
    for item in _flat(sequence):
        named |= item.name in {"user", "path"} and not address
        address |= item.name == "address"
        if named and address and item.most is None and " " in item.characters:
            return True
    return False


def _literals(items: Sequence[_Item]) -> tuple[str, str]:
    """Return the text that a sequence begins with, and the longest text that it contains."""
    runs = [""]
    for item in items:
        if character := item.literal():
            runs[-1] += character
        else:
            runs.append("")
    return runs[0], max(runs, key=len)
