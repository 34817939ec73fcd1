"""From the settings to those of the core's engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phage.collect.packets import EngineSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.config.settings import Settings


def engine_settings(
    settings: Settings,
    *,
    seed: int,
    train: int | None = None,
    home: Sequence[str] = (),
    keep_scores: bool = False,
    longest_tick_ms: int = 250,
    carve: bool = False,
) -> EngineSettings:
    """Return the engine's settings; `home` and `train` are asked for by a command and go first."""
    limits = settings.limits
    looks_into = settings.capture.mode == "full"
    return EngineSettings(
        flows=looks_into,
        scores=looks_into,
        applications=looks_into,
        ring_octets=4 << 20 if looks_into else 0,
        requests=settings.capture.requests,
        watch=settings.volumes.watched().as_core(),
        home=tuple(map(str, home or settings.home)),
        seed=seed,
        longest_tick_ms=longest_tick_ms,
        train=train if train is not None else settings.learning.train_packets,
        keep_scores=keep_scores,
        ring_snap=settings.capture.snap_length,
        flow_capacity=limits.flows,
        stream_capacity=limits.streams,
        device_capacity=limits.devices,
        remote_capacity=limits.hosts,
        flow_rows=limits.rows,
        observations=limits.observations,
        idle_timeout_s=int(limits.flow_idle_timeout) if limits.flow_idle_timeout else None,
        active_timeout_s=int(limits.flow_active_timeout),
        reassembly_octets=limits.reassembly,
        carve_octets=settings.scan.carve.memory if carve else 0,
        carve_file=settings.scan.carve.largest,
    )
