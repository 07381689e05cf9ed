"""Decide how many units of a job can run, or say why not even one ever can. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from geneva.resources.capacity import units_fitting
from geneva.resources.cluster import ACCELERATOR_LABEL, CPU, GPU, MEMORY, Bundle
from geneva.resources.fixes import Fix, fixes_for
from geneva.resources.footprint import Footprint
from geneva.resources.packing import amount, described, shortage
from geneva.resources.shape import ClusterShape, NodeType


class Verdict(enum.Enum):
    """What becomes of a request."""

    FITS = "fits now"
    WAITS = "fits when others are done"
    GROWS = "fits when the autoscaler adds nodes"
    NEVER = "can never fit"


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a request.

    Attributes
    ----------
    verdict : Verdict
        What becomes of it.
    asked : int
        Units that were asked for.
    now : int
        Units that fit on what is free now, at most as many as were asked for.
    ever : int
        Units that fit when nobody else holds anything and all known nodes were added.
    added : tuple of NodeType
        Nodes that have to be added before the first unit fits.
    reason : str
        Which limit decided; empty when everything fits now.
    fixes : tuple of Fix
        When it can never fit: what would make it fit. Each was tried.
    """

    verdict: Verdict
    asked: int
    now: int
    ever: int
    added: tuple[NodeType, ...] = ()
    reason: str = ""
    fixes: tuple[Fix, ...] = ()

    @property
    def possible(self) -> bool:
        """Whether at least one unit can run at some time."""
        return self.verdict is not Verdict.NEVER

    @property
    def fix(self) -> str:
        """The fixes as sentences."""
        return " ".join(fix.text for fix in self.fixes)

    def __str__(self) -> str:
        text = f"{self.verdict.value}: {self.now} of {self.asked} now, {self.ever} at most"
        if self.added:
            text += f", with {', '.join(_counted(self.added))} added first"
        if self.reason:
            text += f" ({self.reason})"
        return f"{text}. {self.fix}".rstrip()


def admit(footprint: Footprint, shape: ClusterShape) -> Admission:
    """Say what becomes of a job on a cluster or on this machine.

    Parameters
    ----------
    footprint
        What the job asks for.
    shape
        What there is, what is free of it, and what may be added.

    Examples
    --------
    >>> from geneva.resources.cluster import Node
    >>> from geneva.resources.request import Request
    >>> total = {"CPU": 4.0, "memory": 16e9}
    >>> shape = ClusterShape((Node("a", "10.0.0.1", total, total),))
    >>> print(admit(Footprint(Request(num_cpus=1), concurrency=8), shape))
    fits now: 3 of 8 now, 3 at most (1 CPU for an applier, 0.1 CPU and 1 GiB of memory beside it).
    >>> admission = admit(Footprint(Request(num_cpus=4), concurrency=1), shape)
    >>> admission.verdict.value, admission.fixes[0].text.split(",")[0]
    ('can never fit', 'Lower num_cpus to 3')
    """
    asked = footprint.concurrency
    now = units_fitting(footprint, shape.nodes)
    if now == asked:
        return Admission(Verdict.FITS, asked, now, asked)
    # A unit takes two nodes at most.
    ever = units_fitting(footprint, shape.whole(2 * asked).nodes)
    if now:
        return Admission(Verdict.FITS, asked, now, ever, reason=_per_unit(footprint, shape))
    first = replace(footprint, concurrency=1)
    if units_fitting(first, shape.empty.nodes):
        reason = f"{_what(shape)} {shortage(footprint.beginning(), shape.nodes)}"
        return Admission(Verdict.WAITS, asked, 0, ever, reason=reason)
    # A first unit may take new nodes together with some that others hold now.
    added = _to_add(first, shape) or _to_add(first, shape.empty)
    if added or shape.grows:
        reason = f"{_what(shape)} {shortage(footprint.beginning(), shape.empty.nodes)}"
        return Admission(Verdict.GROWS, asked, 0, ever, added, reason)
    return Admission(
        Verdict.NEVER,
        asked,
        0,
        0,
        reason=_why_never(footprint, shape),
        fixes=fixes_for(first, shape),
    )


def _to_add(first: Footprint, shape: ClusterShape) -> tuple[NodeType, ...]:
    """Return few nodes with which the first unit fits; none if no known kind helps."""
    kinds = [kind for kind in shape.node_types if kind.most > 0]
    pairs = [
        (one, other)
        for i, one in enumerate(kinds)
        for other in kinds[i:]
        if one is not other or one.most > 1
    ]
    for added in [*((kind,) for kind in kinds), *pairs]:
        if units_fitting(first, shape.with_new(added).nodes):
            return added
    return ()


def _what(shape: ClusterShape) -> str:
    return "one applier" if shape.machine else "one applier with its writer and tracker"


def _why_never(footprint: Footprint, shape: ClusterShape) -> str:
    if shape.machine:
        return _why_not_here(footprint.applier_bundle(), shape.nodes[0].total)
    return f"{_what(shape)} {shortage(footprint.beginning(), shape.whole(1).nodes)}"


def _why_not_here(applier: Bundle, total: Mapping[str, float]) -> str:
    special = _cluster_only(applier)
    if special:
        return f"an applier asks for {special}; this machine has no such thing"
    short = [name for name in applier.resources if applier.resources[name] > total.get(name, 0.0)]
    asked = " and ".join(amount(name, applier.resources[name]) for name in short)
    has = " and ".join(amount(name, total.get(name, 0.0)) for name in short)
    return f"an applier needs {asked}; this machine has {has}"


def _cluster_only(applier: Bundle) -> str:
    """Name what only a node of a cluster can have; empty for nothing."""
    asked = [f"resource {name}" for name in applier.resources if name not in (CPU, GPU, MEMORY)]
    for name, value in applier.labels.items():
        kind = name == ACCELERATOR_LABEL
        asked.append(f"accelerator {value}" if kind else f"a node with {name}={value}")
    return ", ".join(asked)


def _per_unit(footprint: Footprint, shape: ClusterShape) -> str:
    applier = described(footprint.applier_bundle())
    if shape.machine:
        total = {name: has for name, has in shape.nodes[0].total.items() if has}
        return f"{applier} for an applier, of {described(Bundle(total))}"
    return f"{applier} for an applier, {described(footprint.unit()[0])} beside it"


def _counted(added: Sequence[NodeType]) -> list[str]:
    names = [kind.name for kind in added]
    return [f"{names.count(name)} {name}" for name in dict.fromkeys(names)]
