"""Networks that are ours, and how many devices were seen in each."""

from __future__ import annotations

import ipaddress
import socket

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from phage.api.memory import Remembered
from phage.api.security import needs
from phage.api.services import Served, Services

router = APIRouter(prefix="/api/v1/networks", tags=["networks"])

MAX_DEVICES = 65_536


class NetworkRow(BaseModel):
    """One of our networks."""

    network: str
    devices: int = Field(description="Devices whose last address lies in it.")
    present: int = Field(description="Those of them that are here now.")


@router.get("", dependencies=[Depends(needs("networks:read"))])
def list_networks(services: Served, memory: Remembered) -> list[NetworkRow]:
    """List our networks, as the settings name them."""
    return memory.of("networks", lambda: _networks(services))


def _networks(services: Services) -> list[NetworkRow]:
    home = [ipaddress.ip_network(text) for text in services.home]
    with services.reading() as store:
        seen = store.devices.addresses(MAX_DEVICES)
    found = [[0, 0] for _ in home]
    bounds = [
        (network.version, int(network.network_address), int(network.broadcast_address))
        for network in home
    ]
    for text, present in seen:
        version, number = _number(text)
        for counts, (family, first, last) in zip(found, bounds, strict=True):
            if version == family and first <= number <= last:
                counts[0] += 1
                counts[1] += present
    return [
        NetworkRow(network=str(network), devices=devices, present=present)
        for network, (devices, present) in zip(home, found, strict=True)
    ]


def _number(text: str) -> tuple[int, int]:
    """Return version and number of an address, (0, 0) for none; `ipaddress` takes ten times."""
    version, family = (6, socket.AF_INET6) if ":" in text else (4, socket.AF_INET)
    try:
        return version, int.from_bytes(socket.inet_pton(family, text), "big")
    except OSError:
        return 0, 0
