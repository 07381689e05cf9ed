"""How many units of a job a cluster holds, by packing and not by sums. Pure.

Finding the most is bin-packing. A unit has only two kinds of bundles, the applier's and the one of
its writer and queue, so the most is nearly found by giving every node as many appliers as it holds
and then taking those back that make room for the most writers. Tests compare it with
all placements of small clusters.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from geneva.resources.cluster import Bundle, Node
from geneva.resources.footprint import WRITER_BUNDLE, Footprint
from geneva.resources.packing import fits, place, taken, times_fitting

_FEW_NODES = 12


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
    return sum(load.appliers for load in placement(footprint, nodes))


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """What a node would hold of a job.

    Attributes
    ----------
    name : str
        The node.
    appliers, writers : int
        How many of each; a writer's queue is where the writer is.
    core : bool
        Whether the core is there: driver and tracker have their shares in it.
    """

    name: str
    appliers: int
    writers: int
    core: bool = False


def placement(footprint: Footprint, nodes: Sequence[Node]) -> tuple[NodeLoad, ...]:
    """Return where the units of a job would go; empty if not even one fits.

    Examples
    --------
    >>> from geneva.resources.request import Request
    >>> free = {"CPU": 2.0, "memory": 4e9}
    >>> nodes = [Node(name, name, free, free) for name in "ab"]
    >>> for load in placement(Footprint(Request(num_cpus=1), concurrency=8), nodes):
    ...     print(load.name, load.appliers, load.writers, load.core)
    a 1 3 True
    b 2 0 False
    """
    gang = footprint.beginning()
    where = place(gang, nodes)
    if where is None:
        return ()
    cores = [where[WRITER_BUNDLE]]
    if len(nodes) <= _FEW_NODES:
        # Where the core is matters only on a few small nodes, so only there all places are tried.
        core = gang[WRITER_BUNDLE]
        cores += [node.node_id for node in nodes if fits(core, node.free, node.labels)]
    found = [_placement(footprint, nodes, core_on) for core_on in cores]
    return max(found, key=lambda loads: sum(load.appliers for load in loads))


def _placement(footprint: Footprint, nodes: Sequence[Node], core_on: str) -> tuple[NodeLoad, ...]:
    left = taken(nodes, [(core_on, footprint.unit(core=True)[WRITER_BUNDLE])])
    aside = footprint.unit()[WRITER_BUNDLE]
    appliers, writers = _pairs(footprint.applier_bundle(), aside, left, footprint.concurrency)
    if not sum(appliers):
        return ()
    loads = []
    for i, node in enumerate(left):
        core = node.node_id == core_on
        if appliers[i] or writers[i] or core:
            loads.append(NodeLoad(node.name, appliers[i], writers[i] + core, core))
    return tuple(loads)


def _pairs(
    applier: Bundle, aside: Bundle, nodes: Sequence[Node], most: int
) -> tuple[list[int], list[int]]:
    """Return on which nodes how many appliers go, and one bundle less beside them.

    The core's is placed already.
    """
    frontiers: dict[tuple[object, ...], _Frontier] = {}
    heap: list[tuple[float, int, int]] = []
    counts = [0] * len(nodes)
    on_nodes: list[_Frontier] = []
    appliers, asides = 0, 1
    for index, node in enumerate(nodes):
        if min(appliers, asides) >= most:
            break
        key = (*node.free.items(), *node.labels.items())
        frontier = frontiers.get(key)
        if frontier is None:
            frontier = frontiers[key] = _Frontier(applier, aside, node, most)
        on_nodes.append(frontier)
        counts[index] = frontier.most_appliers
        appliers += frontier.most_appliers
        asides += frontier.asides(frontier.most_appliers)
    if asides < min(appliers, most):
        for index, frontier in enumerate(on_nodes):
            _push(heap, frontier, index, counts[index])
    best, chosen = min(appliers, asides, most), list(counts)
    while heap and best < most and asides < appliers:
        _, index, fewer = heapq.heappop(heap)
        before, counts[index] = counts[index], fewer
        appliers -= before - fewer
        asides += on_nodes[index].asides(fewer) - on_nodes[index].asides(before)
        if min(appliers, asides, most) > best:
            best, chosen = min(appliers, asides, most), list(counts)
        _push(heap, on_nodes[index], index, fewer)
    beside = [f.asides(count) for f, count in zip(on_nodes, chosen, strict=False)]
    beside += [0] * (len(nodes) - len(beside))
    return _first(chosen, best), _first(beside, max(0, best - 1))


def _first(counts: Sequence[int], total: int) -> list[int]:
    """Return the counts as far as they are needed for a total."""
    needed = []
    for count in counts:
        needed.append(min(count, total))
        total -= needed[-1]
    return needed


def _push(
    heap: list[tuple[float, int, int]], frontier: _Frontier, index: int, appliers: int
) -> None:
    """Offer the fewest appliers that a node gives back for more bundles, by what each costs."""
    for fewer in range(appliers - 1, -1, -1):
        gain = frontier.asides(fewer) - frontier.asides(appliers)
        if gain > 0:
            heapq.heappush(heap, ((appliers - fewer) / gain, index, fewer))
            return


class _Frontier:
    """What one node holds: how many bundles beside a number of appliers."""

    def __init__(self, applier: Bundle, aside: Bundle, node: Node, most: int) -> None:
        self._applier = applier
        self._aside = aside
        self._node = node
        self._most = most
        self.most_appliers = times_fitting(applier, node.free, node.labels, most)
        self._known: dict[int, int] = {}

    def asides(self, appliers: int) -> int:
        known = self._known.get(appliers)
        if known is None:
            asked = self._applier.resources
            left = {
                name: free - appliers * asked.get(name, 0.0)
                for name, free in self._node.free.items()
            }
            known = times_fitting(self._aside, left, self._node.labels, self._most)
            self._known[appliers] = known
        return known
