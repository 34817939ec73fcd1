"""The autoencoders that live in the core: an ensemble for the network, one for each device."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class EnsembleModel:
    """The core's model behind the model contract.

    It learns inside the engine, packet by packet; here its state is taken out and put back. It
    fails where traffic is too little to learn from: until its phase is `watching`, nothing is
    scored.
    """

    name = "ensemble"
    summary = "autoencoders for the network and for each device, learned online in the core"

    def __init__(self, save: Callable[[], bytes], load: Callable[[bytes], None]) -> None:
        self._save = save
        self._load = load

    def save(self) -> bytes:
        """Return the state of the core's model."""
        return self._save()

    def load(self, state: bytes) -> None:
        """Take over a state. Raises StateError when it is damaged or of another version."""
        self._load(state)
