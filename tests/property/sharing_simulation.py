"""Jobs that share a cluster, without Ray: a clock, nodes, and a scheduler that takes any order.

Every job decides about once per second what to ask for and what to give up. What it asks for is
granted whenever it fits, whoever asked first. A unit that is given up is free a little after what
runs in it has ended. Nodes come and go with everything on them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from geneva.resources.cluster import Bundle, Gang, Node
from geneva.resources.packing import fits, place
from geneva.resources.sharing import Claim, Situation, next_steps

TICK_S = 0.25
# Later than this after it gave a unit up, time alone does not make a job decide otherwise.
WAITS_AFTER_SHED_S = 5.0


@dataclass
class Job:
    """A job: its gangs, how many units it could use, and what it holds and waits for."""

    name: str
    core: Gang
    unit: Gang
    wanted: int
    claims: dict[int, Claim] = field(default_factory=dict)
    numbers: int = 0
    decides_s: float = 0.0
    shed_s: float = -1e9
    draining: dict[int, float] = field(default_factory=dict)
    lacks_core_s: float | None = None
    could_start: bool = False
    idle_since: int = -1

    @property
    def held(self) -> int:
        return sum(claim.held for claim in self.claims.values())

    @property
    def has_core(self) -> bool:
        return any(claim.core and claim.held for claim in self.claims.values())


class Cluster:
    """A cluster with its jobs.

    ``best`` lets the scheduler choose nodes as ``place`` does, otherwise it takes any that fit.

    Whatever changes what jobs and scheduler see makes a new ``version``. Within one, what was found
    out is not computed again: most ticks change nothing.
    """

    def __init__(self, nodes: list[Node], seed: int, *, best: bool = False) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self.best = best
        self.nodes = {node.node_id: node for node in nodes}
        self.jobs: dict[str, Job] = {}
        self.still_taken: list[tuple[float, Claim]] = []
        self.now_s = 0.0
        self.sheds = 0
        self.changes = 0
        self.version = 0
        self._looked = -1
        self._free: tuple[int, tuple[Node, ...]] = (-1, ())
        self._without_place: tuple[int, set[tuple[str, int]]] = (-1, set())
        self.longest_without_core_s = 0.0

    # -- what happens to it --------------------------------------------------------------------

    def arrive(self, job: Job) -> None:
        job.decides_s = self.now_s + self.random.random()
        self.jobs[job.name] = job
        self.version += 1

    def leave(self, name: str) -> None:
        if name in self.jobs:
            for number in list(self.jobs[name].claims):
                self._drop(self.jobs[name], number)
            del self.jobs[name]
            self.version += 1

    def add_node(self, node: Node) -> None:
        self.version += 1
        self.nodes[node.node_id] = node

    def lose_node(self, node_id: str) -> None:
        self.version += 1
        self.nodes.pop(node_id, None)
        for job in self.jobs.values():
            for number in [n for n, claim in job.claims.items() if node_id in claim.nodes]:
                self._drop(job, number)

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds / TICK_S)):
            self.now_s += TICK_S
            self._free_late()
            self._happen()
            for job in self.jobs.values():
                for number, end_s in list(job.draining.items()):
                    if self.now_s >= end_s:
                        job.shed_s = self.now_s
                        self._drop(job, number)
                if self.now_s >= job.decides_s:
                    job.decides_s += self.random.uniform(0.8, 1.2)
                    self._decide(job)
            self._schedule()
            self._look()

    def settle(self, within_s: float, quiet_s: float = 30.0) -> None:
        """Run until nothing has changed for so long."""
        end_s, seen, since_s = self.now_s + within_s, self.changes, self.now_s
        while self.now_s - since_s < quiet_s:
            assert self.now_s < end_s, "it does not settle"
            self.run(1.0)
            if self.changes != seen:
                seen, since_s = self.changes, self.now_s

    # -- what is true --------------------------------------------------------------------------

    @property
    def claims(self) -> tuple[Claim, ...]:
        return tuple(claim for job in self.jobs.values() for claim in job.claims.values())

    def free(self, counts: Callable[[Claim], bool] = lambda claim: True) -> tuple[Node, ...]:
        """Return the nodes with what is free beside the held claims that count."""
        free = {node.node_id: dict(node.total) for node in self.nodes.values()}
        for claim in filter(counts, (*self.claims, *(claim for _, claim in self.still_taken))):
            for node_id, bundle in zip(claim.nodes, claim.gang, strict=False):
                for name, number in bundle.resources.items() if node_id in free else ():
                    free[node_id][name] = free[node_id].get(name, 0.0) - number
        return tuple(
            Node(node.node_id, node.name, node.total, free[node.node_id], node.labels)
            for node in self.nodes.values()
        )

    def all_free(self) -> tuple[Node, ...]:
        """Return the nodes with what nobody holds."""
        if self._free[0] != self.version:
            self._free = (self.version, self.free())
        return self._free[1]

    def could_start(self, job: Job) -> bool:
        """Whether a job's core fits if all jobs keep only their cores."""
        return place(job.core, self.free(lambda claim: claim.core)) is not None

    def _look(self) -> None:
        if self._looked != self.version:
            self._looked = self.version
            for node in self.all_free():
                assert all(number > -1e-6 for number in node.free.values()), "overcommitted"
            for job in self.jobs.values():
                assert job.held <= max(job.wanted, 1), "nobody holds more than it could use"
                job.could_start = not job.has_core and self.could_start(job)
        for job in self.jobs.values():
            if not job.could_start:
                job.lacks_core_s = None
            else:
                job.lacks_core_s = job.lacks_core_s or self.now_s
                waited_s = self.now_s - job.lacks_core_s
                self.longest_without_core_s = max(self.longest_without_core_s, waited_s)

    # -- what a larger simulation adds ---------------------------------------------------------

    def _happen(self) -> None:
        """Do what happens at every tick beside jobs and scheduler."""

    # -- what jobs and scheduler do ------------------------------------------------------------

    def _free_late(self) -> None:
        if any(free_s <= self.now_s for free_s, _ in self.still_taken):
            self.still_taken = [late for late in self.still_taken if late[0] > self.now_s]
            self.version += 1

    def _decide(self, job: Job) -> None:
        since_shed_s = self.now_s - job.shed_s
        if job.idle_since == self.version:
            return
        steps = next_steps(
            Situation(
                job=job.name,
                unit=job.unit,
                wanted=job.wanted,
                nodes=self.all_free(),
                claims=tuple(
                    replace(claim, leaving=claim.job == job.name and claim.number in job.draining)
                    for claim in self.claims
                ),
                since_shed_s=since_shed_s,
            )
        )
        if steps.reserve or steps.withdraw or steps.shed is not None:
            self.version += 1
        elif since_shed_s > WAITS_AFTER_SHED_S:
            job.idle_since = self.version
        for number in steps.withdraw:
            assert not job.claims[number].held, "what is held is not withdrawn but given up"
            assert not job.claims[number].core
            del job.claims[number]
        for _ in range(steps.reserve):
            core = not any(claim.core for claim in job.claims.values())
            gang = job.core if core else job.unit
            job.claims[job.numbers] = Claim(job.name, job.numbers, gang, core=core)
            job.numbers += 1
        if steps.shed is not None:
            self._shed(job, steps.shed, steps.for_job)

    def _shed(self, job: Job, number: int, for_job: str) -> None:
        assert job.claims[number].held
        assert not job.claims[number].core, "a core is never given up"
        without_spare = self.free(lambda claim: claim.core)
        waiting = [c for c in self.jobs[for_job].claims.values() if not c.held]
        assert any(place(claim.gang, without_spare) for claim in waiting), "it helps nobody"
        assert number not in job.draining, "it is given up already"
        job.shed_s = self.now_s
        self.sheds += 1
        job.draining[number] = self.now_s + self.random.choice([0.0, 0.0, 0.5, 3.0, 10.0])

    def _drop(self, job: Job, number: int) -> None:
        self.changes += 1
        self.version += 1
        late_s = self.now_s + self.random.choice([0.0, 0.25, 0.5])
        claim = job.claims.pop(number)
        if claim.held and late_s > self.now_s:
            self.still_taken.append((late_s, claim))
        job.draining.pop(number, None)

    def _schedule(self) -> None:
        """Grant some of what fits, in any order, wherever it fits."""
        waiting = [claim for claim in self.claims if not claim.held]
        self.random.shuffle(waiting)
        for claim in waiting:
            if self.random.random() < 0.4:
                continue
            nodes = list(self.all_free())
            self.random.shuffle(nodes)
            if (claim.job, claim.number) in self._known_without_place():
                continue
            where = (
                place(claim.gang, nodes) if self.best else next(_places(claim.gang, nodes), None)
            )
            if where is None:
                self._known_without_place().add((claim.job, claim.number))
            else:
                self.changes += 1
                self.version += 1
                self.jobs[claim.job].claims[claim.number] = replace(claim, nodes=where)

    def _known_without_place(self) -> set[tuple[str, int]]:
        if self._without_place[0] != self.version:
            self._without_place = (self.version, set())
        return self._without_place[1]


def _places(gang: Gang, nodes: list[Node]) -> Iterator[tuple[str, ...]]:
    """Yield all ways to put a gang onto nodes."""
    if not gang:
        yield ()
        return
    for i, node in enumerate(nodes):
        if fits(gang[0], node.free, node.labels):
            left = {k: v - gang[0].resources.get(k, 0.0) for k, v in node.free.items()}
            after = Node(node.node_id, node.name, node.total, left, node.labels)
            for others in _places(gang[1:], [*nodes[:i], after, *nodes[i + 1 :]]):
                yield (node.node_id, *others)


def core_of(unit: Gang) -> Gang:
    """Return the core of a job whose units are such: the tracker is in its first bundle."""
    first = dict(unit[0].resources)
    first["CPU"] = first.get("CPU", 0.0) + 0.1
    return (Bundle(first, unit[0].labels), *unit[1:])
