"""Why a gang waits: who holds what it needs, where the least is missing, which nodes come. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from geneva.resources.cluster import Bundle, Gang, Node
from geneva.resources.packing import amount, fits
from geneva.resources.sharing import Claim

_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class StartingNodes:
    """Nodes of one type that an autoscaler is starting.

    Attributes
    ----------
    node_type : str
        What the cluster's configuration calls them.
    count : int
        How many.
    for_s : float
        Seconds since the first of them was asked for.
    """

    node_type: str
    count: int
    for_s: float


def on_their_way(starting: Sequence[StartingNodes]) -> str:
    """Say which nodes an autoscaler is starting; empty for none.

    Examples
    --------
    >>> on_their_way([StartingNodes("large", 1, 12.4), StartingNodes("small", 2, 3)])
    'the autoscaler is starting 1 node of type large for 12 s, 2 nodes of type small for 3 s'
    """
    words = [
        f"{n.count} node{'s' if n.count > 1 else ''} of type {n.node_type} for {n.for_s:.0f} s"
        for n in starting
    ]
    return f"the autoscaler is starting {', '.join(words)}" if words else ""


def held_by(gang: Gang, nodes: Sequence[Node], claims: Sequence[Claim], me: str) -> str:
    """Say who holds what a gang waits for; empty if no node could hold it, or one has it free.

    Parameters
    ----------
    gang
        What waits.
    nodes
        The nodes with what is free on each.
    claims
        What jobs hold and wait for.
    me
        The job that waits.

    Examples
    --------
    >>> unit = (Bundle({"CPU": 1.0}),)
    >>> node = Node("a", "10.0.0.1", {"CPU": 4.0}, {"CPU": 0.5})
    >>> theirs = [Claim("4f1c22ab.1", i, unit, ("a",)) for i in range(2)]
    >>> held_by(unit, (node,), theirs, me="me")
    'on 10.0.0.1 0.5 CPU is free; job 4f1c22ab holds 2 CPUs, others 1.5 CPUs'
    """
    # Each may find a node although no nodes hold all at once: then all are looked for on one.
    for bundle in (*gang, _together(gang)):
        if any(fits(bundle, node.free, node.labels) for node in nodes):
            continue
        able = [node for node in nodes if fits(bundle, node.total, node.labels)]
        if able:
            best = min(able, key=partial(_shortest, bundle))
            return _holders(_shortest(bundle, best)[1], best, claims, me)
    return ""


def _holders(name: str, node: Node, claims: Sequence[Claim], me: str) -> str:
    held: dict[str, float] = {}
    for claim in claims:
        for node_id, bundle in zip(claim.nodes, claim.gang, strict=False):
            if node_id == node.node_id:
                held[claim.job] = held.get(claim.job, 0.0) + bundle.resources.get(name, 0.0)
    free = node.free.get(name, 0.0)
    others = node.total.get(name, 0.0) - free - sum(held.values())
    most_first = sorted(held.items(), key=lambda item: -item[1])
    words = [f"{_named(job, me)} holds {amount(name, n)}" for job, n in most_first if n > 0]
    if others > _TOLERANCE:
        words.append(f"others{'' if words else ' hold'} {amount(name, others)}")
    verb = "are" if free > 1 else "is"
    return f"on {node.name} {amount(name, free)} {verb} free; {', '.join(words)}"


def _together(gang: Gang) -> Bundle:
    asked: dict[str, float] = {}
    labels: dict[str, str] = {}
    for bundle in gang:
        labels |= bundle.labels
        for name, number in bundle.resources.items():
            asked[name] = asked.get(name, 0.0) + number
    return Bundle(asked, labels)


def _named(job: str, me: str) -> str:
    # The rest of a job's tag says which run of it.
    return "this job" if job == me else f"job {job.partition('.')[0]}"


def _shortest(bundle: Bundle, node: Node) -> tuple[float, str]:
    """Return which resource is missing most, as a part of what the node has, and how much."""
    return max(
        ((asked - node.free.get(name, 0.0)) / node.total[name], name)
        for name, asked in bundle.resources.items()
        if node.total.get(name, 0.0) > 0
    )
