"""EVE events in the shape of Suricata's eve.json (Suricata user guide, "Eve JSON Format").

Each function takes a record and returns one event. Keys that have nothing to say are left out, as
Suricata does. Text from the network is passed on as it is: JSON escapes it.
"""

from __future__ import annotations

import datetime
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phage.records import Finding, Observation, Severity
from phage.telemetry.community import ICMP, ICMP6, TCP, community_id

if TYPE_CHECKING:
    from phage.records.flow import Flow

Event = dict[str, Any]

PROTOCOLS = {
    0: "ARP", 1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 51: "AH",
    58: "IPv6-ICMP", 89: "OSPF", 103: "PIM", 112: "VRRP", 132: "SCTP",
}  # fmt: skip
"""Names by IP protocol number (IANA, Assigned Internet Protocol Numbers), as Suricata writes
them."""

_SEVERITIES = {
    Severity.CRITICAL: 1,
    Severity.HIGH: 1,
    Severity.MEDIUM: 2,
    Severity.LOW: 3,
    Severity.INFO: 4,
}
"""Suricata's severities go from 1, the worst, to 4 (classification.config)."""

_CATEGORIES = {
    "portscan": "Detection of a Network Scan",
    "synflood": "Detection of a Denial of Service Attack",
    "volumetric": "Detection of a Denial of Service Attack",
    "bruteforce": "Attempted Administrator Privilege Gain",
    "arpspoof": "Potentially Bad Traffic",
    "dnstunnel": "Malware Command and Control Activity Detected",
    "beaconing": "Malware Command and Control Activity Detected",
}
"""Classes of Suricata's classification.config; dashboards group by them."""

_CATEGORY = "Misc activity"

_FLOW_REASONS = {
    "idle timeout": "timeout",
    "active timeout": "timeout",
    "end of flow": "timeout",
    "forced end": "shutdown",
    "lack of resources": "forced",
}
_FLAGS = ((0x01, "fin"), (0x02, "syn"), (0x04, "rst"), (0x08, "psh"), (0x10, "ack"), (0x20, "urg"),
          (0x40, "ecn"), (0x80, "cwr"))  # fmt: skip
_TRANSPORTS = {"icmp6": "IPv6-ICMP"}
_APPLICATIONS = {"": "unknown", "modbus": "modbus", "ra": "unknown", "nd": "unknown",
                 "wsd": "unknown", "mld": "unknown", "lldp": "unknown"}  # fmt: skip


def timestamp(nanoseconds: int) -> str:
    """Format a time as Suricata does: 2026-11-21T10:00:00.123456+0000."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}+0000"


def flow_event(flow: Flow, interface: str = "") -> Event:
    """Return the event of a flow that ended."""
    event = _head("flow", flow.last, interface)
    event["flow_id"] = flow.id
    if flow.vlan:
        event["vlan"] = [flow.vlan]
    _ends(event, flow.src, flow.dst, flow.src_port, flow.dst_port, flow.protocol)
    event["app_proto"] = _APPLICATIONS.get(flow.application, flow.application)
    event["flow"] = {
        "pkts_toserver": flow.packets[0],
        "pkts_toclient": flow.packets[1],
        "bytes_toserver": flow.octets[0],
        "bytes_toclient": flow.octets[1],
        "start": timestamp(flow.start),
        "end": timestamp(flow.last),
        "age": max(0, flow.last - flow.start) // 1_000_000_000,
        "state": _flow_state(flow),
        "reason": _FLOW_REASONS.get(flow.end_reason, "unknown"),
        "alerted": False,
    }
    if flow.src_mac or flow.dst_mac:
        event["ether"] = {
            "src_macs": [flow.src_mac] if flow.src_mac else [],
            "dest_macs": [flow.dst_mac] if flow.dst_mac else [],
        }
    if flow.protocol == TCP:
        event["tcp"] = _tcp(flow)
    return event


def netflow_events(flow: Flow, interface: str = "") -> list[Event]:
    """Return the events of both directions of a flow that ended, as Suricata's netflow has them."""
    events = []
    for reverse in (False, True):
        if not flow.packets[reverse]:
            continue
        event = _head("netflow", flow.last, interface)
        event["flow_id"] = flow.id
        if flow.vlan:
            event["vlan"] = [flow.vlan]
        ends = [(flow.src, flow.src_port), (flow.dst, flow.dst_port)]
        (src, src_port), (dst, dst_port) = reversed(ends) if reverse else ends
        if flow.protocol in {ICMP, ICMP6}:
            src_port, dst_port = flow.src_port, flow.dst_port
        _ends(event, src, dst, src_port, dst_port, flow.protocol)
        event["app_proto"] = _APPLICATIONS.get(flow.application, flow.application)
        event["netflow"] = {
            "pkts": flow.packets[reverse],
            "bytes": flow.octets[reverse],
            "start": timestamp(flow.start),
            "end": timestamp(flow.last),
            "age": max(0, flow.last - flow.start) // 1_000_000_000,
        }
        if flow.protocol == TCP:
            flags = flow.flags[reverse]
            event["tcp"] = {"tcp_flags": f"{flags:02x}"}
            event["tcp"].update({name: True for bit, name in _FLAGS if flags & bit})
        events.append(event)
    return events


