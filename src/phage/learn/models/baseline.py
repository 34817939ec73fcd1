"""What hosts and prefixes usually receive and send, as the detector of floods learns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class BaselineModel:
    """Baselines behind the model contract.

    They are learned where they are used, at each half second; here their state is taken out and
    put back. They fail in the first seconds of a fresh installation, when nothing is usual yet:
    until then only thresholds and what is an attack by its kind are judged.
    """

    name = "baseline"
    summary = "mean, variance and hours of the week of what hosts and prefixes receive and send"

    def __init__(self, save: Callable[[], bytes], load: Callable[[bytes], None]) -> None:
        self._save = save
        self._load = load

    def save(self) -> bytes:
        """Return the state."""
        return self._save()

    def load(self, state: bytes) -> None:
        """Take over a state. Raises StateError when it is damaged or of another version."""
        self._load(state)
