"""The baselines of volumes: kept over restarts like any model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from phage.detect.detectors.volumetric import Volumetric
from phage.learn.model import Model, StateFolder
from phage.learn.models.baseline import BaselineModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.clock import Clock
    from phage.config.statedir import StateDirectory
    from phage.detect.detector import Detector
    from phage.plugin import Runner

_log = logging.getLogger(__name__)


def volumetric_of(detectors: Sequence[Runner[Detector]]) -> list[Volumetric]:
    """Return the detectors of floods among all."""
    return [runner.plugin for runner in detectors if isinstance(runner.plugin, Volumetric)]


def restored_baselines(
    detectors: Sequence[Runner[Detector]], state: StateDirectory, clock: Clock
) -> list[tuple[StateFolder, Model]]:
    """Give the detector of floods its baselines back; return the model with its folder."""
    models: list[tuple[StateFolder, Model]] = []
    for detector in volumetric_of(detectors):
        model = BaselineModel(detector.baselines.save, detector.baselines.load)
        folder = StateFolder(state.models, model.name, clock)
        saved, problems = folder.load(model)
        for problem in problems:
            _log.warning("%s", problem)
        if saved is not None:
            _log.info("baselines restored from %s", saved.path.name)
        models.append((folder, model))
    return models
