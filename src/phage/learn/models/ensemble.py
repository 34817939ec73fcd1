"""The autoencoders that live in the core: an ensemble for the network, one for each device."""

from __future__ import annotations

from phage.learn.model import CoreModel


class EnsembleModel(CoreModel):
    """The core's model behind the model contract.

    It learns inside the engine, packet by packet; here its state is taken out and put back. It
    fails where traffic is too little to learn from: until its phase is `watching`, nothing is
    scored.
    """

    name = "ensemble"
    summary = "autoencoders for the network and for each device, learned online in the core"
