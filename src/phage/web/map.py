"""Who talks to whom, as a drawing: devices on the left, others on the right, lines between."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phage.store.repositories.traffic import Traffic
    from phage.web.names import Names

WIDTH, HEIGHT = 1000, 720
CENTRE = (500, 360)
INNER = 310
"""Radius of the arc of devices, on the left; others are on the right."""
MAX_DEVICES, MAX_OTHERS = 60, 40


@frozen
class Node:
    """A device or another host: where it is drawn, its size, and where its name goes."""

    name: str
    label: str
    x: float
    y: float
    radius: float
    text_x: float
    text_y: float
    anchor: str
    is_device: bool


@frozen
class Edge:
    """A line between two nodes: its path, its width, and whether it leaves our network."""

    a: str
    b: str
    path: str
    width: float
    is_out: bool


@frozen
class Drawing:
    """The whole map."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    left_out: int


def draw(pairs: Sequence[Traffic], names: Names) -> Drawing:
    """Return the map of pairs; hosts with least octets are left out where there are too many."""
    sums: dict[str, int] = {}
    for each in pairs:
        for name in (each.name, each.peer):
            sums[name] = sums.get(name, 0) + sum(each.octets)
    ranked = sorted(sums, key=lambda name: (-sums[name], name))
    devices = [name for name in ranked if names.device(name) is not None][:MAX_DEVICES]
    others = [name for name in ranked if names.device(name) is None][:MAX_OTHERS]
    most = max(sums.values(), default=1) or 1
    placed = _ring(devices, sums, most, names) + _arc(others, sums, most, names)
    nodes = {node.name: node for node in placed}
    edges = [
        _edge(nodes[each.name], nodes[each.peer], sum(each.octets), most)
        for each in pairs
        if each.name in nodes and each.peer in nodes and each.name != each.peer
    ]
    return Drawing(list(nodes.values()), edges, len(sums) - len(nodes))


def _ring(devices: Sequence[str], sums: dict[str, int], most: int, names: Names) -> list[Node]:
    nodes = []
    for index, name in enumerate(sorted(devices, key=names.of)):
        angle = math.radians(95 + (index + 0.5) / len(devices) * 170)
        x, y = CENTRE[0] + INNER * math.cos(angle), CENTRE[1] + INNER * math.sin(angle)
        left = math.cos(angle) < 0
        nodes.append(
            Node(
                name,
                _cut(names.of(name)),
                x,
                y,
                _radius(sums[name], most),
                x + (-14 if left else 14),
                y + 4,
                "end" if left else "start",
                is_device=True,
            )
        )
    return nodes


def _arc(others: Sequence[str], sums: dict[str, int], most: int, names: Names) -> list[Node]:
    nodes = []
    for index, name in enumerate(others):
        angle = math.radians(-75 + (index + 0.5) / len(others) * 150)
        x, y = CENTRE[0] + INNER * math.cos(angle), CENTRE[1] + INNER * math.sin(angle)
        nodes.append(
            Node(
                name,
                _cut(names.of(name)),
                x,
                y,
                _radius(sums[name], most) * 0.8,
                x + 12,
                y + 4,
                "start",
                is_device=False,
            )
        )
    return nodes


def _edge(a: Node, b: Node, octets: int, most: int) -> Edge:
    is_out = not (a.is_device and b.is_device)
    middle = CENTRE if not is_out else (
        (a.x + b.x) / 2 * 0.55 + CENTRE[0] * 0.45,
        (a.y + b.y) / 2 * 0.55 + CENTRE[1] * 0.45,
    )  # fmt: skip
    path = f"M{a.x:.0f},{a.y:.0f}Q{middle[0]:.0f},{middle[1]:.0f} {b.x:.0f},{b.y:.0f}"
    return Edge(a.name, b.name, path, round(0.8 + 7 * math.sqrt(octets / most), 1), is_out)


def _radius(octets: int, most: int) -> float:
    return round(4 + 8 * math.sqrt(octets / most), 1)


def _cut(label: str) -> str:
    return label if len(label) <= 24 else f"{label[:23]}…"
