"""Flows that go on, as profiles follow them, and which of them were answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phage.records.columns import TcpState

if TYPE_CHECKING:
    from phage.records.profile import ProfileKey, Way
    from phage.records.window import Columns

TCP = 6


@dataclass(slots=True)
class OpenFlow:
    """A flow that goes on. `deadline` is when it is judged without a name; 0 when it was judged."""

    device: str
    mac: str
    ip: str
    way: Way
    protocol: int
    port: int
    peer: str
    role: str
    begun: int
    deadline: int
    answered: bool = False
    key: ProfileKey | None = None


def was_open(rows: Columns) -> Columns:
    """Tell which TCP connections were accepted: a refusal is no service."""
    accepted = (rows["state"] >= TcpState.ESTABLISHED) & (rows["state"] != TcpState.REFUSED)
    spoke: Columns = accepted & (rows["payload"].sum(axis=1) > 0)
    return spoke


def is_answered(row: dict[str, Any]) -> bool:
    """Tell whether a flow that ended was answered; a row by columns."""
    if row["protocol"] != TCP:
        return bool(row["packets"][1])
    refused = row["state"] < TcpState.ESTABLISHED or row["state"] == TcpState.REFUSED
    return not refused and bool(sum(row["payload"]))
