"""Look-ups: what one client asks under one registered domain, as flows of information.

A tunnel carries data in names that are all different, and answers in records that hold text. How
much that is decays by half in a minute (for the fast ones) and in an hour (for the slow ones).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect.tables import Distinct, Usual
from phage.devices.domainnames import registered_domain
from phage.frozen import frozen

if TYPE_CHECKING:
    from phage.records import Observation

_SECOND = 1_000_000_000
_ESCAPE = re.compile(r"\\x[0-9a-f]{2}|\\u\{[0-9a-f]+\}|\\\\")

# Types that carry addresses and what goes with them; DNSSEC's own.
PLAIN_TYPES = frozenset(
    {
        *("A", "AAAA", "HTTPS", "SVCB", "PTR", "NS", "SOA", "TLSA", "CAA"),
        *("DS", "DNSKEY", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM"),
    }
)
_SKIPPED_TOPS = frozenset({"arpa", "local", "localhost", "lan", "home", "internal", "localdomain"})


class Leaky:
    """A sum that decays by half in a given time."""

    __slots__ = ("half_life", "time", "value")

    def __init__(self, half_life: int) -> None:
        self.half_life = half_life
        self.value = 0.0
        self.time = 0

    def add(self, amount: float, time: int) -> None:
        """Add an amount at a time."""
        self.value = self.at(time) + amount
        self.time = max(self.time, time)

    def at(self, time: int) -> float:
        """Return the sum as it is at a time."""
        passed = time - self.time
        if passed <= 0 or not self.value:
            return self.value
        return float(self.value * 0.5 ** min(passed / self.half_life, 1000.0))


FAST, SLOW = 60 * _SECOND, 3600 * _SECOND


@frozen
class Question:
    """A DNS message, as a tunnel would use it: its domain, and what its name carries below it.

    `domain` is '' where the name was cut before it.
    """

    name: str
    domain: str
    carried: int
    kind: str
    is_answer: bool
    failed: bool
    answered: int
    entropy: float


def question_of(seen: Observation) -> Question | None:
    """Read a DNS message; None where it asks nothing that could carry data."""
    fields = seen.fields
    name = fields.get("query")
    if not isinstance(name, str) or "." not in name.strip("."):
        return None
    length = fields.get("name_length")
    length = length if isinstance(length, int) else len(name)
    kind = fields.get("query_type")
    down = fields.get("response_bytes")
    entropy = fields.get("entropy")
    domain = registered_domain(name)
    if "\\" in name and len(_ESCAPE.sub("x", name)) < length:
        # Octets that cannot be printed are escaped, and the text has a bound: its end is missing.
        domain = ""
    elif name.rpartition(".")[2] in _SKIPPED_TOPS:
        return None
    return Question(
        name=name,
        domain=domain,
        carried=max(0, length - len(domain) - 1 if domain else length),
        kind=kind if isinstance(kind, str) else "",
        is_answer=fields.get("response") is True,
        failed=fields.get("rcode") == "NXDOMAIN",
        answered=down if isinstance(down, int) and not isinstance(down, bool) else 0,
        entropy=float(entropy) if isinstance(entropy, int | float) else 0.0,
    )


@dataclass(slots=True)
class Lookups:
    """One client's questions under one domain."""

    usual: Usual
    names: Distinct[int] = field(default_factory=lambda: Distinct(512))
    fast: Leaky = field(default_factory=lambda: Leaky(FAST))
    slow: Leaky = field(default_factory=lambda: Leaky(SLOW))
    fast_names: Leaky = field(default_factory=lambda: Leaky(FAST))
    slow_names: Leaky = field(default_factory=lambda: Leaky(SLOW))
    fast_down: Leaky = field(default_factory=lambda: Leaky(FAST))
    slow_down: Leaky = field(default_factory=lambda: Leaky(SLOW))
    fast_carriers: Leaky = field(default_factory=lambda: Leaky(FAST))
    slow_carriers: Leaky = field(default_factory=lambda: Leaky(SLOW))
    types: Counter[str] = field(default_factory=Counter)
    samples: dict[str, None] = field(default_factory=dict)
    servers: dict[str, None] = field(default_factory=dict)
    first: int = 0
    last: int = 0
    queries: int = 0
    up: int = 0
    down: int = 0
    longest: int = 0
    entropy: float = 0.0

    def take(self, question: Question, server: str, time: int) -> None:
        """Take in a question or its answer."""
        self.first = self.first or time
        self.last = max(self.last, time)
        if len(self.servers) < 8:
            self.servers[server] = None
        carrier = question.kind not in PLAIN_TYPES
        if question.is_answer:
            if carrier:
                self.down += question.answered
                self.fast_down.add(question.answered, time)
                self.slow_down.add(question.answered, time)
        else:
            self.queries += 1
            if len(self.types) < 16 or question.kind in self.types:
                self.types[question.kind] += 1
        if not question.carried or not self.names.add(_mark(question.name), time):
            return
        self.fast.add(question.carried, time)
        self.slow.add(question.carried, time)
        self.fast_names.add(1, time)
        self.slow_names.add(1, time)
        if carrier:
            self.fast_carriers.add(1, time)
            self.slow_carriers.add(1, time)
        self.up += question.carried
        self.usual.add(time, question.carried)
        self.longest = max(self.longest, question.carried)
        # A running mean over about sixteen names.
        self.entropy += (question.entropy - self.entropy) / min(len(self.names), 16)
        if len(self.samples) < 3:
            self.samples[question.name] = None


def _mark(name: str) -> int:
    """Return a number for a name; the same in every run, unlike `hash`."""
    mark = 0xCBF2_9CE4_8422_2325
    for octet in name.encode("utf-8", "backslashreplace"):
        mark = (mark ^ octet) * 0x100_0000_01B3 & 0xFFFF_FFFF_FFFF_FFFF
    return mark


_VOWELS = frozenset("aeiouy")


def looks_random(label: str) -> bool:
    """Tell whether a label looks drawn by lot: few vowels, runs of consonants, digits.

    Short labels cannot be told. Words joined together do not look random, so generators that use a
    dictionary are missed here.
    """
    if len(label) < 7 or label.startswith("xn--"):
        return False
    letters = [mark for mark in label if mark.isalpha()]
    digits = sum(mark.isdigit() for mark in label)
    if digits and letters and digits >= len(label) // 5:
        return True
    if not letters:
        return False
    vowels = sum(mark in _VOWELS for mark in letters)
    run = longest = 0
    for mark in label:
        run = run + 1 if mark.isalpha() and mark not in _VOWELS else 0
        longest = max(longest, run)
    return longest >= 5 or vowels / len(letters) < 0.2
