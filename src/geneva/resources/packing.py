"""Put gangs of bundles onto nodes, and say why one does not fit. Pure.

Sums over a cluster say nothing: two nodes with half a gang each hold none of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from geneva.resources.cluster import CPU, GPU, MEMORY, Bundle, Gang, Node, labels_match

# Ray counts resources in ten-thousandths.
_TOLERANCE = 1e-4 / 2
_MANY = 10**6


def fits(bundle: Bundle, free: Mapping[str, float], labels: Mapping[str, str]) -> bool:
    """Say whether a node with so much free holds a bundle."""
    return labels_match(bundle.labels, labels) and all(
        free.get(name, 0.0) + _TOLERANCE >= amount for name, amount in bundle.resources.items()
    )


def place(gang: Gang, nodes: Sequence[Node]) -> tuple[str, ...] | None:
    """Return the ids of the nodes that hold a gang's bundles, in their order; None if none do.

    All ways are tried, the largest bundle first. Nodes without a GPU are preferred for bundles that
    ask for none, and full nodes to empty ones.

    Examples
    --------
    >>> gang = (Bundle({"CPU": 0.1}), Bundle({"CPU": 2.0}))
    >>> small = [Node(i, i, {"CPU": 2.0}, {"CPU": 2.0}) for i in ("a", "b")]
    >>> place(gang, small), place(gang, small[:1]) is None
    (('b', 'a'), True)
    """
    order = sorted(range(len(gang)), key=lambda i: -sum(_size(gang[i])))
    placed = _place([gang[i] for i in order], list(nodes), ())
    if placed is None:
        return None
    where = dict(zip(order, placed, strict=True))
    return tuple(where[i] for i in range(len(gang)))


def times_fitting(
    bundle: Bundle, free: Mapping[str, float], labels: Mapping[str, str], most: int
) -> int:
    """Return how many times a node with so much free holds a bundle, at most ``most``.

    A share of a GPU never lies on two devices.

    Examples
    --------
    >>> times_fitting(Bundle({"GPU": 0.6}), {"GPU": 2.0}, {}, most=9)
    2
    """
    if not labels_match(bundle.labels, labels):
        return 0
    fitting = most
    for name, number in bundle.resources.items():
        if number <= 0:
            continue
        available = free.get(name, 0.0) + _TOLERANCE
        if name == GPU and number < 1:
            devices, rest = divmod(available, 1.0)
            times = int(devices) * math.floor((1 + _TOLERANCE) / number) + math.floor(rest / number)
        else:
            times = math.floor(available / number)
        fitting = min(fitting, times)
    return max(0, fitting)


def taken(nodes: Iterable[Node], bundles: Iterable[tuple[str, Bundle]]) -> list[Node]:
    """Return the nodes after bundles were taken from them, given with the ids of their nodes."""
    return _changed(nodes, bundles, -1)


def released(nodes: Iterable[Node], bundles: Iterable[tuple[str, Bundle]]) -> list[Node]:
    """Return the nodes after bundles were given back."""
    return _changed(nodes, bundles, 1)


def emptied(nodes: Iterable[Node]) -> list[Node]:
    """Return the nodes as they are when nobody holds anything."""
    return [replace(node, free=node.total) for node in nodes]


def shortage(gang: Gang, nodes: Sequence[Node]) -> str:
    """Say which bundle of a gang does not fit onto any node, and what is short on the best one.

    Examples
    --------
    >>> nodes = [Node("a", "10.0.0.1", {"CPU": 8.0}, {"CPU": 1.0})]
    >>> shortage((Bundle({"CPU": 16.0}),), emptied(nodes))
    'needs 16 CPUs on one node; the largest has 8 (10.0.0.1)'
    >>> nodes.append(Node("b", "10.0.0.2", {"GPU": 1.0}, {"GPU": 1.0}))
    >>> shortage((Bundle({"CPU": 4.0, "GPU": 1.0}),), emptied(nodes))
    'needs 4 CPUs and 1 GPU on one node; no single node has all of it: 10.0.0.1 lacks 1 GPU, ...'
    """
    if not nodes:
        return "needs a node; there is none"
    for bundle in sorted(gang, key=lambda b: -sum(_size(b))):
        if any(fits(bundle, node.free, node.labels) for node in nodes):
            continue
        return _shortage(bundle, nodes)
    return f"needs {' and '.join(described(b) for b in gang)} at once; no nodes hold both"


def described(bundle: Bundle) -> str:
    """Write a bundle in words.

    Examples
    --------
    >>> described(Bundle({"CPU": 0.5, "memory": 4 << 30, "slot": 1}, {"pool": "gpu"}))
    '0.5 CPU, 4 GiB of memory and 1 slot with pool=gpu'
    """
    words = [amount(name, number) for name, number in bundle.resources.items()]
    text = " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]])) or "nothing"
    if bundle.labels:
        text += " with " + ", ".join(f"{k}={v}" for k, v in bundle.labels.items())
    return text


def amount(name: str, number: float) -> str:
    """Write an amount of a resource."""
    if name == MEMORY:
        return f"{_number(number / 2**30)} GiB of memory"
    plural = "s" if name in (CPU, GPU) and number > 1 else ""
    return f"{_number(number)} {name}{plural}"


def _shortage(bundle: Bundle, nodes: Sequence[Node]) -> str:
    needs = f"needs {described(bundle)} on one node"
    fitting = [node for node in nodes if labels_match(bundle.labels, node.labels)]
    if not fitting:
        return f"{needs}; no node has these labels"
    for name, asked in bundle.resources.items():
        best = max(fitting, key=lambda node: node.free.get(name, 0.0))
        found = best.free.get(name, 0.0)
        if found + _TOLERANCE < asked:
            where = f" ({best.name})" if found else ""
            alone = len(bundle.resources) == 1 and name != MEMORY
            has = _number(found) if alone else amount(name, found)
            has = f"the largest has {has}{where}" if found else f"no node has any {name}"
            return f"{needs}; {has}"
    lacks = [f"{node.name} lacks {_lack(bundle, node)}" for node in fitting[:4]]
    return f"{needs}; no single node has all of it: {', '.join(lacks)}"


def _lack(bundle: Bundle, node: Node) -> str:
    missing = {
        name: asked - node.free.get(name, 0.0)
        for name, asked in bundle.resources.items()
        if node.free.get(name, 0.0) + _TOLERANCE < asked
    }
    return described(Bundle(missing))


def _place(bundles: list[Bundle], nodes: list[Node], larger: Gang) -> list[str] | None:
    if not bundles:
        return []
    first, rest = bundles[0], bundles[1:]
    # Where one node failed, another that is the same fails too.
    kinds: dict[tuple[object, ...], Node] = {}
    for node in nodes:
        if fits(first, node.free, node.labels):
            gpus = node.total.get(GPU, 0.0)
            kinds.setdefault((gpus, *node.free.items(), *node.labels.items()), node)
    for node in sorted(kinds.values(), key=lambda n: _preference(first, n, larger)):
        others = _place(rest, taken(nodes, [(node.node_id, first)]), (*larger, first))
        if others is not None:
            return [node.node_id, *others]
    return None


def _preference(bundle: Bundle, node: Node, larger: Gang) -> tuple[float, ...]:
    """Order the nodes for a bundle: those first on which it takes no place of a larger one."""
    wasted_gpus = 0.0 if bundle.resources.get(GPU) else node.total.get(GPU, 0.0)
    lost = _places_lost(larger[0], bundle, node) if larger else 0
    return (lost, wasted_gpus, node.free.get(CPU, 0.0), node.free.get(MEMORY, 0.0))


def _places_lost(larger: Bundle, bundle: Bundle, node: Node) -> int:
    left = _sum(node.free, {name: -number for name, number in bundle.resources.items()})
    before = times_fitting(larger, node.free, node.labels, _MANY)
    return before - times_fitting(larger, left, node.labels, _MANY)


def _size(bundle: Bundle) -> tuple[float, float]:
    asked = bundle.resources
    others = sum(number for name, number in asked.items() if name != MEMORY)
    return (others, asked.get(MEMORY, 0.0) / 2**40)


def _changed(nodes: Iterable[Node], bundles: Iterable[tuple[str, Bundle]], sign: int) -> list[Node]:
    changes: dict[str, dict[str, float]] = {}
    for node_id, bundle in bundles:
        change = changes.setdefault(node_id, {})
        for name, number in bundle.resources.items():
            change[name] = change.get(name, 0.0) + sign * number
    return [
        replace(node, free=_sum(node.free, changes[node.node_id]))
        if node.node_id in changes
        else node
        for node in nodes
    ]


def _sum(free: Mapping[str, float], change: Mapping[str, float]) -> dict[str, float]:
    return {**free, **{name: free.get(name, 0.0) + number for name, number in change.items()}}


def _number(number: float) -> str:
    return f"{number:,.2f}".rstrip("0").rstrip(".")
