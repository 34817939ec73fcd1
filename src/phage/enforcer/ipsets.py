"""Sets of ipset's in the enforcer: what comes in columns as the responder takes it, and panic."""

from __future__ import annotations

import errno
from itertools import groupby
from typing import TYPE_CHECKING

from phage.respond.bans.plain import Run, unpack
from phage.respond.netlink.errors import KernelError
from phage.respond.netlink.link import Link
from phage.respond.responders.ipset import SETS
from phage.respond.wire.messages import Work

if TYPE_CHECKING:
    from phage.respond.bans.plain import Batch
    from phage.respond.netlink.ipset import IpSet
    from phage.respond.responders.ipset import IpsetResponder


def carry_out(responder: IpsetResponder, work: Work, batch: Batch, now: int) -> list[Run]:
    """Have a batch carried out; return what became of it, in its order."""
    decisions = unpack(batch)
    if work is Work.APPLY:
        receipts = responder.apply(decisions, now)
    elif work is Work.REVOKE:
        receipts = responder.revoke(decisions, now)
    else:
        receipts = responder.replace(decisions, now)
    fates = {each.decision: (each.state, each.detail) for each in receipts}
    runs = groupby(fates[each.id] for each in decisions)
    return [(len(list(some)), *fate) for fate, some in runs]


def empty() -> None:
    """Take all elements out of the sets; that there are no sets is no error. Raises KernelError."""
    link = Link()
    try:
        for each in SETS:
            if _exists(each, link):
                link.ask(each.flush())
    finally:
        link.close()


def _exists(spec: IpSet, link: Link) -> bool:
    try:
        return spec.exists(link)
    except KernelError as error:
        if error.number in (errno.EINVAL, errno.EOPNOTSUPP):  # The kernel has no ipset.
            return False
        raise
