"""Fences in a real kernel: a device goes on as it learned to, and nothing else of it gets through.

What the device does is captured once, and learned as if it had done so every hour for ten days.
"""

from __future__ import annotations

import json
import shutil
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.system.acting.site import ROUTER_IN, SERVER

from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.acting.site import Site

pytestmark = pytest.mark.system

MAKER, OTHER, ELSEWHERE = "198.51.100.20", "198.51.100.21", "198.51.100.66"
ANOTHER = "192.168.77.200"
HOURS = 240

SERVE = """
import http.server, sys, threading
from phage.testing.waiting import until
for port in map(int, sys.argv[1:]):
    server = http.server.ThreadingHTTPServer(("", port), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever).start()
"""


class Lab:
    """A device behind the router; before it its maker's cloud, and others."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.interface = "in"
        for address in (MAKER, OTHER, ELSEWHERE):
            site.inside("out", "ip", "addr", "add", f"{address}/24", "dev", "eth0")
        for side in ("out", "in"):
            site.start(side, sys.executable, "-c", SERVE, "80", "8080")
        site.start(
            "router", "dnsmasq", "-d", "-C", "/dev/null", "--no-resolv", "--no-hosts",
            "--user=root", f"--listen-address={ROUTER_IN}", "--bind-interfaces",
            f"--address=/maker.example/{MAKER}", f"--address=/other.example/{OTHER}",
            f"--address=/elsewhere.example/{ELSEWHERE}",
        )  # fmt: skip
        names = names_of(site)
        names.mkdir(parents=True)
        (names / "resolv.conf").write_text(f"nameserver {ROUTER_IN}\n", encoding="ascii")
        (link,) = json.loads(site.inside("in", "ip", "-j", "link", "show", "eth0"))
        self.device = str(link["address"])
        until("the device's service", lambda: self.gets(f"http://{SERVER}/", "router"))
        until("the cloud", lambda: self.gets("http://maker.example/"))

    def gets(self, url: str, side: str = "in", *options: str) -> bool:
        """Tell whether a side gets a page."""
        code = self.site.inside(
            side, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2",
            *options, url, check=False,
        )  # fmt: skip
        return code == "200"

    def phage(self, *words: str) -> str:
        """Run a command of phage on the router."""
        return self.site.inside(
            "router", sys.executable, "-m", "phage", *words,
            "--state-dir", str(self.site.state), "--config", str(self.site.folder / "phage.yaml"),
        )  # fmt: skip

    def devices(self, verb: str, *words: str) -> Any:
        """Ask for something of the device; return what is told as JSON."""
        return json.loads(self.phage("devices", verb, self.device, *words, "--output", "json"))

    def is_known(self) -> bool:
        listed = json.loads(self.phage("devices", "list", "--output", "json"))
        return self.device in {each["id"] for each in listed}

    def usual(self) -> bool:
        """Do what the device usually does; tell whether all of it works."""
        asked = self.gets("http://maker.example/")
        return asked and self.gets(f"http://{SERVER}/", "router")

    def learn(self) -> None:
        """Have phage learn what the device usually does."""
        path = self.site.folder / "usual.pcap"
        tap = self.site.start("router", "tcpdump", "-i", "in", "-U", "-Z", "root", "-w", str(path))
        until("tcpdump", path.exists)
        until("a capture", lambda: self.usual() and len(frames(path)) >= 20)
        tap.terminate()
        tap.wait()
        week = self.site.folder / "week.pcap"
        stretch(path, week)
        self.site.configure()
        self.phage("replay", str(week), "--keep-devices")


def names_of(site: Site) -> Path:
    """Return the folder with the files that `ip netns exec` puts in the place of /etc's."""
    return Path("/etc/netns", f"{site.name}-in")


def frames(path: Path) -> list[tuple[int, bytes]]:
    """Return microseconds and octets of the frames of a capture file."""
    raw, found, at = path.read_bytes(), [], 24
    while at + 16 <= len(raw):
        seconds, rest, size, _ = struct.unpack_from("<IIII", raw, at)
        found.append((seconds * 10**6 + rest, raw[at + 16 : at + 16 + size]))
        at += 16 + size
    return found


def stretch(source: Path, path: Path) -> None:
    """Write a capture in which that of `source` happened every hour until now."""
    once = frames(source)
    first = once[0][0]
    with path.open("wb") as file:
        file.write(source.read_bytes()[:24])
        for hour in range(-HOURS, 0):
            for at, frame in once:
                seconds, rest = divmod(at - first, 10**6)
                when = first // 10**6 + hour * 3600 + seconds
                file.write(struct.pack("<IIII", when, rest, len(frame), len(frame)) + frame)


@pytest.fixture
def lab(site: Site) -> Iterator[Lab]:
    if absent := [tool for tool in ("curl", "dnsmasq", "tcpdump") if shutil.which(tool) is None]:
        pytest.skip(f"lacks {', '.join(absent)}")
    try:
        yield Lab(site)
    finally:
        shutil.rmtree(names_of(site), ignore_errors=True)


