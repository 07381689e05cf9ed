"""What fits at all, found by trying all placements: slow, and independent of what is tested."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from geneva.resources.cluster import CPU, GPU, MEMORY, Bundle, Node
from geneva.resources.footprint import Footprint
from geneva.resources.packing import fits

NAMES = (CPU, MEMORY, GPU)


def all_fit(bundles: Sequence[Bundle], nodes: Sequence[Node]) -> bool:
    """Say whether nodes hold all bundles together on what they have free."""
    kinds = list({_key(bundle): bundle for bundle in bundles}.values())
    labels = [dict(pairs) for pairs in sorted({tuple(sorted(n.labels.items())) for n in nodes})]

    @cache
    def holds(rest: tuple[int, ...], free: tuple[tuple[float, ...], ...]) -> bool:
        if not rest:
            return True
        bundle = kinds[rest[0]]
        for i in {state: i for i, state in enumerate(free)}.values():
            left = dict(zip(NAMES, free[i][1:], strict=True))
            if fits(bundle, left, labels[int(free[i][0])]):
                amounts = (round(left[n] - bundle.resources.get(n, 0.0), 4) for n in NAMES)
                after = (free[i][0], *amounts)
                if holds(rest[1:], tuple(sorted((*free[:i], after, *free[i + 1 :])))):
                    return True
        return False

    index = {_key(bundle): i for i, bundle in enumerate(kinds)}
    order = sorted(
        (index[_key(bundle)] for bundle in bundles),
        key=lambda i: (-sum(kinds[i].resources.values()), i),
    )
    start = (
        (labels.index(dict(node.labels)), *(node.free.get(name, 0.0) for name in NAMES))
        for node in nodes
    )
    return holds(tuple(order), tuple(sorted(start)))


def most_by_all_placements(
    footprint: Footprint, nodes: Sequence[Node], jobs: int = 1, most: int | None = None
) -> int:
    """Return the most units that equal jobs hold together; 0 if not all of them can begin.

    Parameters
    ----------
    footprint
        One job.
    nodes
        The nodes.
    jobs
        How many such jobs there are, each with its core.
    most
        Units of all jobs at most; as many as all of them ask for if None.
    """
    first, unit = footprint.beginning(), footprint.unit()
    if footprint.applier_apart:
        unit = (*unit, footprint.applier_bundle())
    best = 0
    for count in range(jobs, (jobs * footprint.concurrency if most is None else most) + 1):
        if not all_fit([*(first * jobs), *(unit * (count - jobs))], nodes):
            return best
        best = count
    return best


def _key(bundle: Bundle) -> tuple[object, ...]:
    return (*sorted(bundle.resources.items()), *sorted(bundle.labels.items()))
