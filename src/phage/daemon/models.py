"""The models of rings: restored at start, saved while running."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from phage.errors import StateError
from phage.learn.model import Model, StateFolder
from phage.learn.models.ensemble import EnsembleModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phage.clock import Clock
    from phage.collect.collectors.afpacket import AfPacketCollector

_log = logging.getLogger(__name__)


def save_models(models: Sequence[tuple[StateFolder, Model]]) -> None:
    """Save every model; what cannot be saved is logged, and detection goes on."""
    for folder, model in models:
        try:
            folder.save(model.save())
        except StateError as error:
            _log.warning("%s", error)


def restored_models(
    collectors: Sequence[AfPacketCollector], folder: Path, clock: Clock
) -> list[tuple[StateFolder, Model]]:
    """Return a model for each ring, as it was saved last; what cannot be restored is logged."""
    models: list[tuple[StateFolder, Model]] = []
    for number, collector in enumerate(collectors):
        model = EnsembleModel(collector.save_model, collector.load_model)
        name = f"{model.name}-{collector.interface}-{number}"
        state = StateFolder(folder, name, clock)
        saved, problems = state.load(model)
        for problem in problems:
            _log.warning("%s", problem)
        if saved is not None:
            _log.info("model restored from %s", saved.path.name)
        models.append((state, model))
    return models
