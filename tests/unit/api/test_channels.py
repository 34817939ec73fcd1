"""Channels over the API, down to a dispatcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from phage.clock import FixedClock
from phage.daemon.control import Caller
from phage.daemon.requests import request_of
from phage.daemon.steering import Steering
from phage.notify.dispatch import Channel, Dispatcher
from phage.notify.notifier import NotifyError
from phage.testing.records import EPOCH

if TYPE_CHECKING:
    from types import SimpleNamespace

    from phage.daemon.enforcement import Enforcement
    from phage.notify.notice import Notice
    from phage.testing.apilab import ApiLab


class Door:
    name: ClassVar[str] = "door"
    summary: ClassVar[str] = "A test."

    def __init__(self) -> None:
        self.told: list[str] = []
        self.fault = ""

    def check(self) -> str:
        return ""

    def tell(self, notice: Notice) -> None:
        if self.fault:
            raise NotifyError(self.fault)
        self.told.append(notice.title)

    def close(self) -> None:
        pass


def steered(lab: ApiLab, dispatcher: Dispatcher | None) -> ApiLab:
    from types import SimpleNamespace

    enforcement: SimpleNamespace = SimpleNamespace(dispatcher=dispatcher)
    steering = Steering(cast("Enforcement", enforcement), FixedClock(EPOCH))

    def steer(verb: str, actor: str, /, **values: object) -> Any:
        return steering(request_of(verb, values), Caller(actor))

    return lab.having(steer=steer)


def test_channels_are_listed_and_tested(lab: ApiLab) -> None:
    door = Door()
    own = steered(lab, Dispatcher([Channel("ops", door)], FixedClock(EPOCH)))
    client = own.client()
    assert client.post("/api/v1/channels/ops/test").json() == {"channel": "ops", "told": True}
    assert door.told == ["Test of phage"]
    door.fault = "no such door"
    refused = client.post("/api/v1/channels/ops/test")
    assert 400 <= refused.status_code < 503
    assert "no such door" in refused.json()["detail"]
    (row,) = client.get("/api/v1/channels").json()
    assert (row["name"], row["type"], row["fault"]) == ("ops", "door", "no such door")
    assert "there are ops" in client.post("/api/v1/channels/x/test").json()["detail"]
    assert own.client("operator").get("/api/v1/channels").status_code == 403


def test_where_nobody_is_told_that_is_said(lab: ApiLab) -> None:
    own = steered(lab, None)
    assert own.client().get("/api/v1/channels").json() == []
    assert "no channel is set" in own.client().post("/api/v1/channels/x/test").json()["detail"]
