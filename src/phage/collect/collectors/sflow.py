"""Exporters of sFlow 5, over UDP."""

from __future__ import annotations

from phage.collect.exports import ExportCollector


class SFlowCollector(ExportCollector):
    """Takes sFlow; NetFlow that comes to the same port is understood too."""

    name = "sflow"
    summary = "sFlow 5 of switches and hosts, over UDP"
