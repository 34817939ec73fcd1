from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phage.detect.exported import FEWEST, Exported
from phage.records import Window
from phage.records.columns import FLOW, Event
from phage.testing.windows import device, make_flow, remote

if TYPE_CHECKING:
    from phage.records import Columns

ENDED = Event.UPDATED | Event.ENDED
ACKNOWLEDGED, SYN = 0x1A, 0x02


def exported(*flows: Columns) -> Window:
    rows = np.array([each.item() for each in flows], FLOW)
    return Window(0, 1, flows=rows, from_exports=True)


def connection(number: int, *, answered: bool) -> Columns:
    return make_flow(
        device(2), remote(number), 443, event=ENDED,
        packets=(9, 7 * answered), flags=(ACKNOWLEDGED, ACKNOWLEDGED * answered),
    )  # fmt: skip


def question(*, answered: bool) -> Columns:
    return make_flow(
        device(2), remote(1), 53, protocol="udp", event=ENDED, packets=(1, int(answered))
    )


def probe() -> Columns:
    return make_flow(remote(9), device(2), 22, event=ENDED, flags=(SYN, 0))


def test_flows_that_go_on_are_not_shown() -> None:
    window = exported(make_flow(remote(9), device(2), 22), probe())
    assert len(Exported().over(window).flows) == 1


def test_silence_means_nothing_until_both_directions_were_seen() -> None:
    view = Exported()
    assert not view.is_two_way
    assert len(view.over(exported(question(answered=False), probe())).flows) == 1
    seen = [connection(number, answered=True) for number in range(FEWEST)]
    assert len(view.over(exported(*seen, question(answered=False))).flows) == FEWEST + 1
    assert view.is_two_way


def test_a_router_that_sees_one_direction_is_no_witness_of_silence() -> None:
    view = Exported()
    view.over(exported(*(connection(number, answered=False) for number in range(FEWEST))))
    shown = view.over(exported(question(answered=False), question(answered=True), probe())).flows
    assert shown["protocol"].tolist() == [17, 6]


def test_scans_do_not_make_a_view_one_way() -> None:
    view = Exported()
    view.over(exported(*(connection(number, answered=True) for number in range(FEWEST))))
    view.over(exported(*(probe() for _ in range(10_000))))
    assert view.is_two_way


def test_a_view_that_changes_is_seen_anew() -> None:
    view = Exported()
    for answered in (True, False):
        for _ in range(10):
            seen = (connection(number, answered=answered) for number in range(1000))
            view.over(exported(*seen))
        assert view.is_two_way is answered
