"""Examples of kinds: devices whose kind is known, and what being of a kind tells."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from phage.devices.kinds import KindModel, train
from phage.devices.vendors import maker_in
from phage.frozen import frozen
from phage.records.device import Attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from phage.records.device import Device

TOLD = (Attribute.VENDOR, Attribute.PRODUCT, Attribute.CATEGORY)
"""What being of a kind tells, beside the kind."""

AGREE = 0.5
"""Share of a kind's examples that must agree on it."""


@frozen
class Example:
    """A device whose kind is known; `told` is what a person says of the kind."""

    device: Device
    kind: str


def learn_kinds(
    examples: Sequence[Example], told: Mapping[str, Mapping[str, str]] | None = None
) -> KindModel:
    """Return a model of kinds; what a person tells of a kind goes before what its examples tell.

    Raises ValueError for less than two kinds.
    """
    tells = _consensus(examples)
    for kind, says in (told or {}).items():
        tells[kind] |= says
    return train(
        [example.device.words for example in examples],
        [example.kind for example in examples],
        tells,
    )


def _consensus(examples: Iterable[Example]) -> defaultdict[str, dict[str, str]]:
    by_kind: defaultdict[str, list[Device]] = defaultdict(list)
    for example in examples:
        by_kind[example.kind].append(example.device)
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for kind, devices in by_kind.items():
        for attribute in TOLD:
            values = Counter(device.guess(attribute).value for device in devices)
            del values[""]
            value, count = next(iter(values.most_common(1)), ("", 0))
            if count > AGREE * len(devices):
                found[kind][str(attribute)] = value
        if maker := maker_in(kind):  # Who named the kind knows its maker better than its address.
            found[kind][str(Attribute.VENDOR)] = maker
    return found
