"""Decide how a job grows and shrinks on a cluster that it shares. Pure: a situation in, steps out.

Every job reserves one core and then unit by unit. What is reserved besides cores is given up for
jobs that have less, one unit at a time, so that two jobs end with equal shares of what both can
use, and neither holds what the other needs to start.

All jobs see the same claims and walk along the same line of them: cores first, then whoever would
have the least with what it waits for. The first one that does not fit, but would if richer jobs
gave up some units, has its turn: these units are given up, and whoever stands behind it in the line
asks for nothing that it needs. So it takes no messages between jobs, and nothing is given up twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from geneva.resources.cluster import Gang, Node
from geneva.resources.packing import place, released, taken

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
    leaving : bool
        Whether it is being given up. Only its own job knows.
    """

    job: str
    number: int
    gang: Gang
    nodes: tuple[str, ...] = ()
    core: bool = False
    leaving: bool = False

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
        Seconds since it was told to give up a unit, or one that it gave up was free.
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
        Units to ask for; the first one of a job without a core is its core.
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
    waiting = sorted(claim.number for claim in mine if not claim.held and not claim.core)
    core = next((claim for claim in mine if claim.core), None)
    line = _line(now)
    shed, for_job = _unit_to_shed(now, line)
    if core is None:
        return Steps(int(now.wanted > 0), tuple(waiting), shed, for_job)
    # A job that has not begun asks for nothing else: it would keep others, or itself, from it. Nor
    # does one that has just given a unit up: it would get that back, as nobody else has it yet.
    asks = core.held and now.since_shed_s >= _BETWEEN_SHEDS_S
    most = _worth_waiting_for(now, line) if asks else 0
    return Steps(max(0, most - len(waiting)), tuple(waiting[most:]), shed, for_job)


