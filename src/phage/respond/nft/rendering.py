"""What a rule set becomes before it is text: definitions, chains, and where packets enter them."""

from __future__ import annotations

from dataclasses import field

from phage.frozen import frozen


@frozen
class Line:
    """One statement of a script, and the rule it comes from ('' for none)."""

    text: str
    rule: str = ""


@frozen
class Definition:
    """A set, a counter or a limit.

    Its name carries a digest of what it holds, so one that exists already is left as it is.
    """

    kind: str
    name: str
    body: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()


@frozen
class Chain:
    """A chain that others jump to."""

    name: str
    lines: tuple[Line, ...]


@frozen
class Entry:
    """A base chain: its name, type, hook and priority, and the chain that packets go on to."""

    base: str
    hook: str
    priority: int
    target: str


@frozen
class Rendering:
    """A rule set as nftables objects.

    Attributes:
        slot: What the names of its chains begin with, so that two rule sets can stand at once.
        definitions: Sets, counters and limits; those of two rule sets may be the same.
        vlan_sets: Sets of interface names, with the VLANs that they stand for; filled from what
            interfaces there are.
        chains: Chains, such that each stands before those that jump to it.
        entries: Base chains.
        counters: Name of the counter and of the rule, in the order of the rules.
        strict: Whether connection tracking must not take up connections in their middle, as the
            SYN proxy needs.
    """

    slot: str
    definitions: tuple[Definition, ...] = ()
    vlan_sets: tuple[tuple[str, tuple[int, ...]], ...] = ()
    chains: tuple[Chain, ...] = ()
    entries: tuple[Entry, ...] = ()
    counters: tuple[tuple[str, str], ...] = field(default=())
    strict: bool = False
