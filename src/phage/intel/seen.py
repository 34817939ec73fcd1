"""What an observation shows that indicators name: names, URLs, fingerprints, certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from phage.intel.values import canonical
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.records.observation import Observation

_NAMES = {"dns": "query", "tls": "sni", "quic": "sni", "http": "host"}
_PRINTS = (
    ("ja3", IndicatorKind.JA3),
    ("ja4", IndicatorKind.JA4),
    ("certificate_sha1", IndicatorKind.CERTIFICATE),
    ("certificate_sha256", IndicatorKind.CERTIFICATE),
)


class Shown(NamedTuple):
    """One value that a message shows.

    `by_server` says that the server showed it: who turned to it is the message's receiver.
    """

    kind: IndicatorKind
    value: str
    by_server: bool = False


def shown(seen: Observation) -> Iterator[Shown]:
    """Yield what a message shows, canonical as in indicators; answers of name servers nothing."""
    name_field = _NAMES.get(seen.kind)
    if name_field is None or seen.fields.get("response") is True:
        return
    name = seen.fields.get(name_field)
    if isinstance(name, str) and "." in name:
        host = name.rpartition(":")[0] if seen.kind == "http" and ":" in name else name
        yield Shown(IndicatorKind.DOMAIN, host.rstrip(".").lower())
    if seen.kind == "http" and (url := _url(seen)):
        yield Shown(IndicatorKind.URL, url)
    for field, kind in _PRINTS:
        value = seen.fields.get(field)
        if isinstance(value, str) and value:
            yield Shown(kind, value, by_server=kind is IndicatorKind.CERTIFICATE)


def _url(seen: Observation) -> str:
    """Return what a request asks for, as a URL; '' for none, or one of which an end is missing."""
    target, host = seen.fields.get("uri"), seen.fields.get("host")
    if not isinstance(target, str) or seen.fields.get("uri_length", 0) != len(target):
        return ""
    if target.startswith("/") and isinstance(host, str) and host:
        return canonical(IndicatorKind.URL, f"http://{host}{target}")
    # What a proxy is asked for (RFC 9112, section 3.2.2).
    return canonical(IndicatorKind.URL, target) if "://" in target else ""
