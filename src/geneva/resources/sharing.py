"""Decide how a job grows and shrinks on a cluster that it shares. Pure: a situation in, steps out.

Every job reserves one core and then unit by unit. What is reserved besides cores is given up for
jobs that have less, one unit at a time, so that two jobs end with equal shares of what both can
use, and neither holds what the other needs to start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geneva.resources.cluster import Gang, Node
from geneva.resources.packing import count_fitting, place, released, taken

# A unit that was given up reaches the waiting job within a second: only then the next is due.
_BETWEEN_SHEDS_S = 1.5


@dataclass(frozen=True, slots=True)
class Claim:
    """A gang that a job holds or waits for.

    Attributes
    ----------
    job : str
        The job.
    number : int
        Its number in the job.
    gang : tuple of Bundle
        What it takes.
    nodes : tuple of str
        Node of each bundle; empty while it waits.
    core : bool
        Whether it is the core of its job.
    """

    job: str
    number: int
    gang: Gang
    nodes: tuple[str, ...] = ()
    core: bool = False

    @property
    def held(self) -> bool:
        """Whether it is reserved."""
        return bool(self.nodes)


@dataclass(frozen=True, slots=True)
class Situation:
    """A job among others.

    Attributes
    ----------
    job : str
        The job that decides.
    unit : tuple of Bundle
        What one of its units takes.
    wanted : int
        Units that it could use, the core's included.
    nodes : tuple of Node
        The nodes that take new work.
    claims : tuple of Claim
        What all jobs hold and wait for, its own included.
    since_shed_s : float
        Seconds since it gave up a unit.
    """

    job: str
    unit: Gang
    wanted: int
    nodes: tuple[Node, ...]
    claims: tuple[Claim, ...]
    since_shed_s: float = 1e9


@dataclass(frozen=True, slots=True)
class Steps:
    """What a job does next.

    Attributes
    ----------
    reserve : int
        Units to ask for.
    withdraw : tuple of int
        Units to stop waiting for.
    shed : int or None
        A held unit to give up.
    for_job : str
        The job that it makes room for.
    """

    reserve: int = 0
    withdraw: tuple[int, ...] = ()
    shed: int | None = None
    for_job: str = ""


def next_steps(now: Situation) -> Steps:
    """Decide what a job asks for and gives up.

    Examples
    --------
    >>> from geneva.resources.cluster import Bundle
    >>> unit = (Bundle({"CPU": 1.0}),)
    >>> node = Node("a", "a", {"CPU": 4.0}, {"CPU": 3.0})
    >>> core = Claim("me", 0, unit, ("a",), core=True)
    >>> next_steps(Situation("me", unit, 3, (node,), (core,)))
    Steps(reserve=2, withdraw=(), shed=None, for_job='')

    When another job cannot start, the last unit is given up for it:

    >>> full = Node("a", "a", {"CPU": 2.0}, {"CPU": 0.0})
    >>> mine = (core, Claim("me", 1, unit, ("a",)))
    >>> theirs = Claim("other", 0, unit, core=True)
    >>> next_steps(Situation("me", unit, 3, (full,), (*mine, theirs)))
    Steps(reserve=0, withdraw=(), shed=1, for_job='other')
    """
    mine = [claim for claim in now.claims if claim.job == now.job]
    held = [claim for claim in mine if claim.held]
    waiting = [claim for claim in mine if not claim.held and not claim.core]
    poorer = _poorer(now, held)
    if poorer is not None:
        shed = _unit_to_shed(now, held, poorer)
        due = now.since_shed_s >= _BETWEEN_SHEDS_S
        withdraw = tuple(claim.number for claim in waiting)
        return Steps(0, withdraw, shed if due else None, poorer.job)
    missing = now.wanted - len(held) - len(waiting)
    if missing <= 0:
        surplus = waiting[len(waiting) + missing :] if missing < 0 else []
        return Steps(withdraw=tuple(claim.number for claim in surplus))
    # One more than fits is asked for: waiting, it tells an autoscaler that the job could use it.
    fitting = count_fitting(now.unit, _left_by_others(now), missing)
    return Steps(reserve=min(missing, max(fitting, 0 if waiting else 1)))


def share(claims: Sequence[Claim], nodes: Sequence[Node]) -> float:
    """Return the largest share of any resource of the nodes that claims hold.

    The dominant share of Ghodsi et al., "Dominant Resource Fairness", NSDI 2011.
    """
    held: dict[str, float] = {}
    for claim in claims:
        for bundle in claim.gang if claim.held else ():
            for name, number in bundle.resources.items():
                held[name] = held.get(name, 0.0) + number
    totals = {name: sum(node.total.get(name, 0.0) for node in nodes) for name in held}
    return max((held[name] / totals[name] for name in held if totals[name] > 0), default=0.0)


def _poorer(now: Situation, held: list[Claim]) -> Claim | None:
    """Return what the poorest job waits for that would get it if this one gave up a unit."""
    spare = [claim for claim in held if not claim.core]
    if not spare:
        return None
    after_giving = share(held, now.nodes) - share(spare[-1:], now.nodes)
    candidates = []
    for claim in now.claims:
        if claim.job == now.job or claim.held or place(claim.gang, now.nodes):
            continue
        theirs = [c for c in now.claims if c.job == claim.job and c.held]
        having = [*theirs, Claim(claim.job, -1, claim.gang, ("?",))]
        # A core comes before all shares; a further unit must not make them richer than us.
        if not claim.core and share(having, now.nodes) > after_giving + 1e-9:
            continue
        if place(claim.gang, _with_released(now, spare)):
            candidates.append((share(theirs, now.nodes), claim.job, claim))
    return min(candidates, key=lambda c: c[:2])[2] if candidates else None


def _unit_to_shed(now: Situation, held: list[Claim], claim: Claim) -> int:
    """Choose the unit whose place helps most: one that is enough, else the newest."""
    spare = sorted((c for c in held if not c.core), key=lambda c: -c.number)
    for unit in spare:
        if place(claim.gang, _with_released(now, [unit])):
            return unit.number
    return spare[0].number


def _with_released(now: Situation, units: Sequence[Claim]) -> list[Node]:
    bundles = [pair for unit in units for pair in zip(unit.nodes, unit.gang, strict=False)]
    return released(now.nodes, bundles)


def _left_by_others(now: Situation) -> list[Node]:
    """Return the nodes without what the waiting cores of other jobs are about to take."""
    nodes = list(now.nodes)
    for claim in now.claims:
        if claim.job != now.job and claim.core and not claim.held:
            placed = place(claim.gang, nodes)
            if placed is not None:
                nodes = taken(nodes, zip(placed, claim.gang, strict=True))
    return nodes
