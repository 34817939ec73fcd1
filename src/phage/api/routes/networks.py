"""Networks that are ours, and how many devices were seen in each."""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from phage.api.security import needs
from phage.api.services import Served

router = APIRouter(prefix="/api/v1/networks", tags=["networks"])

MAX_DEVICES = 65_536


class NetworkRow(BaseModel):
    """One of our networks."""

    network: str
    devices: int = Field(description="Devices whose last address lies in it.")
    present: int = Field(description="Those of them that are here now.")


@router.get("", dependencies=[Depends(needs("networks:read"))])
def list_networks(services: Served) -> list[NetworkRow]:
    """List our networks, as the settings name them."""
    home = [ipaddress.ip_network(text) for text in services.home]
    found = {network: [0, 0] for network in home}
    with services.reading() as store:
        seen = store.devices.addresses(MAX_DEVICES)
    for text, present in seen:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        for network in home:
            if address in network:
                found[network][0] += 1
                found[network][1] += present
    return [
        NetworkRow(network=str(network), devices=devices, present=present)
        for network, (devices, present) in found.items()
    ]
