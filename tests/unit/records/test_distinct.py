"""phage.records.distinct: as numpy.unique."""

from __future__ import annotations

import numpy as np
import pytest

from phage.records.columns import FLOW
from phage.records.distinct import distinct


@pytest.mark.parametrize(
    "values",
    [
        np.array([], dtype=np.uint64),
        np.array([7]),
        np.array([3, 1, 3, 2, 1]),
        np.array([[2, 1], [1, 2]]),
        np.array([b"b", b"a", b"b"], dtype="S16"),
    ],
    ids=["none", "one", "some", "of two dimensions", "octets"],
)
def test_that_each_value_is_told_once_in_order(values: np.ndarray) -> None:
    found = distinct(values)
    assert found.tolist() == np.unique(values).tolist()
    assert found.dtype == values.dtype


def test_that_addresses_of_rows_are_compared_whole() -> None:
    rows = np.zeros(4, dtype=FLOW)
    rows["src"] = [bytes(16), b"\x01" + bytes(15), bytes(16), bytes(15) + b"\x01"]
    assert len(distinct(rows["src"])) == 3
