"""Scripts for nft that bring a rule set into force, each one transaction.

What stands already under a name is left in place, because the name tells what it holds; so counters
and limits survive a swap, and big sets are not sent again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.frozen import frozen
from phage.respond.nft.layout import ALLOW, FAMILY, RULE_PREFIX, STATIC, TABLE
from phage.respond.nft.names import interface
from phage.respond.nft.rendering import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from phage.respond.nft.rendering import Definition, Entry, Rendering

ELEMENTS_PER_LINE = 512
"""nft reports an error by line; and quotes the line."""

TRIAL = f"{RULE_PREFIX}trial"
"""Set that holds while a rule set is on trial. The kernel empties it when the time is over, so that
the rules before are in force again even when nobody is left to bring them back."""


@frozen
class Standing:
    """Names of what stands in the table of a kernel."""

    chains: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()
    objects: frozenset[tuple[str, str]] = frozenset()
    """Kind ("counter", "limit") and name."""


NOTHING = Standing()


@dataclass(slots=True)
class Script:
    """Lines for nft, each with the rule that it comes from."""

    lines: list[Line] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The script as nft reads it."""
        return "".join(f"{line.text}\n" for line in self.lines)

    def rule_at(self, number: int) -> str:
        """Return the rule behind a line, counted from 1; '' for none."""
        return self.lines[number - 1].rule if 0 < number <= len(self.lines) else ""

    def add(self, text: str, rule: str = "") -> None:
        """Append a line."""
        self.lines.append(Line(text, rule))

    def block(self, head: str, body: Iterable[Line]) -> None:
        """Append a block in braces, within the table."""
        self.add(f"\t{head} {{")
        self.lines += [Line(f"\t\t{line.text}", line.rule) for line in body]
        self.add("\t}")


def whole(rendering: Rendering) -> Script:
    """Return the script of a rule set for a table where nothing stands."""
    return swap(rendering, None, NOTHING, {})


def swap(
    target: Rendering | None,
    trial: tuple[Rendering, int] | None,
    standing: Standing,
    vlans: Mapping[int, Iterable[str]],
) -> Script:
    """Return the script that leaves exactly these rule sets in the table.

    Args:
        target: The rule set in force; None for none.
        trial: One that goes before it for so many milliseconds.
        standing: What stands in the table.
        vlans: Interfaces that carry a VLAN, by VLAN.
    """
    wanted = [each for each in (target, trial[0] if trial else None) if each is not None]
    script = Script()
    script.add(f"add table {FAMILY} {TABLE}")
    _clear(script, standing, wanted, on_trial=trial is not None)
    script.add(f"table {FAMILY} {TABLE} {{")
    defined = set(standing.sets) | {name for _, name in standing.objects}
    for rendering in wanted:
        _define(script, rendering, defined, vlans)
        for chain in rendering.chains:
            script.block(f"chain {chain.name}", chain.lines)
    if trial:
        # Elements that are added by a command of their own would have nft read all interval sets.
        time = f"timeout {trial[1]}ms"
        body = ("typeof meta nfproto", "flags timeout")
        elements = Line(f"elements = {{ ipv4 {time}, ipv6 {time} }}")
        script.block(f"set {TRIAL}", [*map(Line, body), elements])
    _enter(script, target, trial[0] if trial else None)
    script.add("}")
    return script


def is_ours(name: str) -> bool:
    """Tell whether a name in the table belongs to the static rules."""
    return name.startswith(RULE_PREFIX) or name in STATIC.values()


def _clear(script: Script, standing: Standing, wanted: list[Rendering], *, on_trial: bool) -> None:
    """Empty our chains, then remove what is no longer wanted."""
    chains = {chain.name for each in wanted for chain in each.chains}
    chains |= {entry.base for each in wanted for entry in each.entries}
    present = sorted(filter(is_ours, standing.chains))
    for name in present:
        script.add(f"flush chain {FAMILY} {TABLE} {name}")
    for name in present:
        if name not in chains:
            script.add(f"delete chain {FAMILY} {TABLE} {name}")
    defined = {definition.name for each in wanted for definition in each.definitions}
    refilled = {name for each in wanted for name, _ in each.vlan_sets}
    if on_trial:
        refilled.add(TRIAL)
    for name in sorted(filter(is_ours, standing.sets)):
        if name in refilled:
            script.add(f"flush set {FAMILY} {TABLE} {name}")
        elif name not in defined:
            script.add(f"delete set {FAMILY} {TABLE} {name}")
    for kind, name in sorted(standing.objects):
        if is_ours(name) and name not in defined:
            script.add(f"delete {kind} {FAMILY} {TABLE} {name}")


def _define(
    script: Script,
    rendering: Rendering,
    defined: set[str],
    vlans: Mapping[int, Iterable[str]],
) -> None:
    for definition in rendering.definitions:
        if definition.name in ALLOW.values() or definition.name not in defined:
            script.block(f"{definition.kind} {definition.name}", _body(definition))
            defined.add(definition.name)
    for name, ids in rendering.vlan_sets:
        # What stands in it is no part of its name, since interfaces come and go: emptied, filled.
        carriers = sorted({interface(each) for number in ids for each in vlans.get(number, ())})
        script.block(f"set {name}", [Line("type ifname"), *_elements(carriers)])


def _body(definition: Definition) -> Iterator[Line]:
    yield from map(Line, definition.body)
    yield from _elements(definition.elements)


def _elements(elements: Sequence[str]) -> Iterator[Line]:
    if not elements:
        return
    yield Line("elements = {")
    for start in range(0, len(elements), ELEMENTS_PER_LINE):
        yield Line(", ".join(elements[start : start + ELEMENTS_PER_LINE]) + ",")
    yield Line("}")


def _enter(script: Script, target: Rendering | None, trial: Rendering | None) -> None:
    """Lead packets from the base chains into the rule set, or the one on trial before it."""
    bases: dict[str, Entry] = {}
    for each in (target, trial):
        for entry in each.entries if each else ():
            bases.setdefault(entry.base, entry)
    for base, entry in bases.items():
        head = f"type filter hook {entry.hook} priority {entry.priority}; policy accept;"
        lines = [Line(head)]
        # The rule set on trial decides alone, also at hooks where it has no rules.
        if trial:
            there = _target(trial, base)
            verdict = f"goto {there}" if there else "accept"
            lines.append(Line(f"meta nfproto @{TRIAL} {verdict}"))
        if target and (there := _target(target, base)):
            lines.append(Line(f"goto {there}"))
        script.block(f"chain {base}", lines)


def _target(rendering: Rendering, base: str) -> str:
    return next((entry.target for entry in rendering.entries if entry.base == base), "")