def share(claims: Iterable[Claim], nodes: Sequence[Node]) -> float:
    """Return the largest share of any resource of the nodes that claims take.

    The dominant share of Ghodsi et al., "Dominant Resource Fairness", NSDI 2011.
    """
    amounts: dict[str, float] = {}
    for claim in claims:
        for bundle in claim.gang:
            for name, number in bundle.resources.items():
                amounts[name] = amounts.get(name, 0.0) + number
    totals = {name: sum(node.total.get(name, 0.0) for node in nodes) for name in amounts}
    shares = (amounts[name] / totals[name] for name in amounts if totals[name] > 0)
    return round(max(shares, default=0.0), 9)  # Equal shares are equal, however they add up.


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a claim in the line of all that wait.

    Attributes
    ----------
    claim : Claim
        What waits.
    share : float
        What its job would have with it.
    nodes : tuple of str
        Where it will go; empty if nothing can be done for it.
    made_by : tuple of Claim
        Units that are to be given up for it.
    """

    claim: Claim
    share: float
    nodes: tuple[str, ...] = ()
    made_by: tuple[Claim, ...] = ()


def _line(now: Situation) -> list[_Place]:
    """Return all that wait in the order in which they are served: cores, then the poorest.

    All jobs come to the same line. One claim has its turn: the first for which units are given up.
    """
    waiting = sorted((c for c in now.claims if not c.held), key=lambda c: (not c.core, c.number))
    having = _held_by_job(now)
    places = []
    for claim in waiting:
        theirs = having[claim.job] = [*having.get(claim.job, ()), claim]
        places.append(_Place(claim, share(theirs, now.nodes)))
    places.sort(key=lambda p: (not p.claim.core, p.share, p.claim.job, p.claim.number))
    nodes, turn_taken = list(now.nodes), False
    for i, at in enumerate(places):
        made_by: tuple[Claim, ...] = ()
        where = place(at.claim.gang, nodes)
        if where is None and not turn_taken:
            made_by = _units_for(at, now, nodes)
            where = place(at.claim.gang, _without(nodes, made_by)) if made_by else None
            turn_taken = where is not None
        if where is not None:
            places[i] = replace(at, nodes=where, made_by=made_by)
            # What is still to be given up for it is less than nothing until then.
            nodes = taken(nodes, zip(where, at.claim.gang, strict=True))
    return places


def _units_for(at: _Place, now: Situation, nodes: Sequence[Node]) -> tuple[Claim, ...]:
    """Return few units that make a place for a claim when they are given up; none if none do.

    For a core, any will do, its own job's first. For a further unit, only those of jobs that have
    no less than its own job after that. One unit of the richest job is best. Of several, those are
    chosen of which the fewest are left to give up, so that it does not begin on one node and go on
    with another.
    """
    held = _held_by_job(now)
    shares = {job: share(claims, now.nodes) for job, claims in held.items()}

    def agreed(units: Sequence[Claim]) -> bool:
        if at.claim.core:
            return True
        left = ([c for c in held[job] if c not in units] for job in {u.job for u in units})
        return all(share(claims, now.nodes) >= at.share for claims in left)

    def enough(units: Sequence[Claim]) -> bool:
        return place(at.claim.gang, _without(nodes, units)) is not None

    def fewest(units: list[Claim]) -> list[Claim]:
        for unit in sorted(units, key=lambda c: (share([c], now.nodes), c.job, c.number)):
            fewer = [c for c in units if c is not unit]
            if enough(fewer):
                units = fewer
        return units

    spares = [[c for c in claims if not c.core] for claims in held.values()]
    spare = [c for theirs in spares if theirs and agreed(theirs[:1]) for c in theirs]
    spare.sort(key=lambda c: (c.job != at.claim.job, -shares[c.job], c.job, -c.number))
    if not spare or not enough(spare):
        return ()
    for unit in spare:
        if enough([unit]):
            return (unit,)
    on_nodes = ([c for c in spare if node.node_id in c.nodes] for node in nodes)
    several = [fewest(on_node) for on_node in on_nodes if enough(on_node)] or [fewest(spare)]
    several = [units for units in several if agreed(units)]
    if not several:
        return ()
    best = min(several, key=len)
    return tuple(best)


def _unit_to_shed(now: Situation, line: Sequence[_Place]) -> tuple[int | None, str]:
    """Return which unit is to be given up now, and for which job one is to be given up."""
    for at in line:
        for unit in at.made_by:
            if unit.job == now.job and not unit.leaving:
                due = now.since_shed_s >= _BETWEEN_SHEDS_S
                return (unit.number if due else None), at.claim.job
    return None, ""


def _worth_waiting_for(now: Situation, line: Sequence[_Place]) -> int:
    """Return how many units to wait for: those that will be granted, and one more.

    That one tells an autoscaler, and richer jobs, that the job could use it. Nothing is asked for
    while somebody before it in the line is being served: wherever it fits, it may be put into the
    place that is being made. While nothing can be done for somebody there, as it seems, one is
    asked for at a time: what was given up may not be free yet.
    """
    having = _held_by_job(now)[now.job]
    others = [at for at in line if at.claim.job != now.job]
    missing = max(0, now.wanted - len(having))
    nodes: Sequence[Node] = now.nodes
    for count in range(missing):
        having.append(Claim(now.job, -1, now.unit))
        mine = share(having, now.nodes)
        before = [at for at in others if at.claim.core or at.share < mine]
        if any(at.nodes for at in before):
            return count
        where = place(now.unit, nodes)
        if where is None or before:
            return count + 1
        nodes = taken(nodes, zip(where, now.unit, strict=True))
    return missing


def _held_by_job(now: Situation) -> dict[str, list[Claim]]:
    held: dict[str, list[Claim]] = {}
    for claim in now.claims:
        if claim.held:
            held.setdefault(claim.job, []).append(claim)
    return held


def _without(nodes: Sequence[Node], units: Sequence[Claim]) -> list[Node]:
    """Return the nodes as they are once units are given up."""
    return released(nodes, (p for unit in units for p in zip(unit.nodes, unit.gang, strict=False)))
