"""The ends of a session: what is refused, and what ExaBGP is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phage.errors import ConfigError
from phage.respond.bgp.peering import Peering, communities_text, next_hop

if TYPE_CHECKING:
    from pathlib import Path


def peering(**settings: Any) -> Peering:
    usual: dict[str, Any] = {
        "neighbours": ("192.0.2.1",), "local_as": 64496, "peer_as": 64497,
        "local_address": "192.0.2.2",
    }  # fmt: skip
    return Peering(**{**usual, **settings})


def test_the_configuration_says_all_that_is_set() -> None:
    each = peering(
        neighbours=("192.0.2.1", "192.0.2.3"), router_id="10.0.0.1", port=1790, hold_s=30, ttl=255
    )
    each.check()
    text = each.configuration("/bin/handover")
    for neighbour in each.neighbours:
        assert f"neighbor {neighbour} {{" in text
    for line in (
        "run /bin/handover;", "router-id 10.0.0.1;", "local-address 192.0.2.2;", "local-as 64496;",
        "peer-as 64497;", "connect 1790;", "hold-time 30;", "outgoing-ttl 255;",
    ):  # fmt: skip
        assert f"  {line}\n" in text
    assert "md5-password" not in text
    assert "graceful" not in text


def test_routes_that_are_kept_are_told_so() -> None:
    text = peering(keep_s=120).configuration("/bin/handover")
    assert "graceful-restart 120;" in text
    assert "manual-eor true;" in text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"neighbours": ("192.0.2.1 { }",)}, "neighbours"),
        ({"neighbours": ("192.0.2.01",)}, "neighbours"),
        ({"neighbours": ("2001:DB8::1",), "router_id": "10.0.0.1"}, "neighbours"),
        ({"neighbours": ("fe80::1%eth0",), "router_id": "10.0.0.1"}, "neighbours"),
        ({"neighbours": ("192.0.2.1", "192.0.2.1")}, "neighbours"),
        ({"neighbours": tuple(f"192.0.2.{n}" for n in range(20))}, "neighbours"),
        ({"local_as": 0}, "local_as"),
        ({"peer_as": 2**32}, "peer_as"),
        ({"local_address": "2001:db8::2"}, "local_address"),
        ({"local_address": "auto"}, "local_address"),
        ({"router_id": "2001:db8::2"}, "router_id"),
        ({"neighbours": ("2001:db8::1",), "local_address": ""}, "router_id"),
        ({"port": 0}, "port"),
        ({"hold_s": 2}, "hold_s"),
        ({"ttl": 256}, "ttl"),
        ({"keep_s": 4096}, "keep_s"),
        ({"answer_s": 0.0}, "answer_s"),
        ({"password_file": "secret"}, "password_file"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}: "):
        peering(**settings).check()


def test_without_neighbours_nothing_has_to_be_set() -> None:
    Peering((), 0, 0).check()


@pytest.mark.parametrize("password", ["", "two words", 'quo"te', "brace}", "back\\slash", "x" * 81])
def test_a_password_that_could_be_misread_is_refused(tmp_path: Path, password: str) -> None:
    file = tmp_path / "password"
    file.write_text(f"{password}\n", encoding="ascii")
    with pytest.raises(ConfigError, match="must hold 1 to 80"):
        peering(password_file=str(file)).configuration("/bin/handover")


def test_a_password_comes_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret:word!\n", encoding="ascii")
    text = peering(password_file=str(file)).configuration("/bin/handover")
    assert 'md5-password "s3cret:word!";' in text
    with pytest.raises(ConfigError, match="cannot be read"):
        peering(password_file=str(tmp_path / "none")).configuration("/bin/handover")


def test_our_own_address_is_the_one_that_reaches_the_neighbour() -> None:
    text = peering(neighbours=("127.0.0.1",), local_address="").configuration("/bin/handover")
    assert "local-address 127.0.0.1;" in text
    assert "router-id 127.0.0.1;" in text


def test_communities_are_plain_or_large() -> None:
    assert communities_text(()) == ("", "")
    plain, large = communities_text(("65535:666", "64496:666:4294967295", "0:0"))
    assert (plain, large) == (
        "community [ 65535:666 0:0 ]",
        "large-community [ 64496:666:4294967295 ]",
    )
    for wrong in (
        "65536:1",
        "1:2:4294967296",
        "blackhole",
        "1:2:3:4",
        "1",
        "1:2]",
        "-1:2",
        "\u0663:\u0661",
    ):
        with pytest.raises(ValueError, match="communities"):
            communities_text((wrong,))


def test_a_next_hop_is_of_its_version() -> None:
    assert next_hop("self", 4, "next_hop4") == "self"
    assert next_hop("100::1", 6, "next_hop6") == "100::1"
    for wrong in ("100::1", "", "192.0.2.1 x"):
        with pytest.raises(ValueError, match="next_hop4"):
            next_hop(wrong, 4, "next_hop4")