def test_a_fence_lets_the_usual_pass_and_nothing_else(lab: Lab) -> None:
    lab.learn()
    assert lab.devices("propose")["objection"] == ""
    lab.site.phage()
    assert lab.usual()
    assert lab.gets("http://elsewhere.example/")
    lab.phage("devices", "enforce", lab.device, "--yes")
    until("the fence", lambda: not lab.gets("http://elsewhere.example/"))
    for _ in range(3):
        assert lab.usual()
        assert not lab.gets("http://maker.example:8080/")  # Another service of the same peer.
        claimed = ("--resolve", f"maker.example:80:{ELSEWHERE}")
        assert not lab.gets("http://maker.example/", "in", *claimed)
        assert not lab.gets(f"http://{SERVER}/", "out")  # Only the router asked it so far.
        assert lab.site.inside("in", "ping", "-c", "1", "-W", "5", ROUTER_IN)
    assert "fenced in" in {each["what"] for each in lab.devices("history")}
    lab.site.stop()
    assert not lab.gets("http://elsewhere.example/")  # The kernel goes on by itself.
    lab.site.phage()
    assert lab.usual()
    assert not lab.gets("http://elsewhere.example/")
    lab.phage("devices", "release", lab.device)
    until("freedom", lambda: lab.gets("http://elsewhere.example/"))
    assert lab.gets(f"http://{SERVER}/", "out")
    assert lab.devices("profile")["phase"] == "propose"


def test_a_device_that_deviates_is_told_slowed_down_or_held(lab: Lab) -> None:
    lab.learn()
    lab.site.phage()

    def deviates(grade: str, port: int) -> None:
        """Fence it in by a grade, and have it do what it never did."""
        lab.phage("devices", "enforce", lab.device, "--grade", grade, "--yes")
        assert lab.usual()
        lab.gets(f"http://elsewhere.example:{port}/")

    def decided() -> list[str]:
        return [each["action"] for each in lab.site.decisions("--in-force")]

    def pardon() -> None:
        lab.site.revoke(*(each["id"] for each in lab.site.decisions("--in-force")))

    deviates("notify", 8080)
    assert lab.gets("http://other.example/")
    until("the finding", lambda: "deviation" in lab.phage("findings", "list", "--output", "json"))
    assert decided() == []
    deviates("limit", 81)
    until("the limit", lambda: decided() == ["limit"])
    assert lost(lab, SERVER)
    lab.site.inside("in", "ip", "addr", "add", f"{ANOTHER}/24", "dev", "eth0")
    assert lost(lab, ANOTHER), "another address of it is no way out"
    pardon()
    until("speed", lambda: not lost(lab, ANOTHER))
    lab.site.inside("in", "ip", "addr", "del", f"{ANOTHER}/24", "dev", "eth0")
    deviates("quarantine", 82)
    until("the quarantine", lambda: decided() == ["quarantine"])
    until("silence", lambda: not lab.gets("http://maker.example/"))
    assert lab.site.inside("in", "ping", "-c", "1", "-W", "5", ROUTER_IN)
    pardon()
    until("peace", lambda: lab.gets("http://maker.example/"))


def test_what_a_maker_describes_is_enforced(lab: Lab) -> None:
    """A description (RFC 8520) is taken for a device that phage knows nothing of yet."""
    lab.site.phage()
    until("the device", lambda: lab.usual() and lab.is_known())
    described = lab.site.folder / "mud.json"
    described.write_text(json.dumps(mud("other.example", 8080)), encoding="utf-8")
    lab.phage("devices", "mud", lab.device, "--import", str(described))
    keys = {(each["peer"], each["port"]) for each in lab.devices("profile")["keys"]}
    assert ("name:other.example", 8080) in keys
    rules = lab.site.folder / "edited.yaml"
    proposed = lab.devices("propose")["rules"]
    rules.write_text(without(proposed, "maker.example"), encoding="utf-8")
    lab.phage("devices", "enforce", lab.device, "--file", str(rules), "--force", "--yes")
    until("the fence", lambda: not lab.gets("http://maker.example/"))
    until("its peer", lambda: lab.gets("http://other.example:8080/"))
    assert not lab.gets("http://other.example/")
    told = json.loads(lab.phage("devices", "mud", lab.device))
    assert "other.example" in json.dumps(told["ietf-access-control-list:acls"])


def lost(lab: Lab, address: str) -> bool:
    """Tell whether any of many pings of the router from an address of the device is lost."""
    said = lab.site.inside(
        "in", "ping", "-q", "-f", "-c", "300", "-w", "30", "-I", address, ROUTER_IN, check=False
    )
    return " 0% packet loss" not in said


def without(rules: str, domain: str) -> str:
    """Return a fence without the rules about a domain, as a person would edit it."""
    known = yaml.safe_load(rules)
    kept = [each for each in known["rules"] if each["match"].get("domain") != domain]
    return str(yaml.safe_dump({"rules": kept}))


def mud(name: str, port: int) -> dict[str, Any]:
    """Return a description that lets a device ask a name by TCP."""
    entry = {
        "name": "cloud",
        "matches": {
            "ipv4": {"protocol": 6, "ietf-acldns:dst-dnsname": name},
            "tcp": {
                "destination-port": {"operator": "eq", "port": port},
                "ietf-mud:direction-initiated": "from-device",
            },
        },
        "actions": {"forwarding": "accept"},
    }
    policy = {"access-lists": {"access-list": [{"name": "from"}]}}
    return {
        "ietf-mud:mud": {"mud-version": 1, "from-device-policy": policy},
        "ietf-access-control-list:acls": {
            "acl": [{"name": "from", "type": "ipv4-acl-type", "aces": {"ace": [entry]}}]
        },
    }
