"""What a machine cannot be without is found in the kernel and in files, and who is logged in."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phage.clock import FixedClock
from phage.devices.discovery import rtnetlink
from phage.policy.lifelines.lifelines import Lifelines, connections
from phage.policy.lifelines.sessions import GRACE_SECONDS, READ_EVERY, Sessions
from phage.testing.records import EPOCH, SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def lines(*ends: tuple[str, str, str]) -> str:
    rows = (
        f"   {n}: {local} {remote} {state} 0:0" for n, (local, remote, state) in enumerate(ends)
    )
    return HEADER + "\n".join(rows) + "\n"


def of_files(root: Path, look_up: object = None) -> dict[str, str]:
    lifelines = Lifelines(FixedClock(EPOCH), root, look_up or (lambda name: ()))  # type: ignore[arg-type]
    lifelines.look_names_up()
    kernel = {entry.value for entry in lifelines.entries() if entry.is_own}
    kernel |= set(map(str, rtnetlink.gateways()))
    found = {entry.value: entry.why for entry in lifelines.entries()}
    return {value: why for value, why in found.items() if value not in kernel and value[2] != ":"}


def test_own_addresses_of_the_kernel_are_there() -> None:
    lifelines = Lifelines(FixedClock(EPOCH))
    own = {entry.value for entry in lifelines.entries() if entry.is_own}
    assert "127.0.0.1" in own
    assert lifelines.faults == []


def test_name_servers_are_found(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "etc/resolv.conf": "# x\nnameserver 198.51.100.53\nnameserver fe80::1%eth0\nsearch x\n",
            "run/systemd/resolve/resolv.conf": "nameserver 198.51.100.54\n",
        },
    )
    assert set(of_files(tmp_path)) >= {"198.51.100.53", "fe80::1", "198.51.100.54"}


def test_leases_of_networkd_and_dhclient_are_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "run/systemd/netif/leases/2": "SERVER_ADDRESS=198.51.100.1\nDNS=198.51.100.2 "
            "198.51.100.3\nNTP=198.51.100.4\nADDRESS=198.51.100.99\n",
            "var/lib/dhcp/dhclient.eth0.leases": "lease {\n  option routers 198.51.100.5;\n"
            "  option domain-name-servers 198.51.100.6,198.51.100.7;\n"
            "  option dhcp-server-identifier 198.51.100.8;\n  fixed-address 198.51.100.98;\n}\n",
        },
    )
    assert set(of_files(tmp_path)) == {f"198.51.100.{n}" for n in range(1, 9)}


def test_time_servers_are_found_by_name_and_by_socket(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "etc/systemd/timesyncd.conf": "[Time]\nNTP=time.example.org\n#NTP=x\n",
            "etc/chrony/chrony.conf": "pool pool.example.org iburst\nserver gone.example.org\n",
            # 198.51.100.77, port 123, and another port.
            "proc/net/udp": lines(
                ("00000000:C000", "4D6433C6:007B", "01"), ("00000000:C001", "4E6433C6:0035", "01")
            ),
        },
    )

    def look_up(name: str) -> list[str]:
        if name == "gone.example.org":
            raise OSError
        return {"time.example.org": ["2001:db8::7b"], "pool.example.org": ["198.51.100.123"]}[name]

    assert set(of_files(tmp_path, look_up)) == {"2001:db8::7b", "198.51.100.123", "198.51.100.77"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_file_is_read_without_a_fault(tmp_path: Path, data: bytes) -> None:
    for name in ("etc/resolv.conf", "run/systemd/netif/leases/2", "etc/ntp.conf", "run/utmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    of_files(tmp_path)
    Sessions(FixedClock(EPOCH), root=tmp_path).entries()


SSH = ("0100000A:0016", "097100CB:D431", "01")  # From 203.0.113.9 to port 22.


def sessions(root: Path, clock: FixedClock, **values: object) -> dict[str, bool]:
    found = Sessions(clock, root=root, **values)  # type: ignore[arg-type]
    return {entry.value: entry.is_unproven for entry in found.entries()}


def utmp(kind: int, host: str = "", address: bytes = b"") -> bytes:
    return struct.pack(
        "=hxxi32s4s32s256shhiii16s20s",
        kind, 1, b"pts/0", b"", b"root", host.encode(), 0, 0, 0, 0, 0, address, b"",
    )  # fmt: skip


def test_who_utmp_says_is_logged_in_is_protected(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/utmp").write_bytes(
        utmp(2) + utmp(7, "203.0.113.9", bytes([203, 0, 113, 9])) + utmp(8, "203.0.113.10")
        + utmp(7, "a.name.of.its.own")
    )  # fmt: skip
    assert sessions(tmp_path, FixedClock(EPOCH)) == {"203.0.113.9": False}


def test_who_logind_says_is_logged_in_is_protected(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "run/systemd/sessions/1": "UID=0\nREMOTE_HOST=203.0.113.9\nSTATE=active\n",
            "run/systemd/sessions/2": "UID=0\nREMOTE_HOST=203.0.113.10\nSTATE=closing\n",
        },
    )
    assert sessions(tmp_path, FixedClock(EPOCH)) == {"203.0.113.9": False}


def test_who_started_phage_is_protected_and_his_port_is_watched(tmp_path: Path) -> None:
    write(tmp_path, {"proc/net/tcp": lines(("0100000A:08AE", "0A7100CB:D431", "01"))})
    environment = {"SSH_CONNECTION": "203.0.113.9 50000 10.0.0.1 2222"}
    found = sessions(tmp_path, FixedClock(EPOCH), environment=environment)
    assert found == {"203.0.113.9": False, "203.0.113.10": True}


@pytest.mark.parametrize("records", [False, True])
def test_a_connection_becomes_a_session_when_it_outlasts_the_grace_time(
    tmp_path: Path, records: bool
) -> None:
    write(tmp_path, {"proc/net/tcp": lines(SSH, ("0100000A:0016", "0A7100CB:D431", "06"))})
    if records:
        (tmp_path / "run/systemd/system").mkdir(parents=True)
    clock = FixedClock(EPOCH)
    found = Sessions(clock, root=tmp_path)
    young = {entry.value: entry.is_unproven for entry in found.entries()}
    assert young == ({} if records else {"203.0.113.9": True})
    clock.nanoseconds += 310 * SECOND  # dropbear has hung up on who guesses by now.
    assert not any(not entry.is_unproven for entry in found.entries())
    clock.nanoseconds += int(GRACE_SECONDS * SECOND)
    assert {e.value: e.is_unproven for e in found.entries()} == {"203.0.113.9": False}
    write(tmp_path, {"proc/net/tcp": lines()})
    assert list(found.entries()) == []


def test_the_table_of_sockets_is_read_when_a_connection_came_or_went(tmp_path: Path) -> None:
    def tell(opened: int, *ends: tuple[str, str, str]) -> None:
        counts = f"Tcp: MaxConn PassiveOpens CurrEstab\nTcp: -1 {opened} 0\n"
        write(tmp_path, {"proc/net/snmp": counts, "proc/net/tcp": lines(*ends)})

    clock = FixedClock(EPOCH)
    found = Sessions(clock, root=tmp_path)
    tell(1)
    assert found.entries() == []
    tell(1, SSH)
    assert found.entries() == []
    tell(2, SSH)
    assert [entry.value for entry in found.entries()] == ["203.0.113.9"]
    tell(2)
    clock.nanoseconds += int(READ_EVERY * SECOND)
    assert found.entries() == []


def test_of_a_table_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    other = ("0100000A:0017", "097100CB:0016", "01")
    write(tmp_path, {"tcp": lines(SSH, other, (*SSH[:2], "06"))})
    every = list(connections(tmp_path / "tcp"))
    assert len(every) == 3
    assert list(connections(tmp_path / "tcp", local=[22], state=1)) == every[:1]
    assert list(connections(tmp_path / "tcp", remote=[22])) == every[1:2]


def test_a_session_knows_the_interface_that_has_its_address(tmp_path: Path) -> None:
    write(tmp_path, {"proc/net/tcp": lines(("0100007F:0016", "0100007F:D431", "01"),
                                           ("097100CB:0016", "0A7100CB:D431", "01"))})  # fmt: skip
    found = Sessions(FixedClock(EPOCH), root=tmp_path)
    found.entries()
    here, elsewhere = found.sessions()
    assert (here.destination, here.interface) == ("127.0.0.1", "lo")
    assert (elsewhere.destination, elsewhere.interface) == ("203.0.113.9", "")


def test_ipv4_in_ipv6_sockets_and_loopback(tmp_path: Path) -> None:
    mapped = "0000000000000000FFFF0000097100CB"
    own = "00000000000000000000000001000000"
    write(
        tmp_path,
        {"proc/net/tcp6": lines((f"{own}:0016", f"{mapped}:D431", "01"),
                                (f"{own}:0016", f"{own}:D432", "01"))},
    )  # fmt: skip
    assert sessions(tmp_path, FixedClock(EPOCH)) == {"203.0.113.9": True}
