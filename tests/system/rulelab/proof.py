"""The proof: what the kernel does with packets is what the rules' meaning says."""

from __future__ import annotations

import itertools
from random import Random
from typing import TYPE_CHECKING

from tests.system.rulelab.chance import VLANS, Chance
from tests.system.rulelab.meaning import Meaning
from tests.system.rulelab.packets import Packet, text

from phage.clock import SystemClock
from phage.records.packetrule import PacketAction, PacketRules
from phage.respond.netlink.link import Link
from phage.respond.netlink.messages import SUBSYS_CTNETLINK, Request, generic
from phage.respond.nft.apply import RuleSwitch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.rulelab.router import Router

PACKETS = 50
"""Packets for each rule set."""

FORGET = Request(SUBSYS_CTNETLINK << 8 | 2, 0, generic(0), "forget all connections")


class Proof:
    """Draws rule sets and compares. Runs in the router's namespace."""

    def __init__(self, router: Router, folder: Path) -> None:
        self.router = router
        self.switch = RuleSwitch(folder / "rules.json", SystemClock(), lambda: VLANS)
        self.link = Link()
        self.numbers = itertools.count(1)
        self.dropped: set[int] = set()
        self.judged = 0

    def close(self) -> None:
        """Close the sockets."""
        self.switch.close()
        self.link.close()

    def try_one(self, seed: int) -> str:
        """Try the rule set of a seed; return '' or what differs, for people."""
        chance = Chance(Random(seed))
        rules = chance.rules(f"rule {seed}")
        packets = chance.packets(PACKETS)
        return self._differs(rules, packets, seed, step=False) and self._differs(
            rules, packets, seed, step=True
        )

    def _differs(self, rules: PacketRules, packets: list[Packet], seed: int, *, step: bool) -> str:
        """Compare; `step` by step when packets may have overtaken each other on several cores."""
        if step:
            self.switch.apply(PacketRules(), 0)  # Limits begin anew.
        self.switch.apply(rules, 0)
        self.link.ask(FORGET)
        meaning = Meaning(rules, VLANS)
        numbers: dict[int, Packet] = {}
        expected: set[int] = set()
        arrived: set[int] = set()
        for packet in packets:
            number = next(self.numbers)
            numbers[number] = packet
            if meaning.judge(packet) is PacketAction.ACCEPT:
                expected.add(number)
            self.router.send(packet, number)
            if step:
                arrived |= self.router.arrived({number} & expected)
        arrived |= self.router.arrived(expected - arrived)
        self.judged += len(packets)
        wrong = [
            f"{'not ' if number in expected else ''}let through: {text(numbers[number])}"
            if number in numbers
            else f"came late: packet {number}"
            for number in sorted(arrived ^ expected)
        ]
        self.switch.tick(1)
        counted = {rule: packets for rule, packets, _ in self.switch.hits() if packets}
        if counted != meaning.hits:
            wrong.append(f"hits are {counted}, should be {meaning.hits}")
        if not wrong:
            return ""
        return f"seed {seed}:\n" + "\n".join(wrong) + f"\n{rules}"
