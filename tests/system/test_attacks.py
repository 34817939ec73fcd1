"""Real attacks by real tools: each is one finding, of the right detector, about the right hosts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.system.sshd import TOOLS, guess, sshd_log, start_sshd

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Host, Lab, Phage

pytestmark = pytest.mark.system

Finding = dict[str, Any]

SCANS = {
    "syn": ("-sS", "-p", "1-200"),
    "connect": ("-sT", "-p", "1-200"),
    "fin": ("-sF", "-p", "1-40", "--max-retries", "0"),
    "null": ("-sN", "-p", "1-40", "--max-retries", "0"),
    "xmas": ("-sX", "-p", "1-40", "--max-retries", "0"),
    "udp": ("-sU", "-p", "1-40", "--max-retries", "0"),
    "slow": ("-sS", "-p", "1-25", "--scan-delay", "200ms"),
    "service": ("-sV", "--version-light", "-p", "20-60"),
    "silent": ("-sS", "-p", "1-60", "--max-retries", "0"),
    "protocols": ("-sO", "-p", "20-80", "--max-retries", "0"),
    "ipv6": ("-6", "-sS", "-p", "1-60"),
}
"""Port scans of one host, as nmap makes them."""


def findings_of(phage: Phage) -> list[Finding]:
    """Wait until all that was sent is judged, stop phage, and return its findings."""
    phage.await_quiet()
    assert phage.stop() == 0, phage.transcript()
    assert "Traceback" not in phage.transcript()
    return phage.findings()


def only_finding(phage: Phage) -> Finding:
    findings = findings_of(phage)
    assert len(findings) == 1, told(findings)
    return findings[0]


def told(findings: list[Finding]) -> str:
    return "\n".join(f"{each['detector']}: {each['summary']}" for each in findings)


def peers(finding: Finding) -> set[str]:
    return {peer["ip"] for peer in finding["peers"]}


def is_about(finding: Finding, detector: str, host: Host) -> bool:
    return (finding["detector"], finding["subject"]["mac"]) == (detector, host.mac)


def test_every_kind_of_port_scan_is_one_finding(lab: Lab) -> None:
    attackers = {name: lab.add(name, 100 + number) for number, name in enumerate(SCANS)}
    victims = {name: lab.add(f"{name}-v", 200 + number) for number, name in enumerate(SCANS)}
    silent = attackers["silent"]
    victims["silent"].run("ip", "route", "add", "blackhole", f"{silent.address}/32")
    phage = lab.phage()
    scans = []
    for name, attacker in attackers.items():
        victim = victims[name].address6 if "-6" in SCANS[name] else victims[name].address
        scans.append(attacker.start("nmap", "-n", *SCANS[name], victim))
    for scan in scans:
        scan.expect("Nmap done")
    findings = findings_of(phage)
    assert len(findings) == len(SCANS), told(findings)
    for name, attacker in attackers.items():
        found = [each for each in findings if is_about(each, "portscan", attacker)]
        assert len(found) == 1, f"{name}:\n{told(findings)}"
        v6 = "-6" in SCANS[name]
        expected = victims[name].address6 if v6 else victims[name].address
        assert peers(found[0]) == {expected}
        assert found[0]["subject"]["ip"] == (attacker.address6 if v6 else attacker.address)
        kind = "protocols" if name == "protocols" else "vertical"
        assert kind in found[0]["evidence"]["kinds"]


def test_every_kind_of_sweep_is_one_finding(lab: Lab) -> None:
    arp, echo, service = lab.add("arp", 101), lab.add("echo", 102), lab.add("service", 103)
    router, many = lab.add("router", 1), lab.add("many", 20)
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    router.run("ip", "route", "add", "blackhole", "10.88.0.0/24")
    echo.run("ip", "route", "add", "10.88.0.0/24", "via", router.address)
    for number in range(21, 40):
        many.run("ip", "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
    phage = lab.phage()
    sweeps = [
        arp.start("nmap", "-n", "-T4", "-sn", "10.77.0.0/24"),
        echo.start("nmap", "-n", "-T4", "-sn", "-PE", "10.88.0.1-60"),
        service.start("nmap", "-n", "-Pn", "-sS", "-p", "445", "10.77.0.20-39"),
    ]
    for sweep in sweeps:
        sweep.expect("Nmap done")
    findings = findings_of(phage)
    assert len(findings) == len(sweeps), told(findings)
    by_mac = {each["subject"]["mac"]: each for each in findings}
    assert {each["detector"] for each in findings} == {"portscan"}
    owned = {host.address for host in lab.hosts.values()}
    assert by_mac[arp.mac]["evidence"]["kinds"] == ["neighbour sweep"]
    assert by_mac[arp.mac]["peers_total"] > 200
    assert not peers(by_mac[arp.mac]) & owned
    assert by_mac[echo.mac]["evidence"]["kinds"] == ["icmp sweep"]
    assert all(peer.startswith("10.88.0.") for peer in peers(by_mac[echo.mac]))
    assert by_mac[service.mac]["evidence"]["kinds"] == ["horizontal"]
    assert peers(by_mac[service.mac]) <= {f"10.77.0.{number}" for number in range(20, 40)}
    assert by_mac[service.mac]["evidence"]["first_services"] == ["tcp/445"]


def test_a_syn_flood_from_forged_sources_is_one_finding(
    lab: Lab, needs: Callable[..., None]
) -> None:
    needs("hping3")
    attacker, victim = lab.add("bad", 66), lab.add("victim", 10)
    phage = lab.phage()
    attacker.run(
        "hping3", "-q", "-S", "-p", "80", "--rand-source", "-i", "u500", "-c", "4000",
        victim.address, check=False,
    )  # fmt: skip
    finding = only_finding(phage)
    assert is_about(finding, "synflood", victim)
    assert finding["subject"]["ip"] == victim.address
    assert finding["peers_total"] > 1000
    assert {service for peer in finding["peers"] for service in peer["services"]} == {"tcp/80"}


def test_a_flood_of_segments_without_connection_is_one_finding(
    lab: Lab, needs: Callable[..., None]
) -> None:
    needs("hping3")
    attacker, victim = lab.add("bad", 66), lab.add("victim", 10)
    phage = lab.phage()
    attacker.run(
        "hping3", "-q", "-A", "-p", "80", "--rand-source", "-i", "u50", "-c", "40000",
        victim.address, check=False,
    )  # fmt: skip
    finding = only_finding(phage)
    assert finding["detector"] == "synflood"
    assert finding["evidence"]["kind"].startswith("tcp")


def test_a_flood_of_datagrams_between_two_hosts_is_one_finding(
    lab: Lab, needs: Callable[..., None]
) -> None:
    needs("hping3")
    attacker, victim = lab.add("bad", 66), lab.add("victim", 10)
    phage = lab.phage()
    attacker.run(
        "hping3", "-q", "--udp", "-p", "4000", "-i", "u50", "-c", "40000",
        victim.address, check=False,
    )  # fmt: skip
    finding = only_finding(phage)
    assert is_about(finding, "synflood", attacker)
    assert [peer["ip"] for peer in finding["peers"]] == [victim.address]


def test_arp_spoofing_between_two_hosts_is_one_finding(
    lab: Lab, needs: Callable[..., None]
) -> None:
    needs("arpspoof")
    attacker, victim, router = lab.add("bad", 66), lab.add("victim", 10), lab.add("router", 1)
    phage = lab.phage()
    for host in (attacker, victim):
        host.run("ping", "-c", "2", "-i", "0.2", router.address)
    attacker.start("arpspoof", "-i", "eth0", "-t", victim.address, "-r", router.address)
    phage.expect(" arpspoof ")
    attacker.started[-1].kill()
    finding = only_finding(phage)
    assert is_about(finding, "arpspoof", attacker)
    assert {(peer["ip"], peer["mac"]) for peer in finding["peers"]} <= {
        (victim.address, victim.mac),
        (router.address, router.mac),
    }


def test_a_second_dhcp_server_is_one_finding(lab: Lab, needs: Callable[..., None]) -> None:
    needs("dnsmasq")
    client, right, rogue = lab.add("client", 10), lab.add("right", 1), lab.add("rogue", 66)
    phage = lab.phage()
    for server in (right, rogue):
        server.start(
            "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root",
            "--no-ping", "--interface=eth0", "--bind-interfaces",
            "--dhcp-range=10.77.0.150,10.77.0.170",
            f"--dhcp-leasefile={lab.folder / server.namespace}",
            f"--dhcp-option=option:router,{server.address}",
        ).expect("DHCP, IP range")  # fmt: skip
        asked = client.run("nmap", "-e", "eth0", "--script", "broadcast-dhcp-discover",
                           "--script-args", "broadcast-dhcp-discover.timeout=2")  # fmt: skip
        assert "Server Identifier" in asked.stdout
    finding = only_finding(phage)
    assert is_about(finding, "arpspoof", rogue)
    assert finding["evidence"]["kinds"] == ["rogue DHCP server"]
    assert peers(finding) == {right.address}


def test_guessing_passwords_by_ssh_is_one_finding(lab: Lab, needs: Callable[..., None]) -> None:
    needs(*TOOLS)
    attacker, server = lab.add("bad", 66), lab.add("server", 10)
    start_sshd(lab, server)
    phage = lab.phage()
    guess(lab, attacker, server.address, "root", 16)
    finding = only_finding(phage)
    assert sshd_log(lab).count("Failed password") >= 10
    assert is_about(finding, "bruteforce", attacker)
    assert finding["evidence"]["service"] == "ssh"
    assert not finding["evidence"]["session_followed"]
    assert peers(finding) == {server.address}


def test_a_tunnel_through_dns_is_one_finding(lab: Lab, needs: Callable[..., None]) -> None:
    needs("iodine", "iodined")
    client, server = lab.add("client", 10), lab.add("server", 66)
    phage = lab.phage()
    server.start("iodined", "-f", "-P", "secret", "10.99.0.1", "t.example.com")
    server.started[-1].expect("Listening to dns")
    tunnel = client.start(
        "iodine", "-f", "-r", "-m", "500", "-P", "secret", server.address, "t.example.com"
    )
    tunnel.expect("Connection setup complete")
    client.run("ping", "-q", "-c", "20", "-i", "0.1", "-s", "500", "10.99.0.1")
    phage.expect(" dnstunnel ")
    for program in (tunnel, server.started[-2]):
        program.stop()
    finding = only_finding(phage)
    assert is_about(finding, "dnstunnel", client)
    assert peers(finding) == {server.address}
    assert re.search(r"example\.com", finding["summary"])
