"""Connections are cut by the kernel, by listing them, or left where that would take too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phage.respond.netlink import conntrack
from phage.respond.netlink.errors import KernelError

if TYPE_CHECKING:
    from pathlib import Path

    from phage.respond.netlink.messages import Request

HOST, NETWORK = (4, 32), (6, 64)


class FakeLink:
    """Notes what is asked of the kernel, which tracks no connection."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, request: Request) -> None:
        self.asked.append(request.what)

    def dump(self, request: Request) -> list[bytes]:
        self.asked.append(request.what)
        return []


def cut(count: int, ends: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    (folder / "count").write_text(f"{count}\n")
    monkeypatch.setattr(conntrack, "COUNT", folder / "count")
    link: Any = FakeLink()
    conntrack.cut(link, ends)
    asked: list[str] = link.asked
    return asked


def test_few_addresses_are_left_to_the_kernel_and_networks_are_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert cut(9, {HOST: [bytes(4)]}, monkeypatch, tmp_path) == ["cut connections"] * 2
    many = {HOST: [bytes(4)] * 100}
    assert cut(9, many, monkeypatch, tmp_path) == ["list connections"]
    assert cut(9, {NETWORK: [bytes(16)]}, monkeypatch, tmp_path) == ["list connections"]


@pytest.mark.parametrize("ends", [{NETWORK: [bytes(16)]}, {HOST: [bytes(4)] * 20}])
def test_a_table_that_is_long_holds_nobody_up(
    ends: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(KernelError, match="too many"):
        cut(200_000, ends, monkeypatch, tmp_path)
    assert len(cut(200_000, {HOST: [bytes(4)]}, monkeypatch, tmp_path)) == 2


def test_a_kernel_that_tells_no_number_is_asked_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(conntrack, "COUNT", tmp_path / "none")
    link: Any = FakeLink()
    assert conntrack.cut(link, {NETWORK: [bytes(16)]}) == 0
    assert link.asked == ["list connections"]
