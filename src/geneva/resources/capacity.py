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
from dataclasses import dataclass

from geneva.resources.cluster import CPU, GPU, Bundle, Gang, Node, labels_match
from geneva.resources.footprint import WRITER_BUNDLE, Footprint
from geneva.resources.packing import fits, place, taken

_TOLERANCE = 1e-4 / 2
_FEW_NODES = 12


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
    driver : bool
        Whether the driver is there.
    """

    name: str
    appliers: int
    writers: int
    driver: bool = False


def placement(footprint: Footprint, nodes: Sequence[Node]) -> tuple[NodeLoad, ...]:
    """Return where the units of a job would go; empty if not even one fits.

    Examples
    --------
    >>> from geneva.resources.request import Request
    >>> free = {"CPU": 2.0, "memory": 4e9}
    >>> nodes = [Node(name, name, free, free) for name in "ab"]
    >>> for load in placement(Footprint(Request(num_cpus=1), concurrency=8), nodes):
    ...     print(load.name, load.appliers, load.writers, load.driver)
    a 1 3 True
    b 2 0 False
    """
    best: tuple[NodeLoad, ...] = ()
    for core, driver in _beginnings(footprint, nodes):
        loads = _placement(footprint, nodes, core, driver)
        if sum(load.appliers for load in loads) > sum(load.appliers for load in best):
            best = loads
    return best


def _beginnings(footprint: Footprint, nodes: Sequence[Node]) -> list[tuple[str, str | None]]:
    """Return nodes to try for the core's writer and tracker, and for the driver.

    Where these are matters only on a few small nodes, so only there all places are tried.
    """
    gang = first_gang(footprint)
    where = place(gang, nodes)
    if where is None:
        return []
    has_driver = footprint.components.driver_cpus > 0
    first = (where[WRITER_BUNDLE], where[-1] if has_driver else None)
    if len(nodes) > _FEW_NODES:
        return [first]
    cores = [n.node_id for n in nodes if fits(gang[WRITER_BUNDLE], n.free, n.labels)]
    drivers = [n.node_id for n in nodes] if has_driver else [None]
    return [first, *((core, driver) for core in cores for driver in drivers)]


def _placement(
    footprint: Footprint, nodes: Sequence[Node], core: str, driver: str | None
) -> tuple[NodeLoad, ...]:
    beside = [(core, footprint.unit(core=True)[WRITER_BUNDLE])]
    if driver is not None:
        beside.append((driver, Bundle({CPU: footprint.components.driver_cpus})))
    left = taken(nodes, beside)
    if any(node.free.get(CPU, 0.0) < -_TOLERANCE for node in left):
        return ()
    appliers, writers = _pairs(
        footprint.applier_bundle(), footprint.unit()[WRITER_BUNDLE], left, footprint.concurrency
    )
    if not sum(appliers):
        return ()
    loads = []
    for i, node in enumerate(left):
        writing = writers[i] + (node.node_id == core)
        if appliers[i] or writing or node.node_id == driver:
            loads.append(NodeLoad(node.name, appliers[i], writing, node.node_id == driver))
    return tuple(loads)


def _pairs(
    applier: Bundle, aside: Bundle, nodes: Sequence[Node], most: int
) -> tuple[list[int], list[int]]:
    """Return on which nodes how many appliers go, and one bundle less beside them.

    The core's is placed already.
    """
    frontiers: dict[tuple[object, ...], _Frontier] = {}
    heap: list[tuple[int, int, int]] = []
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
        loss, index, before = heapq.heappop(heap)
        counts[index] -= 1
        appliers -= 1
        asides -= loss
        if min(appliers, asides, most) > best:
            best, chosen = min(appliers, asides, most), list(counts)
        _push(heap, on_nodes[index], index, before - 1)
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
