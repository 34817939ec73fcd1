"""The responder `ipset` for the controller, which has no privilege: it asks the enforcer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from phage.errors import PhageError
from phage.records.decision import ReceiptState
from phage.respond.bans.plain import pack, receipts
from phage.respond.remote import EnforcerClient, EnforcerError
from phage.respond.responders.ipset import IpsetResponder
from phage.respond.wire.messages import Ipset, IpsetIsDisturbed, Work, bare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from phage.records.decision import Decision, Receipt


@dataclass(slots=True)
class RemoteIpset:
    """Carries decisions out by ipset, through the enforcer.

    Attributes:
        path: The enforcer's socket.
        settings: The responder as its settings say; it is not run here.
    """

    name: ClassVar[str] = IpsetResponder.name
    summary: ClassVar[str] = "sets of ipset's, through the enforcer"

    path: Path
    settings: IpsetResponder = field(default_factory=IpsetResponder)
    _client: EnforcerClient = field(init=False)

    def __post_init__(self) -> None:
        self._client = EnforcerClient(self.path)

    def suits(self, decision: Decision) -> str:
        """Return '' when ipset can carry it out, else why not."""
        return self.settings.suits(decision)

    def apply(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Have decisions brought into force."""
        return self._done(Work.APPLY, decisions, now)

    def revoke(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Have decisions taken out of force."""
        return self._done(Work.REVOKE, decisions, now)

    def replace(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Have exactly these in force."""
        return self._done(Work.REPLACE, decisions, now)

    def is_disturbed(self) -> bool:
        """Tell whether somebody changed the sets, or the enforcer is not the one it was."""
        try:
            return bool(self._client.ask(IpsetIsDisturbed()))
        except EnforcerError:
            return True

    def close(self) -> None:
        """Close the connection; what is in force stays."""
        self._client.close()

    def _done(self, work: Work, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        batch, order = pack(decisions)
        request = Ipset(
            work,
            self.settings.install_rules,
            self.settings.cut_connections,
            tuple(map(bare, batch.decisions)),
            batch.bans,
        )
        try:
            answer = self._client.ask(request)
        except PhageError as error:
            runs = [(len(order), ReceiptState.FAILED, str(error))]
        else:
            runs = [
                (int(count), ReceiptState(state), str(detail)) for count, state, detail in answer
            ]
        return receipts(self.name, order, runs, now)
