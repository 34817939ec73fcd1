"""Active scans against real servers in namespaces, and against hosts that mean harm."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.system.conftest import phage_command

from phage.testing.waiting import until

if TYPE_CHECKING:
    from tests.system.conftest import Host, Lab

pytestmark = pytest.mark.system

HOSTILE = textwrap.dedent(
    r"""
    import contextlib, socket, threading, time

    def serve(port, answer):
        listener = socket.create_server(("0.0.0.0", port))
        def one(link):
            with contextlib.suppress(OSError), link:
                answer(link)
        def run():
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()
        threading.Thread(target=run, daemon=True).start()

    def endless(link):
        while True:
            link.sendall(b"\x1b[31mA" * 10000)

    def page(link):
        link.recv(4096)
        link.sendall(b"HTTP/1.0 200 OK\r\nServer: \x1b]0;owned\x07<script>alert(1)</script>\r\n\r\n"
                     b"<title>\xe2\x80\xaeevil</title>")

    def bomb(link):
        link.recv(4096)
        link.sendall(b'HTTP/1.0 200 OK\r\n\r\n<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
                     b'<!ENTITY b "&a;&a;&a;">]><root><device><friendlyName>&b;</friendlyName>'
                     b'</device></root>')

    serve(22, lambda link: link.sendall(b"SSH-2.0-" + b"B" * 1_000_000 + b"\r\n"))
    serve(23, endless)
    serve(80, page)
    serve(8000, bomb)
    serve(8080, lambda link: time.sleep(60))
    ssdp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ssdp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ssdp.bind(("", 1900))
    group = socket.inet_aton("239.255.255.250") + socket.inet_aton("10.77.0.66")
    ssdp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    print("ready", flush=True)
    while True:
        _, place = ssdp.recvfrom(2048)
        for url in (b"http://10.77.0.66:8000/d.xml", b"http://10.77.0.1/internal"):
            ssdp.sendto(b"HTTP/1.1 200 OK\r\nSERVER: bad/\x1b[2J1\r\nLOCATION: " + url
                        + b"\r\n\r\n", place)
    """
)


ROUTER = textwrap.dedent(
    """
    import http.server, socket, threading

    TYPE = "urn:schemas-upnp-org:service:WANIPConnection:1"
    DESCRIPTION = (
        "<root><device><friendlyName>Box</friendlyName><modelName>R7</modelName><serviceList>"
        f"<service><serviceType>{TYPE}</serviceType><controlURL>/ctl</controlURL></service>"
        "</serviceList></device></root>"
    )
    ANSWER = "<a><NewExternalIPAddress>203.0.114.7</NewExternalIPAddress></a>"

    class Page(http.server.BaseHTTPRequestHandler):
        def say(self, text):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())
        def do_GET(self):
            self.say(DESCRIPTION)
        def do_POST(self):
            self.say(ANSWER)

    def serve(address, port):
        server = http.server.ThreadingHTTPServer((address, port), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    serve("10.77.0.2", 5000)
    serve("203.0.114.7", 8080)
    ssdp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ssdp.bind(("", 1900))
    group = socket.inet_aton("239.255.255.250") + socket.inet_aton("10.77.0.2")
    ssdp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    print("ready", flush=True)
    while True:
        _, place = ssdp.recvfrom(2048)
        place_of_it = b"LOCATION: http://10.77.0.2:5000/d.xml"
        ssdp.sendto(b"HTTP/1.1 200 OK\\r\\n" + place_of_it + b"\\r\\n\\r\\n", place)
    """
)

CAMERA = textwrap.dedent(
    """
    import base64, http.server

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            said = self.headers.get("Authorization", "")
            let_in = said == "Basic " + base64.b64encode(b"admin:admin").decode()
            self.send_response(200 if let_in else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("10.77.10.3", 80), Page)
    print("ready", flush=True)
    server.serve_forever()
    """
)


def scan(host: Host, folder: Path, *arguments: str) -> dict[str, Any]:
    done = host.run(
        *phage_command("devices", "scan", *arguments),
        "--state-dir",
        str(folder / "state"),
        "--output",
        "json",
    )
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def of(found: dict[str, Any], address: str) -> dict[str, Any]:
    (host,) = [each for each in found["hosts"] if each["address"] == address]
    assert isinstance(host, dict)
    return host


def services(host: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{each['protocol']}/{each['port']}": each for each in host["services"]}


def start_servers(server: Host, folder: Path) -> None:
    """Start what a real host has: name server, SSH, SNMP, mDNS."""
    server.start("dnsmasq", "-d", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                 "--listen-address=10.77.0.2", "--bind-interfaces")  # fmt: skip
    key = folder / "key"
    server.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    server.start("sh", "-c", f"mkdir -p /run/sshd; exec /usr/sbin/sshd -D -h {key} -f /dev/null")
    snmp = folder / "snmpd.conf"
    snmp.write_text("rocommunity public\nsysDescr phage test agent\nsysName agent\n")
    server.start("env", f"SNMP_PERSISTENT_DIR={folder}", "/usr/sbin/snmpd", "-f", "-Lo", "-C",
                 "-c", str(snmp), "udp:161")  # fmt: skip
    avahi = folder / "avahi.conf"
    avahi.write_text(
        "[server]\nhost-name=printer\nenable-dbus=no\n[publish]\npublish-workstation=yes\n"
    )
    server.start(
        "sh", "-c",
        "mount -t tmpfs none /run && mkdir /run/avahi-daemon && "
        f"exec avahi-daemon --no-drop-root --no-rlimits --no-chroot -f {avahi}",
    ).expect("Server startup complete")  # fmt: skip
    until("all servers", lambda: "161" in server.run("ss", "-lnu").stdout
          and ":22" in server.run("ss", "-lnt").stdout)  # fmt: skip


def test_real_servers(lab: Lab, tmp_path: Path) -> None:
    scanner, server = lab.add("scanner", 1), lab.add("server", 2)
    # A network that only the server is in: its ARP table is all that tells of it.
    for command in (
        "link add inner type veth peer name outer",
        "link set inner up",
        "link set outer up",
        "addr add 10.88.0.1/24 dev inner",
        "neigh add 10.88.0.5 lladdr 02:00:00:00:88:05 dev inner nud permanent",
    ):
        server.run("ip", *command.split())
    start_servers(server, tmp_path)
    found = scan(scanner, tmp_path, "10.77.0.0/24")
    own, other = of(found, "10.77.0.1"), of(found, "10.77.0.2")
    assert own["ways"] == ["self"]
    assert own["mac"] == scanner.mac
    assert other["mac"] == server.mac
    seen = services(other)
    assert seen["tcp/22"]["software"].startswith("OpenSSH ")
    assert seen["udp/53"]["banner"].startswith("dnsmasq-")
    assert seen["udp/161"]["banner"] == "phage test agent"
    assert other["facts"]["snmp"]["name"] == "agent"
    assert other["facts"]["mdns"]["name"] == "printer"
    assert of(found, "fd77::2")["mac"] == server.mac
    behind = of(found, "10.88.0.5")
    assert (behind["mac"], behind["ways"]) == ("02:00:00:00:88:05", ["snmp"])

    everything = scan(scanner, tmp_path, "10.77.0.2", "--ports", "all", "--fast")
    assert {"tcp/22", "tcp/53"} <= services(of(everything, "10.77.0.2")).keys()
    assert [each["address"] for each in everything["hosts"]] == ["10.77.0.2"]

    listed = scanner.run(
        *phage_command("devices", "list", "--output", "json"),
        "--state-dir",
        str(tmp_path / "state"),
    )
    assert server.mac in {each["id"] for each in json.loads(listed.stdout)}


def test_the_router_s_other_side_another_interface_and_default_passwords(
    lab: Lab, tmp_path: Path
) -> None:
    scanner, router, camera = lab.add("scanner", 1), lab.add("router", 2), lab.add("camera", 3)
    # Another interface, as a VLAN's is one; not every kernel has the module for these.
    second = ("eth0.10", "netns", scanner.namespace, "type", "veth", "peer", "name", "eth0.10")
    scanner.run("ip", "link", "add", *second, "netns", camera.namespace)
    for host in (scanner, camera):
        number = host.address.rpartition(".")[2]
        for command in (
            "link set eth0.10 up",
            f"addr add 10.77.10.{number}/24 dev eth0.10",
            f"addr add fd77:10::{number}/64 dev eth0.10 nodad",
        ):
            host.run("ip", *command.split())
    for command in (
        "link add outer type veth peer name far",
        "link set outer up",
        "link set far up",
        "addr add 203.0.114.7/24 dev outer",
    ):
        router.run("ip", *command.split())
    scanner.run("ip", "route", "add", "default", "via", router.address)
    for host, text in ((router, ROUTER), (camera, CAMERA)):
        program = tmp_path / f"{host.mac.replace(':', '')}.py"
        program.write_text(text)
        host.start("python3", str(program)).expect("ready")
    ports = ("--ports", "80,5000,8080")
    found = scan(scanner, tmp_path, *ports)
    assert {"10.77.0.0/24", "10.77.10.0/24", "fd77:10::/64"} <= set(found["targets"])
    assert of(found, "10.77.0.2")["facts"]["upnp"]["model_name"] == "R7"
    for address in ("10.77.10.3", "fd77:10::3"):
        assert of(found, address)["interface"] == "eth0.10"
        assert of(found, address)["mac"]
    assert {each["address"] for each in found["hosts"]} >= {"10.77.10.1", "fd77:10::1"}
    assert "203.0.114.7" not in {each["address"] for each in found["hosts"]}
    assert not any("credentials" in each["facts"] for each in found["hosts"])
    asked = scan(scanner, tmp_path, *ports, "--outside", "--credentials")
    outside = of(asked, "203.0.114.7")
    assert outside["ways"] == ["outside"]
    assert "tcp/8080" in services(outside)
    assert of(asked, "10.77.10.3")["facts"]["credentials"] == {"tcp/80": "admin"}
    assert not any(diff["service"] == "tcp/80" for diff in asked["diffs"])


def test_hosts_that_mean_harm(lab: Lab, tmp_path: Path) -> None:
    scanner, hostile = lab.add("scanner", 1), lab.add("hostile", 66)
    (tmp_path / "hostile.py").write_text(HOSTILE)
    hostile.start("python3", str(tmp_path / "hostile.py")).expect("ready")
    found = scan(scanner, tmp_path, "10.77.0.0/24")
    host = of(found, "10.77.0.66")
    seen = services(host)
    assert {"tcp/22", "tcp/23", "tcp/80", "tcp/8000", "tcp/8080"} <= seen.keys()
    for service in seen.values():
        assert len(service["banner"]) < 1000
        assert service["banner"].isprintable()
    assert "upnp" not in host["facts"]
    assert host["facts"]["ssdp"]["server"] == "bad/\\x1b[2J1"
    assert found["dropped"]["browse"] >= 2  # The bomb, and the address that is another's.


def test_the_daemon_scans_without_privileges_and_does_not_accuse_itself(
    lab: Lab, tmp_path: Path
) -> None:
    scanner, server = lab.add("scanner", 1), lab.add("server", 2)
    server.start("python3", "-m", "http.server", "8000")
    until("a server", lambda: ":8000" in server.run("ss", "-lnt").stdout)
    place = ("--state-dir", str(tmp_path / "state"))
    daemon = scanner.start(*phage_command("run", "-i", "eth0", *place))
    daemon.expect("^watching ")
    status = Path(f"/proc/{daemon.pid}/status").read_text(encoding="ascii")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff"))
    assert int(effective.split()[1], 16) == 1 << 13  # CAP_NET_RAW
    found = scan(scanner, tmp_path, "10.77.0.0/24", "--ports", "80,8000")
    assert services(of(found, "10.77.0.2"))["tcp/8000"]["name"] == "http"
    refused = scanner.run(*phage_command("devices", "scan", "192.0.2.1"), *place, check=False)
    assert refused.returncode == 1
    assert "not ours" in refused.stderr
    assert daemon.stop() == 0
    listed = scanner.run(*phage_command("findings", "list", "--output", "json"), *place)
    assert [
        each for each in json.loads(listed.stdout) if each["subject"]["mac"] == scanner.mac
    ] == []