def _flow_state(flow: Flow) -> str:
    if flow.state in {"closed", "closing", "refused", "reset"}:
        return "closed"
    return "established" if all(flow.packets) else "new"


def _tcp(flow: Flow) -> Event:
    sent, received = flow.flags
    both = sent | received
    fields: Event = {
        "tcp_flags": f"{both:02x}",
        "tcp_flags_ts": f"{sent:02x}",
        "tcp_flags_tc": f"{received:02x}",
    }
    fields.update({name: True for bit, name in _FLAGS if both & bit})
    if flow.state != "none":
        fields["state"] = "closed" if flow.state in {"refused", "reset"} else flow.state
    return fields


def alert_event(finding: Finding, interface: str = "", decision: str = "") -> Event:
    """Return the event of a finding; it is written when the finding opens and at each update.

    `decision` is the id of the one by which it is blocked; '' where nothing is.
    """
    event = _head("alert", finding.last_seen, interface)
    peer = finding.peers[0] if finding.peers else None
    transport, _, port = (peer.services[0] if peer and peer.services else "").partition("/")
    if finding.subject.ip:
        event["src_ip"] = finding.subject.ip
    if peer is not None and peer.ip:
        event["dest_ip"] = peer.ip
    if port.isdigit():
        event["dest_port"] = int(port)
    if transport:
        event["proto"] = _TRANSPORTS.get(transport, transport.upper())
    if finding.subject.mac:
        event["ether"] = {"src_mac": finding.subject.mac}
    event["alert"] = {
        "action": "blocked" if decision else "allowed",
        "gid": 1,
        "signature_id": signature_id(finding.detector),
        "rev": 1,
        "signature": f"PHAGE {finding.detector}: {finding.summary}",
        "category": _CATEGORIES.get(finding.detector, _CATEGORY),
        "severity": _SEVERITIES[finding.severity],
        "metadata": {
            "phage_id": [finding.id],
            "phage_detector": [finding.detector],
            "phage_device": [finding.subject.device],
            "phage_severity": [str(finding.severity)],
            "phage_state": [str(finding.state)],
        },
    }
    event["phage"] = {
        "score": finding.score,
        "first_seen": timestamp(finding.first_seen),
        "last_seen": timestamp(finding.last_seen),
        "packets": finding.packets,
        "count": finding.count,
        "peers_total": finding.peers_total,
        "peers": [{"ip": each.ip, "services": list(each.services)} for each in finding.peers],
        "features": [
            {
                "name": feature.name,
                "value": feature.value,
                "expected": [feature.expected_low, feature.expected_high],
                "unit": feature.unit,
            }
            for feature in finding.features
        ],
    }
    if decision:
        event["alert"]["metadata"]["phage_decision"] = [decision]
    if finding.capture:
        event["capture_file"] = finding.capture
    return event


def signature_id(detector: str) -> int:
    """Return a stable number for a detector, of those for local rules: 1,000,000 to 1,999,999."""
    return 1_000_000 + zlib.crc32(detector.encode()) % 1_000_000


def observation_event(
    observation: Observation, interface: str = "", flow_id: int = 0
) -> Event | None:
    """Return the event of an observation; None when EVE has no event for its kind."""
    make = _MAKERS.get(observation.kind)
    if make is None:
        return None
    name, body = make(observation.fields)
    event = _head(name, observation.time, interface)
    if flow_id:
        event["flow_id"] = flow_id
    if observation.vlan:
        event["vlan"] = [observation.vlan]
    ends = (observation.src, observation.dst, observation.src_port, observation.dst_port)
    _ends(event, *ends, observation.protocol)
    event["pcap_cnt"] = observation.packet + 1
    if observation.src_mac:
        event["ether"] = {"src_mac": observation.src_mac, "dest_mac": observation.dst_mac}
    event[name] = body
    return event


def anomaly_event(kind: str, count: int, time: int, interface: str = "") -> Event:
    """Return the event of packets that could not be decoded.

    The kind of fault and how many in the window.
    """
    event = _head("anomaly", time, interface)
    event["anomaly"] = {"type": "decode", "event": f"decoder.{kind}", "count": count}
    return event


def _head(kind: str, time: int, interface: str) -> Event:
    event: Event = {"timestamp": timestamp(time), "event_type": kind}
    if interface:
        event["in_iface"] = interface
    return event


