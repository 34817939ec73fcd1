"""Look-ups in a million IPv4 and 100,000 IPv6 prefixes, with peers on the same prefixes.

`random` addresses are drawn from all there are (IPv4) or from the networks that registries hand
out (IPv6); `hot` ones are 2,000 addresses again and again, half of them listed.
"""

from __future__ import annotations

import importlib
import ipaddress
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from phage.frozen import frozen
from phage.intel.index import PrefixSet, prefix_set_of_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Octets = npt.NDArray[np.uint8]

V4, V6 = 1_000_000, 100_000
ASKED = 4_000_000
HOT = 2000
# Peers take about a microsecond a look-up, and seconds to build.
PEER_ASKED = 100_000
_MAPPED = np.frombuffer(bytes(10) + b"\xff\xff", np.uint8)


@frozen
class Listed:
    """The prefixes: octets with IPv4 mapped, lengths of 128, numbers."""

    octets: Octets
    lengths: Octets
    numbers: npt.NDArray[np.uint32]


@cache
def listed() -> Listed:
    """Return prefixes as real lists have them: of IPv4 47 % single addresses and 28 % /24."""
    rng = np.random.default_rng(7)
    octets = np.concatenate([_v4(rng, V4), _v6(rng, V6)])
    shares = rng.random(V4)
    other = rng.integers(112, 128, V4)
    v4 = np.where(shares < 0.47, 128, np.where(shares < 0.75, 120, other))
    v6 = rng.choice(np.array([128, 64, 56, 48, 40, 32]), V6, p=[0.4, 0.3, 0.06, 0.12, 0.04, 0.08])
    lengths = np.concatenate([v4, v6]).astype(np.uint8)
    return Listed(octets, lengths, np.arange(V4 + V6, dtype=np.uint32))


def _v4(rng: np.random.Generator, count: int) -> Octets:
    octets = rng.integers(0, 256, (count, 16), dtype=np.uint8)
    octets[:, :12] = _MAPPED
    return octets


def _v6(rng: np.random.Generator, count: int) -> Octets:
    """Return addresses in 4,096 networks of /32: eight registries' blocks, 512 in each."""
    octets = rng.integers(0, 256, (count, 16), dtype=np.uint8)
    network = 0x2400_0000 + (rng.integers(0, 8, count) << 25) + (rng.integers(0, 512, count) << 3)
    octets[:, :4] = network.astype(">u4").view(np.uint8).reshape(-1, 4)
    return octets


@cache
def built() -> tuple[PrefixSet, float]:
    """Return the set and how many seconds it took to build."""
    prefixes = listed()
    began = time.perf_counter()
    made = prefix_set_of_columns(prefixes.octets, prefixes.lengths, prefixes.numbers)
    return made, time.perf_counter() - began


@cache
def asked(kind: str) -> Octets:
    """Return the addresses to look up: "ipv4.random", "ipv4.hot" or "ipv6.random"."""
    rng = np.random.default_rng(11)
    if kind == "ipv4.random":
        return _v4(rng, ASKED)
    if kind == "ipv6.random":
        return _v6(rng, ASKED)
    known = listed().octets[rng.integers(0, V4, HOT // 2)]
    few = np.concatenate([known, _v4(rng, HOT // 2)])
    return few[rng.integers(0, HOT, ASKED)]


def rate(kind: str) -> float:
    """Return look-ups in a second of thread time, many at a time as a window's are."""
    octets, prefixes = asked(kind).tobytes(), built()[0]
    began = time.thread_time()
    prefixes.lookup_all(octets)
    return ASKED / (time.thread_time() - began)


def peers(kind: str) -> list[tuple[str, float]]:
    """Return the peers that are installed, with their look-ups a second; pure Python else."""
    found = [
        (name, _peer_rate(kind, peer))
        for name, module, make in (
            ("pytricia", "pytricia", _pytricia),
            ("py-radix", "radix", _radix),
        )
        if (peer := _loaded(module, make, kind)) is not None
    ]
    return found or [("a table for each length, in Python", _peer_rate(kind, _tables(kind)))]


def _texts(kind: str, octets: Octets) -> list[str]:
    if kind.startswith("ipv4"):
        return [f"{a}.{b}.{c}.{d}" for a, b, c, d in octets[:, 12:].tolist()]
    return [ipaddress.IPv6Address(each.tobytes()).compressed for each in octets]


def _peer_rate(kind: str, look: Callable[[str], object]) -> float:
    texts = _texts(kind, asked(kind)[:PEER_ASKED])
    began = time.thread_time()
    for text in texts:
        look(text)
    return len(texts) / (time.thread_time() - began)


def _networks(kind: str) -> list[tuple[str, int]]:
    prefixes = listed()
    part, cut = (slice(0, V4), 96) if kind.startswith("ipv4") else (slice(V4, None), 0)
    lengths = (prefixes.lengths[part].astype(int) - cut).tolist()
    return list(zip(_texts(kind, prefixes.octets[part]), lengths, strict=True))


def _loaded(
    module: str, make: Callable[[Any, str], Callable[[str], object]], kind: str
) -> Callable[[str], object] | None:
    try:
        loaded = importlib.import_module(module)
    except ImportError:
        return None
    return _kept(module, kind, lambda: make(loaded, kind))


_peers: dict[tuple[str, bool], Callable[[str], object]] = {}


def _kept(
    name: str, kind: str, make: Callable[[], Callable[[str], object]]
) -> Callable[[str], object]:
    """Keep what takes seconds to build: both measurements of IPv4 ask the same."""
    key = (name, kind.startswith("ipv4"))
    if key not in _peers:
        _peers[key] = make()
    return _peers[key]


def _pytricia(module: Any, kind: str) -> Callable[[str], object]:  # noqa: ANN401
    tree = module.PyTricia(32 if kind.startswith("ipv4") else 128)
    for number, (address, length) in enumerate(_networks(kind)):
        tree.insert(f"{address}/{length}", number)
    get: Callable[[str], object] = tree.get
    return get


def _radix(module: Any, kind: str) -> Callable[[str], object]:  # noqa: ANN401
    tree = module.Radix()
    for address, length in _networks(kind):
        tree.add(network=address, masklen=length)
    best: Callable[[str], object] = tree.search_best
    return best


def _tables(kind: str) -> Callable[[str], object]:
    def make() -> Callable[[str], object]:
        bits = 32 if kind.startswith("ipv4") else 128
        tables: dict[int, dict[int, int]] = {}
        for number, (address, length) in enumerate(_networks(kind)):
            value = int(ipaddress.ip_address(address)) >> (bits - length)
            tables.setdefault(length, {})[value] = number
        ordered = sorted(tables.items(), reverse=True)

        def look(text: str) -> int | None:
            value = int(ipaddress.ip_address(text))
            for length, table in ordered:
                if (found := table.get(value >> (bits - length))) is not None:
                    return found
            return None

        return look

    return _kept("tables", kind, make)
