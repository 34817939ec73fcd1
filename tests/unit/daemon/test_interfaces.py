"""The interface of the default route is found in what the kernel tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phage.daemon.interfaces import default_interface
from phage.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path

ROUTE = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
"""
ROUTE6 = "0" * 32 + " 00 " + "0" * 32 + " 00 " + "f" * 32 + " 00000400 1 0 00000003 {}\n"
DEV = "Inter-| Receive\n face |bytes\n    lo: 1 2\n{}"


def write(folder: Path, route: str = "", route6: str = "", names: str = "") -> Path:
    (folder / "route").write_text(route)
    (folder / "ipv6_route").write_text(route6)
    (folder / "dev").write_text(DEV.format("".join(f"{name}: 1 2\n" for name in names.split())))
    return folder


def test_the_lowest_metric_wins(tmp_path: Path) -> None:
    assert default_interface(write(tmp_path, ROUTE)) == "eth0"


def test_ipv6_alone_is_enough_but_not_an_unreachable_route(tmp_path: Path) -> None:
    assert default_interface(write(tmp_path, "", ROUTE6.format("wan0"))) == "wan0"
    with pytest.raises(CaptureError):
        default_interface(write(tmp_path, "", ROUTE6.format("lo")))


def test_a_lone_interface_needs_no_route(tmp_path: Path) -> None:
    assert default_interface(write(tmp_path, names="br0")) == "br0"


def test_a_choice_is_left_to_the_person(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="one of eth0, eth1"):
        default_interface(write(tmp_path, names="eth0 eth1"))