def _ends(event: Event, src: str, dst: str, src_port: int, dst_port: int, protocol: int) -> None:
    if src:
        event["src_ip"] = src
    if dst:
        event["dest_ip"] = dst
    if protocol in {ICMP, ICMP6}:
        event["icmp_type"], event["icmp_code"] = src_port, dst_port
    elif src_port or dst_port:
        event["src_port"], event["dest_port"] = src_port, dst_port
    event["proto"] = PROTOCOLS.get(protocol, f"{protocol:03d}")
    if src and dst:
        event["ip_v"] = 6 if ":" in src else 4
        if name := community_id(src, dst, src_port, dst_port, protocol):
            event["community_id"] = name


Fields = Mapping[str, Any]


def _pick(fields: Fields, names: Mapping[str, str]) -> Event:
    """Return the fields that are there, under EVE's names."""
    found = {eve: fields[own] for own, eve in names.items() if own in fields}
    return {eve: list(value) if isinstance(value, tuple) else value for eve, value in found.items()}


def _dns(fields: Fields) -> tuple[str, Event]:
    answer = bool(fields.get("response"))
    body: Event = {"version": 2, "type": "answer" if answer else "query"}
    body |= _pick(fields, {"id": "id", "query": "rrname", "query_type": "rrtype", "rcode": "rcode"})
    body |= _pick(fields, {"opcode": "opcode"})
    if not answer:
        body["tx_id"] = 0
        return "dns", body
    body["qr"] = True
    flags = {
        "authoritative": "aa",
        "truncated": "tc",
        "recursion": "rd",
        "recursion_available": "ra",
    }
    body |= {eve: True for own, eve in flags.items() if fields.get(own)}
    records = _texts(fields.get("answer", ()))
    if records:
        body["answers"] = [_record(text, fields) for text in records]
        grouped: dict[str, list[str]] = {}
        for record in body["answers"]:
            grouped.setdefault(record["rrtype"], []).append(record.get("rdata", ""))
        body["grouped"] = grouped
    return "dns", body


def _record(text: str, fields: Fields) -> Event:
    kind, _, data = text.partition(" ")
    record: Event = {"rrname": fields.get("query", ""), "rrtype": kind, "rdata": data}
    if "ttl" in fields:
        record["ttl"] = fields["ttl"]
    return record


def _texts(value: object) -> Sequence[str]:
    if isinstance(value, str):
        return (value,)
    return [str(item) for item in value] if isinstance(value, tuple | list) else ()


def _tls(fields: Fields) -> tuple[str, Event]:
    alpns = "server_alpns" if fields.get("server") else "client_alpns"
    body = _pick(fields, {"sni": "sni", "version": "version", "ja4": "ja4", "alpn": alpns})
    if "ja3" in fields:
        body["ja3"] = {"hash": fields["ja3"]} | _pick(fields, {"ja3_string": "string"})
    if "ja3s" in fields:
        body["ja3s"] = {"hash": fields["ja3s"]}
    if isinstance(print_ := fields.get("certificate_sha1"), str):
        # As Suricata writes it: pairs with colons.
        body["fingerprint"] = bytes.fromhex(print_).hex(":")
    return "tls", body


def _quic(fields: Fields) -> tuple[str, Event]:
    """Return the hello of a QUIC connection as a TLS event.

    Shippers and dashboards look for names there.
    """
    name, body = _tls(fields)
    if "tls_version" in fields:
        body["version"] = fields["tls_version"]
    return name, body


def _http(fields: Fields) -> tuple[str, Event]:
    body = _pick(
        fields,
        {
            "host": "hostname",
            "uri": "url",
            "user_agent": "http_user_agent",
            "content_type": "http_content_type",
            "method": "http_method",
            "status": "status",
            "location": "redirect",
            "content_length": "length",
        },
    )
    if "version" in fields:
        body["protocol"] = f"HTTP/{fields['version']}"
    return "http", body


def _dhcp(fields: Fields) -> tuple[str, Event]:
    kind = str(fields.get("message_type", ""))
    reply = kind in {"offer", "ack", "nak"}
    body: Event = {"type": "reply" if reply else "request"}
    body |= _pick(
        fields,
        {
            "transaction": "id",
            "client_mac": "client_mac",
            "your_ip": "assigned_ip",
            "client_ip": "client_ip",
            "relay_ip": "relay_ip",
            "server_ip": "next_server_ip",
            "message_type": "dhcp_type",
            "hostname": "hostname",
            "requested_ip": "requested_ip",
            "subnet_mask": "subnet_mask",
            "lease_time": "lease_time",
            "vendor_class": "vendor_class_identifier",
            "client_id": "client_id",
            "dns_servers": "dns_servers",
        },
    )
    if router := fields.get("router"):
        body["routers"] = str(router).split(",")
    if parameters := fields.get("parameter_list"):
        body["params"] = str(parameters).split(",")
    return "dhcp", body


_MAKERS: Mapping[str, Callable[[Fields], tuple[str, Event]]] = {
    "dns": _dns,
    "tls": _tls,
    "quic": _quic,
    "http": _http,
    "dhcp": _dhcp,
}
