"""How many units of a job a cluster holds, by packing and not by sums. Pure.

Finding the most is bin-packing. A unit has only two kinds of bundles, the applier's and the one of
its writer and queue, so the most is nearly found by giving every node as many appliers as it holds
and then taking those back, one by one, that make room for the most writers. Tests compare it with
all placements of small clusters.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence

from geneva.resources.cluster import CPU, GPU, Bundle, Gang, Node, labels_match
from geneva.resources.footprint import Footprint
from geneva.resources.packing import place, taken

_TOLERANCE = 1e-4 / 2


def first_gang(footprint: Footprint) -> Gang:
    """Return what a job needs to begin: its driver, and the core with its applier."""
    core = footprint.unit(core=True)
    if footprint.applier_apart:
        core = (*core, footprint.applier_bundle())
    driver = footprint.components.driver_cpus
    return (*core, Bundle({CPU: driver})) if driver else core


def units_fitting(footprint: Footprint, nodes: Sequence[Node]) -> int:
    """Return how many units of a job fit onto what is free, its driver and tracker beside them.

    Parameters
    ----------
    footprint
        What its components ask for; its ``concurrency`` is the most.
    nodes
        The nodes.

    Examples
    --------
    >>> from geneva.resources.request import Request
    >>> free = {"CPU": 2.0, "memory": 4e9}
    >>> nodes = [Node(name, name, free, free) for name in "abcd"]
    >>> units_fitting(Footprint(Request(num_cpus=1), concurrency=8), nodes)
    6
    """
    gang = first_gang(footprint)
    where = place(gang, nodes)
    if where is None:
        return 0
    left = taken(nodes, zip(where, gang, strict=True))
    aside = footprint.unit()[0]
    return 1 + _pairs(footprint.applier_bundle(), aside, left, footprint.concurrency - 1)


def _pairs(applier: Bundle, aside: Bundle, nodes: Sequence[Node], most: int) -> int:
    """Return how many appliers with as many bundles beside them fit."""
    frontiers: dict[tuple[object, ...], _Frontier] = {}
    heap: list[tuple[int, int, int]] = []
    appliers = asides = 0
    on_nodes: list[_Frontier] = []
    for node in nodes:
        if min(appliers, asides) >= most:
            break
        key = (*node.free.items(), *node.labels.items())
        frontier = frontiers.get(key)
        if frontier is None:
            frontier = frontiers[key] = _Frontier(applier, aside, node, most)
        on_nodes.append(frontier)
        appliers += frontier.most_appliers
        asides += frontier.asides(frontier.most_appliers)
    for index, frontier in enumerate(on_nodes):
        _push(heap, frontier, index, frontier.most_appliers)
    best = min(appliers, asides, most)
    while heap and best < most and asides < appliers:
        loss, index, before = heapq.heappop(heap)
        appliers -= 1
        asides -= loss
        best = max(best, min(appliers, asides, most))
        _push(heap, on_nodes[index], index, before - 1)
    return best


def _push(heap: list[tuple[int, int, int]], frontier: _Frontier, index: int, appliers: int) -> None:
    if appliers > 0:
        gain = frontier.asides(appliers - 1) - frontier.asides(appliers)
        heapq.heappush(heap, (-gain, index, appliers))


class _Frontier:
    """What one node holds: how many bundles beside a number of appliers."""

    def __init__(self, applier: Bundle, aside: Bundle, node: Node, most: int) -> None:
        self._applier = applier.resources
        self._aside = aside.resources
        self._aside_allowed = labels_match(aside.labels, node.labels)
        self._free = node.free
        self._most = most
        allowed = labels_match(applier.labels, node.labels)
        self.most_appliers = _times(self._applier, node.free, most) if allowed else 0
        self._known: dict[int, int] = {}

    def asides(self, appliers: int) -> int:
        known = self._known.get(appliers)
        if known is None:
            left = {
                name: free - appliers * self._applier.get(name, 0.0)
                for name, free in self._free.items()
            }
            known = _times(self._aside, left, self._most) if self._aside_allowed else 0
            self._known[appliers] = known
        return known


def _times(asked: Mapping[str, float], free: Mapping[str, float], most: int) -> int:
    """Return how many times a bundle fits; a share of a GPU never lies on two devices."""
    fitting = most
    for name, number in asked.items():
        if number <= 0:
            continue
        available = free.get(name, 0.0) + _TOLERANCE
        if name == GPU and number < 1:
            devices, rest = divmod(available, 1.0)
            each = math.floor((1 + _TOLERANCE) / number)
            fits = int(devices) * each + math.floor(rest / number)
        else:
            fits = math.floor(available / number)
        fitting = min(fitting, fits)
    return max(0, fitting)
