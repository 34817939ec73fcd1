"""What hosts and prefixes usually receive and send, as the detector of floods learns it."""

from __future__ import annotations

from phage.learn.model import CoreModel


class BaselineModel(CoreModel):
    """Baselines behind the model contract.

    They are learned where they are used, at each half second; here their state is taken out and
    put back. They fail in the first seconds of a fresh installation, when nothing is usual yet:
    until then only thresholds and what is an attack by its kind are judged.
    """

    name = "baseline"
    summary = "mean, variance and hours of the week of what hosts and prefixes receive and send"
