"""A clamd that cannot be asked says why, and leaves nothing open."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from phage.scan.clamd import Clamd, ClamdError
from phage.testing.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path


def test_no_socket_there(tmp_path: Path) -> None:
    with pytest.raises(ClamdError, match="No such file"):
        Clamd(str(tmp_path / "clamd.ctl"), 1.0).ask("PING")


def test_a_socket_that_nobody_serves(tmp_path: Path) -> None:
    path = tmp_path / "clamd.ctl"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))
    with pytest.raises(ClamdError, match="refused"):
        Clamd(str(path), 1.0).ask("PING")


@pytest.mark.parametrize("address", [f"127.0.0.1:{free_port()}", "127.0.0.1:none", "[::1]"])
def test_an_address_where_nobody_answers(address: str) -> None:
    with pytest.raises(ClamdError):
        Clamd(address, 1.0).ask("PING")
