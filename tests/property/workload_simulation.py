"""Jobs that are admitted, work, and leave, on a cluster whose nodes get lost and are added.

What shares is the simulation of sharing. This adds what stands around it: a driver for every job,
lost with its node; an autoscaler; nodes that come back. The head is always there and takes no work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from geneva.resources.admission import Verdict, admit
from geneva.resources.cluster import Gang, Node
from geneva.resources.footprint import Footprint
from geneva.resources.packing import emptied, place, taken
from geneva.resources.shape import ClusterShape, NodeType
from tests.property.all_placements import all_fit
from tests.property.sharing_simulation import TICK_S, Cluster, Job

# From an event until all that share have adapted: units are given up, nodes boot, cores begin.
ADAPTS_S = 240.0
AUTOSCALES_EVERY_S = 2.0
IDLE_NODE_LEAVES_S = 60.0
_LOST_WORK_S = 10.0


class Hang(AssertionError):
    """A job that could run does not."""


@dataclass
class FiniteJob(Job):
    """A job with so many unit-seconds to do."""

    footprint: Footprint = field(kw_only=True)
    work_s: float = field(kw_only=True)
    left_s: float = math.inf
    verdict: Verdict | None = None
    arrived_s: float = 0.0
    began_s: float | None = None
    ended_s: float | None = None
    driver: str = ""


def finite_job(name: str, footprint: Footprint, work_s: float) -> FiniteJob:
    core, unit = footprint.unit(core=True), footprint.unit()
    return FiniteJob(name, core, unit, footprint.concurrency, footprint=footprint, work_s=work_s)


@dataclass
class _Boot:
    at_s: float
    kind: NodeType
    autoscaled: bool


class Workload(Cluster):
    """A cluster on which jobs run to their ends.

    Parameters
    ----------
    nodes
        Those that are there from the beginning.
    kinds
        What the autoscaler may add.
    told
        Whether the autoscaler tells its kinds of nodes; Ray's does not.
    """

    def __init__(
        self,
        nodes: list[Node],
        seed: int,
        *,
        kinds: Sequence[NodeType] = (),
        told: bool = True,
        best: bool = False,
    ) -> None:
        super().__init__(nodes, seed, best=best)
        self.kinds = tuple(kinds)
        self.told = told
        self.finished: list[FiniteJob] = []
        self.refused: list[FiniteJob] = []
        self.refused_by_autoscaler: list[FiniteJob] = []
        self.lost_for_good: list[FiniteJob] = []
        self.losses_s: list[float] = []
        self._boots: list[_Boot] = []
        self._added: dict[str, NodeType] = {}
        self._idle_s: dict[str, float] = {}
        self._names = 0
        self._scales_s = 0.0
        self._worked_s = 0.0

    # -- what happens to it --------------------------------------------------------------------

    def submit(self, job: FiniteJob) -> None:
        """Admit a job or refuse it."""
        admission = admit(job.footprint, self.shape())
        job.verdict, job.arrived_s, job.left_s = admission.verdict, self.now_s, job.work_s
        # Admission is not told of a node that is lost now and comes again.
        possible = self._ever_possible(job, with_lost=admission.possible)
        if not admission.possible:
            assert not possible, "it was refused but could run"
            self.refused.append(job)
        elif not possible:
            assert not self.told, "it was admitted but can never run"
            self.refused_by_autoscaler.append(job)
        else:
            self._worked_s = self.now_s if not self.jobs else self._worked_s
            self.arrive(job)

    def lose(self, node_id: str, back_s: float | None) -> None:
        """Lose a node; another one like it comes after a while, or never."""
        node = self.nodes.get(node_id)
        if node is None:
            return
        self.losses_s.append(self.now_s)
        if node_id in self._added:
            del self._added[node_id]  # The autoscaler adds another when it is needed.
        elif back_s is not None:
            like = NodeType(node.name, node.total, 1, node.labels)
            self._boots.append(_Boot(self.now_s + back_s, like, autoscaled=False))
        for job in self._finite():
            if any(node_id in claim.nodes for claim in job.claims.values()):
                job.left_s = min(job.work_s, job.left_s + _LOST_WORK_S)
        self.lose_node(node_id)
        for job in self._finite():
            if job.driver == node_id:
                # Another driver plans anew; what the first one had reserved is given back.
                job.driver = ""
                for number in list(job.claims):
                    self._drop(job, number)
        for job in self._finite():
            if not self._ever_possible(job):
                self.leave(job.name)
                self.lost_for_good.append(job)

    def run_to_the_end(self) -> None:
        """Run until all jobs have ended; a hang raises AssertionError."""
        while self.jobs:
            self.run(1.0)

    # -- what is true --------------------------------------------------------------------------

    def shape(self) -> ClusterShape:
        """Return what admission is told."""
        kinds = tuple(replace(kind, most=self._most(kind, booting=False)) for kind in self.kinds)
        if self.told:
            return ClusterShape(self.all_free(), kinds)
        return ClusterShape(self.all_free(), grows=any(kind.most for kind in kinds))

    def longest_it_may_take_s(self, job: FiniteJob) -> float:
        """Return the time of a job that waits for all others, each of which has one unit."""
        ended_s = self.now_s if job.ended_s is None else job.ended_s
        beside = [
            other
            for other in (*self.finished, *self._finite(), *self.lost_for_good)
            if other.arrived_s <= ended_s and (other.ended_s or math.inf) >= job.arrived_s
        ]
        losses = sum(job.arrived_s <= at_s <= ended_s for at_s in self.losses_s)
        work_s = sum(other.work_s + losses * _LOST_WORK_S for other in beside)
        return work_s + ADAPTS_S * (len(beside) + losses)

    def _ever_possible(self, job: FiniteJob, *, with_lost: bool = True) -> bool:
        """Whether a job fits alone on all nodes that are there or can come."""
        gang = job.footprint.beginning()
        coming = [boot.kind for boot in self._boots if with_lost and not boot.autoscaled]
        for kind in self.kinds:
            coming += [kind] * min(self._most(kind, booting=False), len(gang))
        new = [Node(f"?{i}", "?", k.resources, k.resources, k.labels) for i, k in enumerate(coming)]
        return all_fit(gang, [*emptied(self.nodes.values()), *new])

    def _most(self, kind: NodeType, *, booting: bool) -> int:
        there = sum(k.name == kind.name for k in self._added.values())
        if booting:
            there += sum(b.autoscaled and b.kind.name == kind.name for b in self._boots)
        return kind.most - there

    def _finite(self) -> list[FiniteJob]:
        return [job for job in self.jobs.values() if isinstance(job, FiniteJob)]

    # -- what happens at every tick ------------------------------------------------------------

    def _happen(self) -> None:
        self._boot()
        self._work()
        if self.now_s >= self._scales_s:
            self._scales_s = self.now_s + AUTOSCALES_EVERY_S
            self._autoscale()
        for job in self._finite():
            if not job.driver:
                job.driver = self.random.choice([*self.nodes, "head"])
                self.version += 1

    def _decide(self, job: Job) -> None:
        if isinstance(job, FiniteJob) and job.driver:
            super()._decide(job)

    def _work(self) -> None:
        for job in self._finite():
            if not job.driver or not job.held:
                continue  # Other units work on while a core that was lost is awaited.
            job.began_s = self.now_s if job.began_s is None else job.began_s
            self._worked_s = self.now_s
            job.left_s -= TICK_S * (job.held - len(job.draining))
            if job.left_s <= 0:
                job.ended_s = self.now_s
                self.finished.append(job)
                self.leave(job.name)
        if self.jobs and self.now_s - self._worked_s > ADAPTS_S:
            self._hang("nobody works")
        for job in self._finite() if self.now_s % 16 == 0 else ():
            if self.now_s - job.arrived_s > self.longest_it_may_take_s(job):
                self._hang(f"{job.name} does not end")

    def _hang(self, what: str) -> None:
        raise Hang(f"{what}: {self._described()}")

    def _described(self) -> str:
        jobs = [
            f"{job.name}: driver {job.driver or 'waits'}, {job.held} units, {job.left_s:.0f} s left"
            f", core {dict(enumerate(b.resources for b in job.core))}"
            for job in self._finite()
        ]
        nodes = [f"{node.node_id}: {node.free} of {node.total}" for node in self.all_free()]
        return "; ".join([*jobs, *nodes])

    def _boot(self) -> None:
        for boot in [boot for boot in self._boots if boot.at_s <= self.now_s]:
            self._boots.remove(boot)
            self._names += 1
            name = f"{boot.kind.name}-{self._names}"
            total = boot.kind.resources
            self.add_node(Node(name, name, total, total, boot.kind.labels))
            if boot.autoscaled:
                self._added[name] = boot.kind

    def _autoscale(self) -> None:
        """Add nodes for what waits and finds no place; remove those that are idle for long."""
        if not self.kinds:
            return
        waiting = [claim.gang for claim in self.claims if not claim.held]
        booting = [boot.kind for boot in self._boots if boot.autoscaled]
        nodes = list(ClusterShape(self.all_free()).with_new(booting).nodes)
        for gang in waiting:
            where = place(gang, nodes)
            if where is None:
                for kind in self._for_gang(gang, nodes):
                    booting.append(kind)
                    at_s = self.now_s + self.random.uniform(5, 60)
                    self._boots.append(_Boot(at_s, kind, autoscaled=True))
                nodes = _with_booting(nodes, booting)
                where = place(gang, nodes)
            if where is not None:
                nodes = taken(nodes, zip(where, gang, strict=True))
        used = {node for claim in self.claims for node in claim.nodes}
        used |= {job.driver for job in self._finite()}
        for name in list(self._added):
            since_s = self._idle_s.setdefault(name, self.now_s)
            if name in used:
                del self._idle_s[name]
            elif self.now_s - since_s >= IDLE_NODE_LEAVES_S:
                del self._idle_s[name], self._added[name]
                self.lose_node(name)

    def _for_gang(self, gang: Gang, nodes: Sequence[Node]) -> tuple[NodeType, ...]:
        """Return the fewest nodes with which a gang fits."""
        kinds = [kind for kind in self.kinds if self._most(kind, booting=True) > 0]
        pairs = [
            (one, other)
            for one in kinds
            for other in kinds
            if one is not other or self._most(one, booting=True) > 1
        ]
        for added in [*((kind,) for kind in kinds), *pairs]:
            if place(gang, ClusterShape(tuple(nodes)).with_new(added).nodes) is not None:
                return added
        return ()


def _with_booting(nodes: Sequence[Node], booting: Sequence[NodeType]) -> list[Node]:
    """Return the nodes with those that boot, which keep what was planned on them already."""
    known = sum(node.node_id.startswith("new-") for node in nodes)
    new = ClusterShape(()).with_new(booting).nodes[known:]
    return [*nodes, *new]
