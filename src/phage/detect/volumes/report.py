"""From an attack to a finding: the sentence, the numbers behind it, and what to filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.detect import explain
from phage.detect.volumes.episodes import SHOWN
from phage.detect.volumes.targets import Target
from phage.records import Feature, Finding, Peer, Severity, Subject
from phage.records.address import format_address

if TYPE_CHECKING:
    from phage.detect.detector import Knowledge
    from phage.detect.volumes.episodes import Episode, Why
    from phage.detect.volumes.flowspec import Cover, Suggestion
    from phage.records import Columns

_SPREAD = 5
"""Services beyond these are no longer listed: the flood has no certain ones."""

_LISTED = 64
"""Networks of a group that are listed."""

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}


def finding_of(episode: Episode, cover: Cover, detector: str, knowledge: Knowledge) -> Finding:
    """Return the finding about an attack as it stands."""
    why = episode.why
    vectors = episode.vectors.first(SHOWN)
    subject = _subject(episode)
    services = _services(episode)
    peers = tuple(Peer(address, services=services) for address, _ in episode.peers.first(16))
    feature = Feature(
        name=f"{vectors[0][0] if vectors else why.measure}_rate".replace("-", "_"),
        value=why.value,
        expected_low=0.0,
        expected_high=max(why.limit, 0.0),
        unit=_unit(why),
        weight=1.0,
        meaning=f"{why.measure} in a second, over {why.seconds} s",
    )
    return Finding(
        detector=detector,
        key=episode.key,
        severity=_severity(episode),
        score=1.0,
        subject=subject,
        summary=_sentence(episode, knowledge),
        first_seen=episode.first,
        last_seen=max(episode.last, episode.first),
        peers=peers,
        peers_total=max(len(peers), round(episode.sources)),
        packets=round(episode.packets),
        evidence=_evidence(episode, cover),
        features=(feature,),
        # Nobody answered, so nothing proves who sent it. What a host of ours sends was seen to come
        # from it; what comes from a whole prefix may be one that takes its neighbours' addresses.
        spoofable=not (episode.sent and episode.target.is_host),
    )


def _subject(episode: Episode) -> Subject:
    target = episode.target
    if target.is_host:
        ip = format_address(target.address)
        return Subject(ip=ip, device=ip)
    return Subject(device=target.text)


def _severity(episode: Episode) -> Severity:
    if episode.why.by == "slow":
        return Severity.MEDIUM
    ratio = episode.why.value / max(episode.why.limit, 1.0)
    return Severity.CRITICAL if ratio >= 10 and episode.peak >= 100_000 else Severity.HIGH


def _services(episode: Episode) -> tuple[str, ...]:
    """Return the services that are attacked, where these are few."""
    protocols = [protocol for protocol, share in episode.protocols.first(3) if share >= 0.05]
    ports = episode.dst_ports.first(_SPREAD)
    certain = [port for port, share in ports if share >= 0.1]
    found: list[str] = []
    for protocol in protocols:
        name = _PROTOCOLS.get(protocol, f"ip/{protocol}")
        if protocol in {6, 17}:
            found += [f"{name}/{port}" for port in certain]
        else:
            found.append(name)
    return tuple(found[:SHOWN])


def _networks(group: Target) -> list[str]:
    return [Target(number.to_bytes(16), length).text for number, length in group.networks[:_LISTED]]


def _unit(why: Why) -> str:
    return "bits/s" if why.measure.endswith("bits") else "packets/s"


def names(episode: Episode) -> list[str]:
    """Return the vectors that carry a twentieth of an attack, the heaviest first."""
    return [name for name, share in episode.vectors.first(SHOWN) if share >= 0.05]


def _sentence(episode: Episode, knowledge: Knowledge) -> str:
    whom = episode.target.text
    if episode.target.is_host:
        whom = explain.label(_subject(episode), knowledge)
    vectors = explain.listing(names(episode), shown=3)
    rate = f"up to {explain.number(round(episode.peak))} packets/s ({_bits(episode.peak_bits)})"
    others = explain.counted(max(1, round(episode.sources)), "address", "addresses")
    if episode.sent:
        first = f"{whom} floods {others} with {vectors}, {rate}"
    else:
        spread = "" if episode.target.is_host else ", spread over its hosts,"
        first = f"{whom} is flooded{spread} by {vectors} from {others}, {rate}"
    return explain.sentence([first, _because(episode.why)])


def _because(why: Why) -> str:
    value = explain.number(round(why.value))
    if why.by == "threshold":
        return f"{value} {why.measure}/s exceed the threshold of {why.text}"
    if why.by == "baseline":
        usual = explain.number(round(why.usual))
        return f"{value} {why.measure}/s where {usual} are usual"
    if why.by == "slow":
        return why.text
    return f"{value} {why.measure}/s that nobody asked for or answers"


def _bits(bits: float) -> str:
    for size, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")):
        if bits >= size:
            return f"{explain.number(bits / size)} {unit}"
    return f"{explain.number(round(bits))} bit/s"


def _evidence(episode: Episode, cover: Cover) -> dict[str, object]:
    why = episode.why
    kinds = names(episode)
    shares = dict(episode.vectors.first(SHOWN))
    evidence: dict[str, object] = {
        "kind": kinds[0] if kinds else "flood",
        "subject_is": "attacker" if episode.sent else "victim",
        "target": episode.target.text,
        **({"networks": _networks(episode.target)} if episode.target.is_group else {}),
        "direction": "outgoing" if episode.sent else "incoming",
        "carpet": not episode.target.is_host,
        "vectors": [{"name": name, "share": round(shares[name], 3)} for name in kinds],
        "why": {
            "by": why.by,
            "measure": why.measure,
            "value": round(why.value),
            "limit": round(why.limit),
            "usual": round(why.usual, 1),
            "window_s": why.seconds,
            "samples": why.samples,
            "confidence": 0.95,
            "threshold": why.text,
        },
        "packets_per_second": round(episode.rate),
        "peak_packets_per_second": round(episode.peak),
        "peak_bits_per_second": round(episode.peak_bits),
        "octets": round(episode.octets),
        "pulses": episode.pulses,
        "sources": round(episode.sources),
        "hosts": episode.hosts,
        "top_sources" if not episode.sent else "top_targets": _tops(episode.peers.first(SHOWN)),
        "top_source_ports": _tops(episode.src_ports.first(SHOWN)),
        "top_ports": _tops(episode.dst_ports.first(SHOWN)),
        "top_lengths": _tops(episode.lengths.first(SHOWN)),
        "entropy_bits": episode.entropies(),
        "sample": _sampled(episode.sample) if episode.sample is not None else [],
        "suggested": [_suggested(each) for each in cover.suggestions],
        "suggested_cover": round(cover.covers, 3),
        "suggested_collateral": round(cover.collateral, 3),
        "suggestions_refused": cover.refused,
        "earlier_traffic_rows": cover.earlier,
    }
    if episode.flags.counts:
        evidence["top_tcp_flags"] = [
            [f"0x{flags:02x}", round(share, 3)] for flags, share in episode.flags.first(SHOWN)
        ]
    if episode.systems.counts:
        evidence["top_systems"] = _tops(episode.systems.first(SHOWN))
    return evidence


def _tops(
    tops: list[tuple[object, float]] | list[tuple[str, float]] | list[tuple[int, float]],
) -> list[list[object]]:
    return [[thing, round(share, 3)] for thing, share in tops]


def _sampled(rows: Columns) -> list[str]:
    """Return some packets as lines: "192.0.2.7:123 > 198.51.100.1:4711 udp 468"."""
    lines = []
    for row in rows[:SHOWN]:
        protocol = int(row["protocol"])
        name = _PROTOCOLS.get(protocol, f"ip/{protocol}")
        flags = f" flags 0x{int(row['flags']):02x}" if protocol == 6 else ""
        src, dst = (format_address(bytes(row[side])) for side in ("src", "dst"))
        ports = int(row["src_port"]), int(row["dst_port"])
        lines.append(f"{src} {ports[0]} > {dst} {ports[1]} {name} {int(row['length'])}{flags}")
    return lines


def _suggested(suggestion: Suggestion) -> dict[str, object]:
    """Return a suggestion as data: what policy makes a pattern of."""
    pattern = suggestion.pattern
    data: dict[str, object] = {
        "protocol": pattern.protocol,
        "covers": round(suggestion.covers, 3),
        "collateral": round(suggestion.collateral, 3),
    }
    for name, ranges in (
        ("ports", pattern.ports),
        ("source_ports", pattern.source_ports),
        ("lengths", pattern.lengths),
    ):
        if ranges:
            data[name] = [list(each) for each in ranges]
    if pattern.tcp_flags is not None:
        data["tcp_flags"] = list(pattern.tcp_flags)
    if pattern.fragments:
        data["fragments"] = True
    return data
