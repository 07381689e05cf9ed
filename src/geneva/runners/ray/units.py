"""The units of one job: placement groups that are reserved, grown into and given up."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import Any

from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group

from geneva.jobs.commands import Role
from geneva.resources.cluster import Node
from geneva.resources.footprint import Footprint
from geneva.resources.packing import emptied, place, shortage, taken
from geneva.resources.pending import held_by, on_their_way
from geneva.resources.sharing import Claim, Situation, Steps, next_steps
from geneva.runners.ray.autoscaler import AutoscalerWatch
from geneva.runners.ray.claims import claims_in
from geneva.runners.ray.names import group_name
from geneva.runners.ray.private import ClusterNodes, read_nodes
from geneva.runners.ray.suspects import SuspectNodes

_GONE = "REMOVED"
NODE_LABEL = "ray.io/node-id"
# A place that was seen free and is not granted soon was taken by somebody else.
_PINNED_S = 2.0


@dataclass(slots=True)
class Unit:
    """One reserved or awaited place for an applier and a writer.

    Attributes
    ----------
    number : int
        Its number in the job.
    core : bool
        Whether it is the one that a job never gives up.
    group : PlacementGroup
        What is reserved.
    held : bool
        Whether it is reserved.
    leaving : bool
        Whether it is given up as soon as its workers are idle.
    applier, writer : int or None
        The workers in it.
    pinned_s : float or None
        When it was asked for on nodes that had it free, on ``time.monotonic``.
    """

    number: int
    core: bool
    group: Any
    held: bool = False
    leaving: bool = False
    applier: int | None = None
    writer: int | None = None
    pinned_s: float | None = None

    @property
    def workers(self) -> list[int]:
        """The workers in it."""
        return [worker for worker in (self.applier, self.writer) if worker is not None]

    def vacate(self, role: Role) -> None:
        """Note that the worker of a role is gone."""
        if role is Role.APPLIER:
            self.applier = None
        else:
            self.writer = None


@dataclass(slots=True)
class Units:
    """All units of a job.

    Parameters
    ----------
    tag
        The run, see :func:`~geneva.runners.ray.names.run_tag`.
    footprint
        What its components ask for.

    Attributes
    ----------
    units : dict of int to Unit
        Those that are reserved or waited for.
    taken_away : tuple of Unit
        Those of them whose group somebody else removed. Nothing starts in there any more, and Ray
        says nothing about what was starting.
    """

    tag: str
    footprint: Footprint
    units: dict[int, Unit] = field(default_factory=dict)
    nodes: ClusterNodes = field(default_factory=lambda: ClusterNodes((), {}))
    suspects: SuspectNodes = field(default_factory=SuspectNodes)
    taken_away: tuple[Unit, ...] = ()
    _next: int = 0
    _shed_s: float = -1e9
    _autoscaler: AutoscalerWatch = field(default_factory=AutoscalerWatch)
    _claims: tuple[Claim, ...] = ()

    def step(self, wanted: int) -> Steps:
        """Look at the cluster; reserve, withdraw, and say which unit to give up."""
        self.look()
        claims = self._read(placement_group_table())
        self._claims = claims
        self._withdraw_stale()
        claims = tuple(c for c in claims if c.job != self.tag or c.number in self.units)
        steps = next_steps(
            Situation(
                job=self.tag,
                unit=self.footprint.unit(),
                wanted=wanted,
                nodes=self.nodes.usable,
                claims=claims,
                since_shed_s=time.monotonic() - self._shed_s,
            )
        )
        for number in steps.withdraw:
            if number in self.units:
                self.remove(self.units[number])
        free = list(self.nodes.usable)
        for _ in range(steps.reserve):
            free = self._reserve(free)
        if steps.shed is not None:
            self._shed_s = time.monotonic()
        return steps

    def look(self) -> None:
        """See which nodes there are now, without those that do not answer."""
        self.nodes = self.suspects.without(read_nodes())

    def is_there(self, unit: Unit) -> bool:
        """Say whether nobody removed the group of a unit."""
        return bool(placement_group_table(unit.group).get("state") != _GONE)

    def remove(self, unit: Unit) -> None:
        """Give a unit's resources back."""
        if unit.leaving:
            # What it gave up reaches the job that waits for it within a second.
            self._shed_s = time.monotonic()
        self.units.pop(unit.number, None)
        with contextlib.suppress(ValueError, RuntimeError):
            remove_placement_group(unit.group)

    def surplus(self, most: int) -> list[Unit]:
        """Return the last units, the core only after them, that are more than may be at work."""
        busy = [u for u in self.units.values() if u.applier is not None and not u.leaving]
        return sorted(busy, key=lambda u: (u.core, -u.number))[: max(0, len(busy) - most)]

    def close(self) -> None:
        """Give everything back."""
        for unit in list(self.units.values()):
            self.remove(unit)

    def lacking(self, *, ever: bool = False) -> str:
        """Say what the next unit waits for, or what it needs that no node ever has."""
        core = not any(unit.held for unit in self.units.values())
        gang = self.footprint.unit(core=core)
        nodes = emptied(self.nodes.usable) if ever else self.nodes.usable
        what = "the first applier" if core else "a further applier"
        if place(gang, nodes) is not None:
            return f"{what} is being placed"
        if ever:
            return f"{what} {shortage(gang, nodes)}"
        who = held_by(gang, nodes, self._claims, self.tag)
        coming = on_their_way(self._autoscaler.starting())
        notes = "; ".join(filter(None, [who, coming]))
        return f"{what} {shortage(gang, nodes)}{notes and f' ({notes})'}"

    def refused(self) -> bool:
        """Say whether the autoscaler has no kind of node for the unit that a job cannot do without.

        Asked about once a second, and only while nothing else can be done.
        """
        refused = self._autoscaler.refused()
        waiting = [unit for unit in self.units.values() if unit.core and not unit.held]
        return any(unit.group.id.hex() in refused for unit in waiting)

    def _reserve(self, free: list[Node]) -> list[Node]:
        """Ask for one unit, whole or not at all; return what is free without it.

        Ray puts one bundle after the other where it fits best, and gives up if the last one then
        finds no node although another order would do. So it is told where, if there is a place.
        """
        core = not any(unit.core for unit in self.units.values())
        gang = self.footprint.unit(core=core)
        number = self._next
        self._next += 1
        where = place(gang, free)
        pins = [{NODE_LABEL: node} for node in where] if where else [{} for _ in gang]
        labels = [{**bundle.labels, **pin} for bundle, pin in zip(gang, pins, strict=True)]
        group = placement_group(
            [dict(bundle.resources) for bundle in gang],
            strategy="PACK",
            name=group_name(self.tag, number, core=core),
            bundle_label_selector=labels,
        )
        pinned_s = time.monotonic() if where else None
        self.units[number] = Unit(number, core, group, pinned_s=pinned_s)
        return taken(free, zip(where, gang, strict=True)) if where else free

    def _withdraw_stale(self) -> None:
        """Stop waiting for places that were taken, or that are free where Ray does not look."""
        now_s = time.monotonic()
        for unit in [unit for unit in self.units.values() if not unit.held]:
            if unit.pinned_s is None:
                gang = self.footprint.unit(core=unit.core)
                stale = place(gang, self.nodes.usable) is not None
            else:
                stale = now_s - unit.pinned_s > _PINNED_S
            if stale:
                self.remove(unit)

    def _read(self, table: dict[str, dict[str, Any]]) -> tuple[Claim, ...]:
        """Take in what Ray says of all groups, and note which of ours are reserved."""
        claims = []
        found = claims_in(table)
        there = {claim.number for claim in found if claim.job == self.tag}
        mine_held = [unit for unit in self.units.values() if unit.held]
        self.taken_away = tuple(unit for unit in mine_held if unit.number not in there)
        for claim in found:
            mine = self.units.get(claim.number) if claim.job == self.tag else None
            if mine is not None:
                mine.held = claim.held
            claims.append(replace(claim, leaving=mine is not None and mine.leaving))
        return tuple(claims)
