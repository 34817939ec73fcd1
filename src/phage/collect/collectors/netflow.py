"""Exporters of NetFlow 1, 5, 7, 9 and IPFIX, over UDP; of IPFIX also over TCP."""

from __future__ import annotations

from phage.collect.exports import ExportCollector


class NetFlowCollector(ExportCollector):
    """Takes NetFlow and IPFIX; sFlow that comes to the same port is understood too."""

    name = "netflow"
    summary = "NetFlow 1, 5, 7, 9 and IPFIX of routers and probes, over UDP; IPFIX also over TCP"
