"""Ranges of versions of the CVE list (CVE JSON 5, `affected[].versions`), and prose in their place.

What cannot be read is left out: a wrong range would be worse than none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from phage.devices.vulnerabilities.reading.fields import text
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NOTHING = frozenset(
    {"", "0", "*", "-", "n/a", "na", "unspecified", "unknown", "all", "all versions"}
)
_VERSION = r"v?([0-9][0-9A-Za-z._()+~-]*|[A-Za-z]+[0-9][0-9A-Za-z._()+~-]*)"
_BETWEEN = r"\s*(?:,|and|&&)?\s*"
_EARLIER = r"(?:earlier|prior|below|older|before)\b.*"
_FORMS = (
    (rf"{_VERSION}\s*(?:through|thru|to|up to|-|\u2013)\s*{_VERSION}", "si ei"),
    (rf">=?\s*{_VERSION}{_BETWEEN}<=\s*{_VERSION}", "si ei"),
    (rf">=?\s*{_VERSION}{_BETWEEN}<\s*{_VERSION}", "si ee"),
    (rf"(?:<=|=<|up to(?: and including)?|through)\s*{_VERSION}", "ei"),
    (rf"{_VERSION}\s*(?:and|or)\s*{_EARLIER}", "ei"),
    (rf"(?:<|(?:versions? )?(?:before|prior to|earlier than))\s*{_VERSION}", "ee"),
    (rf">=\s*{_VERSION}", "si"),
    (rf">\s*{_VERSION}", "se"),
    (rf"(?:version\s+)?{_VERSION}", "="),
)
_PROSE = tuple((re.compile(form, re.IGNORECASE), names) for form, names in _FORMS)
_NAMES = {
    "si": "start_including",
    "se": "start_excluding",
    "ei": "end_including",
    "ee": "end_excluding",
    "=": "exactly",
}


@frozen
class Range:
    """Versions that are affected: one exactly, or those between bounds."""

    exactly: str = ""
    start_including: str = ""
    start_excluding: str = ""
    end_including: str = ""
    end_excluding: str = ""

    @property
    def has_bounds(self) -> bool:
        """Tell whether it is more than one version."""
        return not self.exactly


def ranges_of(versions: Sequence[Mapping[str, Any]], default: str) -> Iterator[Range]:
    """Yield the ranges that are affected. Raises RecordError."""
    for each in versions:
        status = text(each, "status", "versions").lower() or default
        found = _range(each)
        if status == "affected" and found is not None:
            yield found
        elif status == "unaffected" and default == "affected":
            yield from _before(each)


def _range(each: Mapping[str, Any]) -> Range | None:
    start = text(each, "version", "versions").strip()
    less = text(each, "lessThan", "versions").strip()
    most = text(each, "lessThanOrEqual", "versions").strip()
    if not less and not most:
        return read_prose(start)
    begins = "" if start.lower() in _NOTHING else _bare(start)
    if most and most not in _NOTHING:
        if most.endswith(".*"):
            return Range(start_including=begins, end_excluding=_after(most[:-2]))
        return Range(start_including=begins, end_including=_bare(most))
    if less and less not in _NOTHING:
        return Range(start_including=begins, end_excluding=_bare(less))
    return Range(start_including=begins)


def _before(each: Mapping[str, Any]) -> Iterator[Range]:
    """Yield what is affected where everything is but from one version on."""
    start = text(each, "version", "versions").strip()
    less = text(each, "lessThan", "versions").strip()
    most = text(each, "lessThanOrEqual", "versions").strip()
    open_ended = (less in _NOTHING and most in _NOTHING) or "*" in {less, most}
    if open_ended and start.lower() not in _NOTHING:
        yield Range(end_excluding=_bare(start))


def read_prose(value: str) -> Range | None:
    """Return the range that a text means; None where that is not clear."""
    trimmed = value.strip()
    if trimmed.lower() in _NOTHING:
        return None
    if trimmed.endswith(".*") or trimmed.lower().endswith(".x"):
        stem = trimmed[:-2]
        after = _after(stem)
        return Range(start_including=_bare(stem), end_excluding=after) if after else None
    for pattern, names in _PROSE:
        match = pattern.fullmatch(trimmed)
        if match is not None:
            bounds = zip(names.split(), match.groups(), strict=True)
            return Range(**{_NAMES[name]: bound for name, bound in bounds})
    return None


def _after(stem: str) -> str:
    """Return the first version behind all that begin with a stem: 5.5 for 5.4."""
    head, dot, last = stem.rpartition(".")
    return f"{head}{dot}{int(last) + 1}" if last.isdecimal() else ""


def _bare(version: str) -> str:
    return version[1:] if version[:1] in "vV" and version[1:2].isdigit() else version
