"""Random clusters and random jobs for them, from the smallest that make sense to nine nodes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from geneva.resources.admission import Verdict
from geneva.resources.cluster import CPU, GPU, MEMORY, Node
from geneva.resources.footprint import Components, Footprint
from geneva.resources.request import Request
from geneva.resources.shape import NodeType
from tests.property.all_placements import all_fit
from tests.property.workload_simulation import FiniteJob, Workload, finite_job

GIB = 1 << 30


def a_kind(chance: random.Random, name: str) -> NodeType:
    total: dict[str, float] = {
        CPU: chance.choice([0.25, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0]),
        MEMORY: float(chance.choice([2, 4, 8, 32]) * GIB),
    }
    if chance.random() < 0.25:
        total[GPU] = chance.choice([1.0, 2.0])
    return NodeType(name, total, chance.randint(1, 3), {"pool": chance.choice("ab")})


def a_footprint(chance: random.Random) -> Footprint:
    applier = Request(
        num_cpus=chance.choice([0.1, 0.5, 1.0, 1.0, 1.8, 2.0, 3.0, 3.7]),
        num_gpus=chance.choice([1.0, 2.0]) if chance.random() < 0.2 else 0.0,
        memory_bytes=chance.choice([0, 0, GIB, 3 * GIB]),
        labels=(("pool", "a"),) if chance.random() < 0.2 else (),
    )
    components = Components(writer_memory_bytes=chance.choice([GIB // 4, GIB // 2, GIB]))
    return Footprint(applier, chance.choice([16, 16, 8, 4, 2, 1]), components)


def a_workload(seed: int) -> tuple[Workload, list[FiniteJob]]:
    """Return a cluster after the last of what happens to it, and all jobs that were submitted."""
    chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    kinds = [a_kind(chance, f"kind-{i}") for i in range(chance.randint(1, 3))]
    nodes = [
        Node(f"node-{i}", f"node-{i}", kind.resources, kind.resources, kind.labels)
        for i, kind in enumerate(chance.choices(kinds, k=chance.randint(1, 6)))
    ]
    autoscaled = [k for k in kinds if chance.random() < 0.7] if chance.random() < 0.5 else []
    world = Workload(
        nodes,
        seed,
        kinds=autoscaled,
        told=chance.random() < 0.7,
        best=chance.random() < 0.5,
    )
    happens: list[tuple[float, Callable[[], None]]] = []
    jobs = []

    def one_that_mostly_fits() -> Footprint:
        for _ in range(4):
            footprint = a_footprint(chance)
            if chance.random() < 0.2 or all_fit(footprint.beginning(), nodes):
                break
        return footprint

    equal = one_that_mostly_fits() if chance.random() < 0.3 else None
    for i in range(chance.randint(1, 6)):
        footprint = equal or one_that_mostly_fits()
        job = finite_job(f"job-{i}", footprint, chance.choice([5.0, 30.0, 60.0, 200.0]))
        jobs.append(job)
        happens.append((chance.choice([0.0, chance.uniform(0, 60)]), partial(world.submit, job)))
    for _ in range(chance.choice([0, 0, 1, 2])):
        back_s = chance.uniform(5, 60) if chance.random() < 0.7 else None
        at_s = chance.uniform(1, 60)
        happens.append((at_s, partial(_lose_any, world, chance, back_s)))
    for at_s, happen in sorted(happens, key=lambda pair: pair[0]):
        world.run(at_s - world.now_s)
        happen()
    return world, jobs


def _lose_any(world: Workload, chance: random.Random, back_s: float | None) -> None:
    if world.nodes:
        world.lose(chance.choice(sorted(world.nodes)), back_s)


@dataclass
class Tally:
    """What became of the jobs of many schedules."""

    schedules: int = 0
    jobs: int = 0
    refused: int = 0
    refused_by_autoscaler: int = 0
    lost_for_good: int = 0
    ended: int = 0
    losses: int = 0
    longest_wait_s: float = 0.0
    simulated_s: float = 0.0
    verdicts: dict[Verdict, int] = field(default_factory=dict)

    def add(self, world: Workload, jobs: list[FiniteJob]) -> None:
        self.schedules += 1
        self.jobs += len(jobs)
        self.ended += len(world.finished)
        self.refused += len(world.refused)
        self.refused_by_autoscaler += len(world.refused_by_autoscaler)
        self.lost_for_good += len(world.lost_for_good)
        self.losses += len(world.losses_s)
        self.simulated_s += world.now_s
        for job in jobs:
            if job.verdict is not None:
                self.verdicts[job.verdict] = self.verdicts.get(job.verdict, 0) + 1
            if job.began_s is not None:
                self.longest_wait_s = max(self.longest_wait_s, job.began_s - job.arrived_s)

    def include(self, other: Tally) -> None:
        """Add another tally to this one."""
        for name in ("schedules", "jobs", "refused", "refused_by_autoscaler", "lost_for_good"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("ended", "losses", "simulated_s"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest_wait_s = max(self.longest_wait_s, other.longest_wait_s)
        for verdict, number in other.verdicts.items():
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + number


def run_schedule(seed: int, tally: Tally | None = None) -> Workload:
    """Run one schedule to its end; AssertionError if it hangs or anything else is wrong."""
    world, jobs = a_workload(seed)
    world.run_to_the_end()
    for job in world.finished:
        assert job.ended_s is not None
        took_s, most_s = job.ended_s - job.arrived_s, world.longest_it_may_take_s(job)
        assert took_s <= most_s, f"{job.name} took {took_s} s; expected at most {most_s} s"
    gone = (world.refused, world.refused_by_autoscaler, world.lost_for_good)
    assert len(world.finished) + sum(map(len, gone)) == len(jobs), "every job has an end"
    if tally is not None:
        tally.add(world, jobs)
    return world
