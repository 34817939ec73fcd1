"""The responder of the controller, which has no privilege: it asks the enforcer."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from phage.errors import PhageError
from phage.records.decision import ReceiptState
from phage.respond.bans.plain import pack, receipts
from phage.respond.responders.nftables import NftablesResponder
from phage.respond.wire import messages
from phage.respond.wire.messages import LENGTH, LONGEST_FRAME, bare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from phage.records.decision import Decision, Receipt
    from phage.records.packetrule import PacketRules

    Carrying = type[messages.Apply | messages.Revoke | messages.Replace]

PATIENCE_SECONDS = 60.0
"""A bulk list of a million takes a second or two; static rules of a million prefixes 40 s."""


class EnforcerError(PhageError):
    """The enforcer does not answer, or says why it does not do it."""


@dataclass(slots=True)
class EnforcerClient:
    """Asks the enforcer; connects when something is asked, and again after a failure.

    For one thread. Whatever fails raises EnforcerError.

    Attributes:
        path: The enforcer's socket.
        patience: Seconds that an answer may take.
    """

    path: Path
    patience: float = PATIENCE_SECONDS
    _socket: socket.socket | None = None

    def ask(self, request: messages.Request) -> Any:  # noqa: ANN401  As the request says.
        """Send a request and return what it is answered by."""
        framed = messages.request_frame(request)
        fresh = self._socket is None
        try:
            return self._asked(framed)
        except (OSError, EOFError) as error:
            self.close()
            if fresh or not isinstance(error, BrokenPipeError | ConnectionResetError | EOFError):
                raise self._away(error) from error
        # The enforcer that we knew is gone; there may be another. All requests can be repeated.
        try:
            return self._asked(framed)
        except (OSError, EOFError) as error:
            self.close()
            raise self._away(error) from error

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _asked(self, framed: bytes) -> Any:  # noqa: ANN401
        if self._socket is None:
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket = opened
            opened.settimeout(self.patience)
            opened.connect(str(self.path))
        self._socket.sendall(framed)
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > LONGEST_FRAME:
            raise EOFError
        document = messages.read_document(self._exactly(length))
        if "error" in document:
            raise EnforcerError(str(document["error"]))
        return document.get("answer")

    def _exactly(self, octets: int) -> bytes:
        assert self._socket is not None  # noqa: S101  Opened by the caller.
        received = bytearray()
        while len(received) < octets:
            more = self._socket.recv(min(octets - len(received), 1 << 20))
            if not more:
                raise EOFError
            received += more
        return bytes(received)

    def _away(self, error: OSError | EOFError) -> EnforcerError:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it hung up"
        return EnforcerError(f"the enforcer at {self.path} does not answer: {reason}")


@dataclass(slots=True)
class RemoteResponder:
    """Carries decisions out in this machine's kernel, through the enforcer."""

    name: ClassVar[str] = NftablesResponder.name
    summary: ClassVar[str] = "this machine's kernel, through the enforcer"

    path: Path
    patience: float = PATIENCE_SECONDS
    _client: EnforcerClient = field(init=False)
    _kernel: NftablesResponder = field(default_factory=NftablesResponder)

    def __post_init__(self) -> None:
        self._client = EnforcerClient(self.path, self.patience)

    def suits(self, decision: Decision) -> str:
        """Return '' when the kernel can carry it out, else why not."""
        return self._kernel.suits(decision)

    def apply(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Have decisions brought into force."""
        return self._receipts(messages.Apply, decisions, now)

    def revoke(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Have decisions taken out of force."""
        return self._receipts(messages.Revoke, decisions, now)

    def replace(self, decisions: Sequence[Decision], now: int) -> Sequence[Receipt]:
        """Have exactly these in force."""
        return self._receipts(messages.Replace, decisions, now)

    def is_disturbed(self) -> bool:
        """Tell whether somebody flushed the table, or the enforcer is not the one it was."""
        try:
            return bool(self._client.ask(messages.IsDisturbed()))
        except EnforcerError:
            return True

    def close(self) -> None:
        """Close the connection; what is in force stays."""
        self._client.close()

    def protect(self, networks: Iterable[messages.Network]) -> None:
        """Set the allow-list, which no ban touches. Raises EnforcerError."""
        self._client.ask(messages.Protect(tuple(networks)))

    def load_list(
        self,
        name: str,
        keys: Iterable[tuple[int, int, bytes]],
        *,
        source: bool = True,
        destination: bool = False,
    ) -> int:
        """Load or replace a bulk list; return how many elements it takes. Raises EnforcerError.

        `keys` are (IP version, prefix length, addresses after each other in network order).
        """
        request = messages.LoadList(name, tuple(keys), source, destination)
        return int(self._client.ask(request))

    def drop_list(self, name: str) -> None:
        """Take a bulk list out. Raises EnforcerError."""
        self._client.ask(messages.DropList(name))

    def lists(self) -> Mapping[str, int]:
        """Return the elements of each bulk list that stands. Raises EnforcerError."""
        return {str(name): int(count) for name, count in self._client.ask(messages.Lists())}

    def counters(self) -> Mapping[str, tuple[int, int]]:
        """Return packets and octets by counter of the bans. Raises EnforcerError."""
        answer = self._client.ask(messages.Counters())
        return {str(name): (int(packets), int(octets)) for name, packets, octets in answer}

    def panic(self) -> None:
        """Take all blocks out: bans, lists and static rules. Raises EnforcerError."""
        self._client.ask(messages.Panic())

    def apply_rules(self, rules: PacketRules, confirm: float = 0.0) -> None:
        """Bring static rules into force, for `confirm` seconds unless confirmed (0: for good).

        Raises EnforcerError; what was in force is then still in force.
        """
        self._client.ask(messages.ApplyRules(rules, confirm))

    def confirm_rules(self) -> None:
        """Let the rule set on trial stand. Raises EnforcerError."""
        self._client.ask(messages.ConfirmRules())

    def roll_back_rules(self) -> None:
        """Return to the rule set before. Raises EnforcerError."""
        self._client.ask(messages.RollBackRules())

    def trial_until(self) -> int:
        """Return until when a rule set is on trial; 0 for none. Raises EnforcerError."""
        return int(self._client.ask(messages.Trial()))

    def rule_hits(self) -> list[tuple[str, int, int]]:
        """Return rule, packets, and when the last was seen (0: never). Raises EnforcerError."""
        answer = self._client.ask(messages.RuleHits())
        return [(str(rule), int(packets), int(last)) for rule, packets, last in answer]

    def _receipts(self, kind: Carrying, decisions: Sequence[Decision], now: int) -> list[Receipt]:
        batch, order = pack(decisions)
        try:
            answer = self._client.ask(kind(tuple(map(bare, batch.decisions)), batch.bans))
        except PhageError as error:
            runs = [(len(order), ReceiptState.FAILED, str(error))]
        else:
            runs = [
                (int(count), ReceiptState(state), str(detail)) for count, state, detail in answer
            ]
        return receipts(self.name, order, runs, now)
