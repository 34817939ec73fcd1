"""Interfaces of this machine, through AF_PACKET rings."""

from __future__ import annotations

from phage.collect.packets import EngineSettings, PacketCollector
from phage.frozen import frozen
from phage.native import Engine


@frozen
class RingSettings:
    """How an interface is watched.

    `ring_mib` is the kernel's ring in MiB (64 hold a third of a second of the smallest packets at
    1.4 million a second); `fanout_group` joins several collectors that share the interface.
    """

    expression: str | None = None
    ring_mib: int = 64
    promiscuous: bool = True
    fanout_group: int | None = None


class AfPacketCollector(PacketCollector):
    """Watches one interface. Needs CAP_NET_RAW to open, nothing afterwards."""

    name = "afpacket"
    summary = "an interface of this machine, live"

    def __init__(self, settings: EngineSettings, interface: str, ring: RingSettings) -> None:
        super().__init__(
            Engine(settings.to_json()),
            lambda engine: engine.open_interface(
                interface,
                expression=ring.expression,
                ring_mib=ring.ring_mib,
                promiscuous=ring.promiscuous,
                fanout_group=ring.fanout_group,
            ),
        )
        self.interface = interface
