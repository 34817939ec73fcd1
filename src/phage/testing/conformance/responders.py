"""Checks that every responder passes.

They call it as the reconciler does. A responder whose means are missing (no neighbour, no script,
no privilege) passes them as well: it says so in receipts.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from phage.records.decision import Decision, Receipt, ReceiptState
from phage.respond.responder import Responder
from phage.testing.conformance.plugins import expect
from phage.testing.conformance.quiet import no_input_or_output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Make = Callable[[], Responder]
    Check = Callable[[Make, Sequence[Decision]], None]

NOW = 1_750_000_000_000_000_000
"""The time of the checks, in nanoseconds since the Unix epoch."""

MOST_DETAIL = 2000
"""Characters of a receipt's detail: it is shown in a table."""

_APPLYING = {ReceiptState.APPLIED, ReceiptState.UNSUITED, ReceiptState.FAILED}
_REVOKING = {ReceiptState.WITHDRAWN, ReceiptState.UNSUITED, ReceiptState.FAILED}


def check_made(make: Make, decisions: Sequence[Decision]) -> None:  # noqa: ARG001  As the others.
    """It is made without settings, input and output, and keeps the contract."""
    with no_input_or_output("a responder being made"):
        responder = make()
    expect(isinstance(responder, Responder), f"{responder!r} does not keep the contract")
    responder.close()


def check_suits(make: Make, decisions: Sequence[Decision]) -> None:
    """It tells for any decision in one line why it cannot carry it out, always the same."""
    with closing(make()) as responder:
        for decision in decisions:
            reason = responder.suits(decision)
            expect(reason == responder.suits(decision), f"{responder.name} changes its mind")
            expect(reason.strip() == reason, f"{responder.name}: {reason!r}")
            expect(reason.isprintable(), f"{responder.name} says {reason!r}")


def check_receipts(make: Make, decisions: Sequence[Decision]) -> None:
    """Each call gives one receipt for each decision, with a reason where it was not done."""
    with closing(make()) as responder:
        for method, states in (
            (responder.replace, _APPLYING),
            (responder.apply, _APPLYING),
            (responder.revoke, _REVOKING),
            (responder.revoke, _REVOKING),
            (responder.replace, _APPLYING),
        ):
            receipts = list(method(decisions, NOW))
            for receipt in receipts:
                check_receipt(responder, receipt)
                expect(
                    receipt.state in states, f"{responder.name}: {method.__name__} {receipt.state}"
                )
            answered = sorted(receipt.decision for receipt in receipts)
            expect(
                answered == sorted(decision.id for decision in decisions),
                f"{responder.name}: {method.__name__} answers for {len(answered)} decisions",
            )
            expect(
                not list(method((), NOW)), f"{responder.name}: {method.__name__} of nothing answers"
            )


def check_receipt(responder: Responder, receipt: Receipt) -> None:
    """A receipt says who, when and, in one line, where or why not."""
    name = responder.name
    expect(receipt.responder == name, f"{name}: a receipt of {receipt.responder!r}")
    expect(receipt.at == NOW, f"{name}: a receipt of another time")
    expect(receipt.detail.isprintable(), f"{name}: {receipt.detail!r} is not one line")
    expect(len(receipt.detail) <= MOST_DETAIL, f"{name}: {len(receipt.detail)} characters")
    if receipt.state in {ReceiptState.UNSUITED, ReceiptState.FAILED}:
        expect(receipt.detail, f"{name}: {receipt.state} without a reason")


def check_unsuited(make: Make, decisions: Sequence[Decision]) -> None:
    """What does not suit it, it never applies, and it says the same as before."""
    with closing(make()) as responder:
        reasons = {decision.id: responder.suits(decision) for decision in decisions}
        for receipt in [*responder.apply(decisions, NOW), *responder.replace(decisions, NOW)]:
            unsuited, reason = receipt.state is ReceiptState.UNSUITED, reasons[receipt.decision]
            expect(unsuited == bool(reason), f"{responder.name}: {reason!r}, but {receipt}")


def check_idempotent(make: Make, decisions: Sequence[Decision]) -> None:
    """Applying again and revoking again change nothing."""
    with closing(make()) as responder:
        responder.replace((), NOW)
        first = _states(responder.apply(decisions, NOW))
        expect(_states(responder.apply(decisions, NOW)) == first, f"{responder.name}: apply, apply")
        expect(_states(responder.replace(decisions, NOW)) == first, f"{responder.name}: replace")
        gone = _states(responder.revoke(decisions, NOW))
        expect(
            _states(responder.revoke(decisions, NOW)) == gone, f"{responder.name}: revoke, revoke"
        )
        expect(
            _states(responder.apply(decisions, NOW)) == first, f"{responder.name}: apply once more"
        )
        responder.revoke(decisions, NOW)


def check_end(make: Make, decisions: Sequence[Decision]) -> None:
    """It tells whether it was disturbed at any time, and can be closed twice, and unused."""
    with closing(make()) as responder:
        expect(responder.is_disturbed() in {True, False}, f"{responder.name}: neither yes nor no")
    with closing(make()) as responder:
        responder.replace(decisions, NOW)
        expect(responder.is_disturbed() in {True, False}, f"{responder.name}: neither yes nor no")
        responder.replace((), NOW)
        responder.close()


def check_works(make: Make, decisions: Sequence[Decision]) -> None:
    """With its means there, it applies all that suits it, and withdraws it again.

    Not among CHECKS: without settings, most responders have not got their means.
    """
    with closing(make()) as responder:
        responder.replace((), NOW)
        suited = [decision for decision in decisions if not responder.suits(decision)]
        expect(suited, f"{responder.name}: none of the decisions suits it")
        for method in (responder.apply, responder.replace):
            for receipt in method(suited, NOW):
                expect(receipt.state is ReceiptState.APPLIED, f"{responder.name}: {receipt}")
        for receipt in responder.revoke(suited, NOW):
            expect(receipt.state is ReceiptState.WITHDRAWN, f"{responder.name}: {receipt}")


def _states(receipts: Sequence[Receipt]) -> dict[str, ReceiptState]:
    return {receipt.decision: receipt.state for receipt in receipts}


CHECKS: tuple[Check, ...] = (
    check_made,
    check_suits,
    check_receipts,
    check_unsuited,
    check_idempotent,
    check_end,
)
