"""The layout of rows is the same on both sides of the border."""

from __future__ import annotations

from phage.native import BEHAVIOUR_CATALOG, DAMPED_CATALOG, Volumes, row_sizes
from phage.records.columns import ROW_SIZES, TRAFFIC, VOLUME, TrafficClass


def test_rows_are_as_large_here_as_in_the_core() -> None:
    assert row_sizes() == ROW_SIZES
    assert (VOLUME.itemsize, TRAFFIC.itemsize) == (Volumes.ROW_SIZE, Volumes.TRAFFIC_SIZE)


def test_classes_of_traffic_are_numbered_as_in_the_core() -> None:
    assert [name.upper() for name in Volumes.CLASSES] == [each.name for each in TrafficClass]


def test_the_catalogs_name_every_feature_once() -> None:
    names = [name for name, _, _ in (*BEHAVIOUR_CATALOG, *DAMPED_CATALOG)]
    assert len(names) == 132
    assert len(set(names)) == len(names)
    assert all(unit and meaning for _, unit, meaning in (*BEHAVIOUR_CATALOG, *DAMPED_CATALOG))
