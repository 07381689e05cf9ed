"""What would make a request fit. Every change is tried before it is said."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

from geneva.resources.capacity import units_fitting
from geneva.resources.cluster import CPU, GPU, MEMORY, Bundle
from geneva.resources.footprint import Footprint
from geneva.resources.packing import described
from geneva.resources.request import Request
from geneva.resources.shape import ClusterShape, NodeType

_HOW = "as an argument of backfill() for this job or of the UDF for all"


@dataclass(frozen=True, slots=True)
class Fix:
    """One change that makes a request fit.

    Attributes
    ----------
    text : str
        The change as a sentence.
    request : Request or None
        What to ask for instead; None if the cluster has to change.
    node_type : NodeType or None
        The node to add; None if the request has to change.
    """

    text: str
    request: Request | None = None
    node_type: NodeType | None = None


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    resource: str
    field: str
    steps: tuple[float, ...]


_PARAMETERS = (
    _Parameter("num_cpus", CPU, "num_cpus", (1.0, 0.1)),
    _Parameter("num_gpus", GPU, "num_gpus", (1.0, 0.1)),
    _Parameter("memory", MEMORY, "memory_bytes", (float(1 << 20),)),
)


def fixes_for(first: Footprint, shape: ClusterShape) -> tuple[Fix, ...]:
    """Return what would make the first unit of a job fit.

    Parameters
    ----------
    first
        A footprint of one unit that fits nowhere.
    shape
        The cluster or machine.
    """
    nodes = shape.whole(2).nodes

    def fits(request: Request) -> bool:
        return units_fitting(replace(first, applier=request), nodes) > 0

    lowered = _lowered(first.applier, fits)
    found = [] if lowered is None else [Fix(_ask_for(first, lowered), request=lowered)]
    bare = replace(first.applier, resources=(), labels=(), accelerator_type=None)
    if not found and bare != first.applier:
        lowered = bare if fits(bare) else _lowered(bare, fits)
        if lowered is not None:
            more = "" if lowered == bare else " " + _ask_for(first, lowered)
            found.append(Fix(_without_special(shape) + more, request=lowered))
    node = None if shape.machine else _node_to_add(first, shape)
    return (*found, node) if node is not None else tuple(found)


def _lowered(request: Request, fits: Callable[[Request], bool]) -> Request | None:
    """Return the largest request that fits if as few parameters as possible are lowered."""
    asked = [p for p in _PARAMETERS if getattr(request, p.field) > 0]
    for count in range(1, len(asked) + 1):
        for chosen in combinations(asked, count):
            least = request
            for parameter in chosen:
                least = _with(least, parameter, 0.0)
            if not fits(least):
                continue
            # One after the other, each as high as it can be beside the others.
            best = least
            for parameter in chosen:
                best = _highest(request, best, parameter, fits)
            return best
    return None


def _highest(
    request: Request, least: Request, parameter: _Parameter, fits: Callable[[Request], bool]
) -> Request:
    """Raise one parameter as far as the request still fits, to a round number if one does."""
    for step in parameter.steps:
        low, high = 0, math.ceil(getattr(request, parameter.field) / step)
        while high - low > 1:
            middle = (low + high) // 2
            if fits(_with(least, parameter, middle * step)):
                low = middle
            else:
                high = middle
        if low:
            return _with(least, parameter, low * step)
    return least


def _with(request: Request, parameter: _Parameter, value: float) -> Request:
    if parameter.resource == MEMORY:
        return replace(request, memory_bytes=int(value))
    if parameter.resource == GPU:
        return replace(request, num_gpus=round(value, 4))
    return replace(request, num_cpus=round(value, 4))


def _ask_for(first: Footprint, lowered: Request) -> str:
    changes = []
    for parameter in _PARAMETERS:
        before = getattr(first.applier, parameter.field)
        after = getattr(lowered, parameter.field)
        if after != before:
            each = after / first.threads if parameter.resource == CPU else after
            changes.append(f"{parameter.name} to {_written(parameter, each)}")
    text = f"Lower {' and '.join(changes)}, {_HOW}."
    if first.threads > 1 and lowered.num_cpus < first.applier.num_cpus:
        each = first.applier.num_cpus / first.threads
        threads = math.floor(lowered.num_cpus / each + 1e-9)
        if threads >= 1:
            text += f" Or lower intra_applier_concurrency to {threads}."
    return text


def _written(parameter: _Parameter, value: float) -> str:
    if parameter.resource == MEMORY:
        return f"{int(value)} bytes" if value else "0"
    return f"{value:.10g}"


def _without_special(shape: ClusterShape) -> str:
    if shape.machine:
        return "Run it on a Ray cluster, after ray.init(), or leave that out of the UDF."
    return "Leave resources=, label_selector= and accelerator_type= out of the UDF."


def _node_to_add(first: Footprint, shape: ClusterShape) -> Fix | None:
    """Return a node that holds a whole first unit; None for labels that no node can have."""
    total: dict[str, float] = {}
    rules: dict[str, str] = {}
    for bundle in first.beginning():
        rules |= bundle.labels
        for name, number in bundle.resources.items():
            total[name] = total.get(name, 0.0) + number
    for name, unit in ((CPU, 1.0), (GPU, 1.0), (MEMORY, float(1 << 30))):
        if name in total:
            total[name] = math.ceil(total[name] / unit - 1e-9) * unit
    labels = {name: _chosen(rule) for name, rule in rules.items() if not rule.startswith("!")}
    added = NodeType("added", total, 1, labels)
    if not units_fitting(first, shape.with_new([added]).nodes):
        return None
    return Fix(f"Or add a node with {described(Bundle(total, rules))}.", node_type=added)


def _chosen(rule: str) -> str:
    """Return a label's value that a rule admits: "in(a,b)" admits a."""
    return rule.removeprefix("in(").removesuffix(")").split(",")[0].strip()
