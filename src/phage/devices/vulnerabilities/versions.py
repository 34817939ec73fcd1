"""Order of versions, whatever scheme they follow.

Numbers are compared as numbers, words as words. A word of a kind that comes before a release
("rc1", "beta", "-canary.0") sorts before it, any other ("p1", "a", "_u1") behind it. It fails where
makers mean something else by the same letters: "1.05b03" is taken for a beta.
"""

from __future__ import annotations

import re
from functools import lru_cache

from phage.devices.vulnerabilities.cpe import ANY, NA, plain

_TOKEN = re.compile(r"([^a-z0-9]*)(?:(\d+)|([a-z]+))")
_HASH = re.compile(r"(?=.*[a-f])(?=.*\d)(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")

# Words before a release, in their order.
_BEFORE = {
    word: rank
    for rank, words in enumerate(
        (
            ("dev", "snapshot", "nightly", "canary", "experimental"),
            ("alpha", "a"),
            ("beta", "b"),
            ("milestone", "m"),
            (
                "pre",
                "prerelease",
                "preview",
                "insiders",
                "next",
                "latest",
                "ea",
                "eap",
                "incubating",
            ),
            ("rc", "cr", "c", "candidate"),
        )
    )
    for word in words
}
_LETTERS = frozenset("abc")
"""Before a release only with a number behind: 3.15.0a6, but OpenSSL's 1.0.1a."""

_NEUTRAL = frozenset({"final", "ga", "release", "stable"})
"""Say that it is a release, and nothing more."""

_LEADING = frozenset({"v", "ver", "version", "r", "rel", "release"})

MAX_DIGITS = 64
"""Digits of a number that are compared: longer ones are no versions, and cost time."""

_END = (1, 0, "")

Token = tuple[int, int, str]
Key = tuple[Token, ...]


@lru_cache(maxsize=131_072)
def version_key(version: str) -> Key | None:
    """Return what a version sorts by; None for what has no order, as the hash of a commit."""
    text = plain(version).lower()
    if text in {ANY, NA, ""} or _HASH.match(text):
        return None
    # The least of all that comes before a release is written 1.27.0-0 (Semantic Versioning, 11.4).
    found = _TOKEN.findall(re.sub(r"-0\Z", "-dev", text[:256]))
    if found and found[0][2] in _LEADING and len(found) > 1 and found[1][1]:
        found = found[1:]
    key: list[Token] = []
    for at, (between, number, word) in enumerate(found):
        if number:
            key.append((3, int(number[:MAX_DIGITS]), ""))
            continue
        if word in _NEUTRAL and at:
            continue
        while len(key) > 1 and key[-1] == (3, 0, ""):  # 1.0.0-rc1 is 1-rc1.
            key.pop()
        numbered = at + 1 < len(found) and bool(found[at + 1][1])
        key.append(_word(word, between, numbered=numbered, first=not at))
    while len(key) > 1 and key[-1] == (3, 0, ""):
        key.pop()
    return (*key, _END) if key else None


def _word(word: str, between: str, *, numbered: bool, first: bool) -> Token:
    rank = _BEFORE.get(word)
    if rank is None or first:
        return 2, 0, word
    if word in _LETTERS and not numbered:
        return 2, 0, word
    if word == "m" and not (numbered and between):
        return 2, 0, word
    return 0, rank, ""


def compare_versions(one: str, other: str) -> int | None:
    """Return -1, 0 or 1 as one version is older, equal or newer; None where nobody can tell."""
    return 0 if one == other else compare_keys(version_key(one), version_key(other))


def compare_keys(one: Key | None, other: Key | None) -> int | None:
    """Return the same for what versions sort by.

    Only those can be compared that begin alike: with numbers, or with the same word.
    """
    if one is None or other is None:
        return None
    mine, its = one[0], other[0]
    if mine[0] != its[0] or (mine[0] != 3 and mine[2] != its[2]):
        return None
    return (one > other) - (one < other)


def is_before_release(word: str) -> bool:
    """Tell whether an update ("rc1", "beta") comes before the release that it belongs to."""
    key = version_key(f"0-{plain(word)}")
    return key is not None and key[1:2] != () and key[1][0] == 0
