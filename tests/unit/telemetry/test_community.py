"""Community ID: the known answers of the specification's baseline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.telemetry.community import community_id


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (("1.2.3.4", "5.6.7.8", 1122, 3344, 6), "1:wCb3OG7yAFWelaUydu0D+125CLM="),
        (("1.2.3.4", "5.6.7.8", 1122, 3344, 17), "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="),
        (("128.232.110.120", "66.35.250.204", 34855, 80, 6), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (("192.168.1.52", "8.8.8.8", 54585, 53, 17), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        (("192.168.0.89", "192.168.0.1", 8, 0, 1), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        (
            ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 135, 0, 58),
            "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
        ),
    ],
)
def test_known_answers(flow: tuple[str, str, int, int, int], expected: str) -> None:
    assert community_id(*flow) == expected


def test_an_echo_and_its_reply_are_one() -> None:
    asked = community_id("10.0.0.1", "10.0.0.2", 8, 0, 1)
    assert community_id("10.0.0.2", "10.0.0.1", 0, 0, 1) == asked


def test_without_two_addresses_of_a_kind_there_is_none() -> None:
    assert community_id("", "10.0.0.1", 0, 0, 0) == ""
    assert community_id("10.0.0.1", "fe80::1", 1, 2, 6) == ""
    assert community_id("name", "10.0.0.1", 1, 2, 6) == ""


addresses = st.ip_addresses(v=4).map(str)
ports = st.integers(0, 65535)


@given(addresses, addresses, ports, ports, st.sampled_from([6, 17, 132, 47]))
def test_both_directions_are_one(
    src: str, dst: str, src_port: int, dst_port: int, protocol: int
) -> None:
    there = community_id(src, dst, src_port, dst_port, protocol)
    assert community_id(dst, src, dst_port, src_port, protocol) == there


@given(addresses, addresses, st.integers(-5, 70_000), st.integers(-5, 70_000), st.integers(0, 255))
def test_any_flow_has_one(src: str, dst: str, src_port: int, dst_port: int, protocol: int) -> None:
    assert community_id(src, dst, src_port, dst_port, protocol).startswith("1:")
