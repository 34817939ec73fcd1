"""Keys that name what phage runs, reads or writes on its machine: changed there only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOCAL = (
    "state_dir",
    "respond.scripts",
    "policy.rules",
    "store.url",
    "intel.feeds",
    "intel.known",
    "intel.places",
)

LOCAL_ENDS = ("_file", ".path", ".certificate", ".private_key")


def is_local(key: str) -> bool:
    """Tell whether a key, as "api.token_file", is changed on phage's own machine only."""
    return key.endswith(LOCAL_ENDS) or any(
        key == each or key.startswith(f"{each}.") for each in LOCAL
    )


def local_values(values: Mapping[str, object]) -> dict[str, object]:
    """Return what of a settings file's values is local, by key, however deep it stands."""
    return {key: value for key, value in _leaves(values, "") if is_local(key)}


def _leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    within = f"{key}." if key else ""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, f"{within}{name}")
    elif isinstance(value, list | tuple) and not is_local(key):
        for number, each in enumerate(value):
            yield from _leaves(each, f"{within}{number}")
    else:
        yield key, value
