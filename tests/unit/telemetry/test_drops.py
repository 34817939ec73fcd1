"""What counters of drops mean."""

from __future__ import annotations

from phage.telemetry.drops import MEANINGS, meaning


def test_the_longest_name_that_fits_is_asked() -> None:
    assert meaning("flows.omitted_packets") == "packets of those"
    assert meaning("streams.sockets.evictions") == MEANINGS["streams.sockets"]
    assert meaning("volumes.rows_omitted") == MEANINGS["volumes"]
    assert meaning("who_knows") == ""
