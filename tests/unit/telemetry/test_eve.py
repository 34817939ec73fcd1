"""EVE events in the shape of Suricata's eve.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.clock import FixedClock
from phage.records import Peer, Severity, Subject
from phage.telemetry import eve
from phage.telemetry.evelog import EveLog, encode
from phage.telemetry.evestats import stats_event
from phage.telemetry.rotation import RotatingFile
from phage.testing.records import EPOCH, make_finding, make_flow, make_observation

if TYPE_CHECKING:
    from pathlib import Path


def test_times_are_written_as_suricata_does() -> None:
    assert eve.timestamp(EPOCH + 123_456_789) == "2023-11-14T22:13:20.123456+0000"
    assert eve.timestamp(0) == "1970-01-01T00:00:00.000000+0000"


def test_both_directions_of_a_flow_are_netflow_events() -> None:
    flow = make_flow(packets=(3, 2), octets=(300, 200), flags=(0x1B, 0x12))
    there, back = eve.netflow_events(flow, "eth0")
    assert (there["event_type"], there["src_ip"], there["dest_port"]) == ("netflow", flow.src, 443)
    assert (back["src_ip"], back["src_port"], back["dest_ip"]) == (flow.dst, 443, flow.src)
    assert (there["netflow"]["pkts"], back["netflow"]["bytes"]) == (3, 200)
    assert (there["tcp"]["tcp_flags"], back["tcp"]["tcp_flags"]) == ("1b", "12")
    assert back["tcp"]["syn"] is True
    assert len(eve.netflow_events(make_flow(packets=(3, 0)))) == 1


def test_a_flow() -> None:
    event = eve.flow_event(make_flow(vlan=7), "eth0")
    assert event == {
        "timestamp": "2023-11-14T22:13:23.000000+0000",
        "event_type": "flow",
        "in_iface": "eth0",
        "flow_id": 1,
        "vlan": [7],
        "src_ip": "192.168.1.5",
        "dest_ip": "93.184.216.34",
        "src_port": 50000,
        "dest_port": 443,
        "proto": "TCP",
        "ip_v": 4,
        "community_id": event["community_id"],
        "app_proto": "tls",
        "flow": {
            "pkts_toserver": 10,
            "pkts_toclient": 8,
            "bytes_toserver": 1200,
            "bytes_toclient": 9000,
            "start": "2023-11-14T22:13:21.000000+0000",
            "end": "2023-11-14T22:13:23.000000+0000",
            "age": 2,
            "state": "closed",
            "reason": "timeout",
            "alerted": False,
        },
        "ether": {"src_macs": ["02:00:00:00:00:05"], "dest_macs": ["02:00:00:00:00:01"]},
        "tcp": {
            "tcp_flags": "1b",
            "tcp_flags_ts": "1b",
            "tcp_flags_tc": "1b",
            "fin": True,
            "syn": True,
            "psh": True,
            "ack": True,
            "state": "closed",
        },
    }
    assert event["community_id"].startswith("1:")


def test_an_icmp_flow_has_type_and_code_for_ports() -> None:
    event = eve.flow_event(make_flow(protocol=1, src_port=8, dst_port=0, flags=(0, 0)))
    assert (event["icmp_type"], event["icmp_code"]) == (8, 0)
    assert event["proto"] == "ICMP"
    assert "src_port" not in event
    assert "tcp" not in event


@pytest.mark.parametrize(
    ("reason", "packets", "state", "expected"),
    [
        ("idle timeout", (3, 0), "none", ("new", "timeout")),
        ("lack of resources", (3, 2), "established", ("established", "forced")),
        ("forced end", (3, 2), "reset", ("closed", "shutdown")),
        ("none", (1, 1), "none", ("established", "unknown")),
    ],
)
def test_the_states_of_flows(
    reason: str, packets: tuple[int, int], state: str, expected: tuple[str, str]
) -> None:
    flow = eve.flow_event(make_flow(end_reason=reason, packets=packets, state=state))["flow"]
    assert (flow["state"], flow["reason"]) == expected


def test_a_finding_is_an_alert() -> None:
    event = eve.alert_event(make_finding(1, severity=Severity.HIGH, capture="x.pcap"), "eth0")
    assert event["event_type"] == "alert"
    assert (event["src_ip"], event["dest_ip"], event["dest_port"], event["proto"]) == (
        "192.168.1.5",
        "192.168.1.9",
        22,
        "TCP",
    )
    alert = event["alert"]
    assert alert["action"] == "allowed"
    assert alert["signature"] == "PHAGE portscan: 192.168.1.5 tried 100 ports of 192.168.1.9."
    assert alert["category"] == "Detection of a Network Scan"
    assert alert["severity"] == 1
    assert 1_000_000 <= alert["signature_id"] < 2_000_000
    assert alert["metadata"]["phage_id"] == ["0000000000000001"]
    assert event["capture_file"] == "x.pcap"
    assert event["phage"]["features"][0]["expected"] == [0.0, 3.0]


def test_a_finding_without_addresses_is_an_alert_too() -> None:
    event = eve.alert_event(make_finding(subject=Subject(mac="02:00:00:00:00:05"), peers=()))
    assert "src_ip" not in event
    assert event["ether"] == {"src_mac": "02:00:00:00:00:05"}
    arp = eve.alert_event(make_finding(peers=(Peer("10.0.0.1", services=("arp",)),)))
    assert arp["proto"] == "ARP"
    assert "dest_port" not in arp


def test_detectors_have_numbers_of_their_own() -> None:
    names = ["anomaly", "portscan", "bruteforce", "arpspoof", "dnstunnel", "beaconing", "synflood"]
    assert len({eve.signature_id(name) for name in names}) == len(names)


def event_of(kind: str, **fields: Any) -> dict[str, Any]:
    event = eve.observation_event(make_observation(kind, **fields), "eth0")
    assert event is not None
    return event


def test_a_dns_question_and_its_answer() -> None:
    question = event_of("dns", id=7, response=False, query="example.org", query_type="A", opcode=0)
    assert question["event_type"] == "dns"
    assert question["pcap_cnt"] == 7
    assert question["dns"] == {
        "version": 2,
        "type": "query",
        "id": 7,
        "rrname": "example.org",
        "rrtype": "A",
        "opcode": 0,
        "tx_id": 0,
    }
    answer = event_of(
        "dns",
        id=7,
        response=True,
        query="example.org",
        query_type="A",
        rcode="NOERROR",
        recursion=True,
        answer=("CNAME a.example.org", "A 192.0.2.1"),
        ttl=60,
    )["dns"]
    assert answer["type"] == "answer"
    assert answer["rd"] is True
    assert answer["answers"][1] == {
        "rrname": "example.org",
        "rrtype": "A",
        "rdata": "192.0.2.1",
        "ttl": 60,
    }
    assert answer["grouped"] == {"CNAME": ["a.example.org"], "A": ["192.0.2.1"]}


def test_hellos_of_tls_and_quic() -> None:
    hello = event_of(
        "tls", server=False, sni="a.org", version="TLS 1.3", alpn=("h2",), ja3="0a", ja4="t13d"
    )
    assert hello["tls"] == {
        "sni": "a.org",
        "version": "TLS 1.3",
        "ja4": "t13d",
        "client_alpns": ["h2"],
        "ja3": {"hash": "0a"},
    }
    answer = event_of("tls", server=True, version="TLS 1.3", alpn=("h2",), ja3s="0b")
    assert answer["tls"] == {
        "version": "TLS 1.3",
        "server_alpns": ["h2"],
        "ja3s": {"hash": "0b"},
    }
    quic = event_of("quic", version="1", tls_version="TLS 1.3", sni="b.org")
    assert quic["event_type"] == "tls"
    assert quic["tls"] == {"sni": "b.org", "version": "TLS 1.3"}


def test_http() -> None:
    request = event_of("http", method="GET", uri="/x", host="h", user_agent="curl", version="1.1")
    assert request["http"] == {
        "hostname": "h",
        "url": "/x",
        "http_user_agent": "curl",
        "http_method": "GET",
        "protocol": "HTTP/1.1",
    }


def test_dhcp() -> None:
    event = event_of(
        "dhcp",
        message_type="ack",
        transaction=5,
        client_mac="02:00:00:00:00:05",
        your_ip="10.0.0.5",
        router="10.0.0.1,10.0.0.2",
        dns_servers=("10.0.0.1",),
        parameter_list="1,3,6",
    )
    assert event["dhcp"] == {
        "type": "reply",
        "id": 5,
        "client_mac": "02:00:00:00:00:05",
        "assigned_ip": "10.0.0.5",
        "dhcp_type": "ack",
        "dns_servers": ["10.0.0.1"],
        "routers": ["10.0.0.1", "10.0.0.2"],
        "params": ["1", "3", "6"],
    }


def test_kinds_without_an_event_have_none() -> None:
    assert eve.observation_event(make_observation("arp")) is None


def test_stats_have_the_names_of_suricata_and_below_phage_its_own() -> None:
    counters = {
        "packets": 5,
        "octets": 300,
        "source.dropped": 2,
        "malformed.ipv4_truncated": 1,
        "malformed.tcp_malformed": 3,
        "flows.started": 4,
        "flows.live": 3,
        "uses": 1,
        "uses.dropped": 6,
    }
    assert stats_event(EPOCH, 9, counters)["stats"] == {
        "uptime": 9,
        "capture": {"kernel_packets": 7, "kernel_drops": 2},
        "decoder": {"pkts": 5, "bytes": 300, "invalid": 4},
        "flow": {"total": 4, "active": 3},
        "phage": {
            "packets": 5,
            "octets": 300,
            "source": {"dropped": 2},
            "malformed": {"ipv4_truncated": 1, "tcp_malformed": 3},
            "flows": {"started": 4, "live": 3},
            "uses": {"total": 1, "dropped": 6},
        },
    }


def test_what_cannot_be_decoded_is_an_anomaly() -> None:
    assert eve.anomaly_event("ipv4_truncated", 3, EPOCH)["anomaly"] == {
        "type": "decode",
        "event": "decoder.ipv4_truncated",
        "count": 3,
    }


def test_the_log_writes_the_kinds_that_are_wanted(tmp_path: Path) -> None:
    log = EveLog(RotatingFile(tmp_path / "eve.json", 10_000, 1, FixedClock()), ("flow",))
    assert log.wants("flow")
    assert not log.wants("alert")
    log.write([eve.flow_event(make_flow()), eve.alert_event(make_finding())])
    log.close()
    lines = (tmp_path / "eve.json").read_text().splitlines()
    assert [json.loads(line)["event_type"] for line in lines] == ["flow"]


def test_numbers_that_json_does_not_know_become_null() -> None:
    line = encode(eve.alert_event(make_finding(score=float("inf"))))
    assert json.loads(line)["phage"]["score"] is None


values = (
    st.text(max_size=30)
    | st.integers()
    | st.booleans()
    | st.tuples(st.text(max_size=9), st.text(max_size=9))
)
NAMES = "id query answer response ttl sni alpn ja3 uri router parameter_list version"
fields = st.dictionaries(st.sampled_from(NAMES.split()), values)


@given(st.sampled_from(["dns", "tls", "quic", "http", "dhcp"]), fields)
def test_whatever_a_host_sends_is_one_line_of_json(kind: str, sent: dict[str, Any]) -> None:
    line = encode(event_of(kind, **sent))
    assert "\n" not in line
    assert line.isascii()
    assert json.loads(line)["timestamp"]
