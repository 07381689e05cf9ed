"""Jobs on one cluster: all that can start do, nobody keeps what another needs, and it settles."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from itertools import product

from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from geneva.resources.cluster import CPU, GPU, MEMORY, Bundle, Gang, Node
from geneva.resources.packing import place, taken
from tests.property.sharing_simulation import Cluster, Job, core_of

GIB = 1 << 30
SEEDS = st.integers(0, 2**32)
# One change takes a job a second to see, one or two to give up a unit, and one to be granted.
CORE_S = 60.0
SETTLES_S = 400.0


def a_node(chance: random.Random, name: str) -> Node:
    total = {CPU: chance.choice([1.0, 2.0, 4.0, 8.0]), MEMORY: chance.choice([2, 4, 8, 32]) * GIB}
    if chance.random() < 0.25:
        total[GPU] = chance.choice([1.0, 2.0])
    return Node(name, name, total, total, {"pool": chance.choice("ab")})


def a_unit(chance: random.Random) -> Gang:
    aside = Bundle({CPU: 0.1, MEMORY: chance.choice([0.25, 0.5, 1.0]) * GIB})
    asked = {CPU: chance.choice([0.5, 1.0, 1.0, 2.0, 3.0])}
    if chance.random() < 0.2:
        asked[GPU] = 1.0
    return (aside, Bundle(asked, {"pool": "a"} if chance.random() < 0.2 else {}))


def some_nodes(chance: random.Random) -> list[Node]:
    return [a_node(chance, f"node-{i}") for i in range(chance.randint(1, 6))]


def a_world(chance: random.Random, seed: int) -> Cluster:
    """Let jobs and nodes come and go, and return the cluster after the last of it."""
    cluster = Cluster(some_nodes(chance), seed)
    happens: list[tuple[float, Callable[[], None]]] = []
    equal = a_unit(chance) if chance.random() < 0.3 else None
    for i in range(chance.randint(2, 5)):
        unit = equal or a_unit(chance)
        job = Job(f"job-{i}", core_of(unit), unit, chance.choice([99, 99, 99, 4, 2, 1]))
        arrives_s = chance.uniform(0, 30)
        happens.append((arrives_s, partial(cluster.arrive, job)))
        if chance.random() < 0.2:
            happens.append((arrives_s + chance.uniform(1, 30), partial(cluster.leave, job.name)))
    for i in range(chance.randint(0, 2)):
        happens.append((chance.uniform(1, 40), partial(cluster.lose_node, f"node-{i + 1}")))
        node = a_node(chance, f"new-{i}")
        happens.append((chance.uniform(1, 40), partial(cluster.add_node, node)))
    for at_s, happen in sorted(happens, key=lambda pair: pair[0]):
        cluster.run(at_s - cluster.now_s)
        happen()
    return cluster


@settings(max_examples=60)
@given(SEEDS)
def test_all_that_can_start_do_and_the_cluster_settles(seed):
    cluster = a_world(random.Random(seed), seed)  # noqa: S311
    event(f"sheds before the last change: {cluster.sheds}")
    cluster.sheds = 0
    cluster.settle(SETTLES_S)
    event(f"sheds after the last change: {cluster.sheds}")
    assert cluster.sheds <= sum(10 * node.total[CPU] for node in cluster.nodes.values())
    assert cluster.longest_without_core_s <= CORE_S
    begun = [job for job in cluster.jobs.values() if job.has_core]
    for job, other in product(begun, begun):
        if job.unit == other.unit and job.held < job.wanted:
            assert other.held - job.held <= 1, "equal jobs have equal shares"
    for job in cluster.jobs.values():
        event(f"core: {job.has_core}")
        assert job.has_core or not cluster.could_start(job)
        if job.has_core and job.held < job.wanted:
            assert place(job.unit, cluster.free()) is None, "what is free and useful is used"


@settings(max_examples=60)
@example(3759, 2.75)  # What was given up was asked for again before it was free.
@given(SEEDS, st.floats(0, 20))
def test_two_equal_jobs_end_with_equal_shares(seed, later_s):
    chance = random.Random(seed)  # noqa: S311
    unit = a_unit(chance)
    cluster = Cluster(some_nodes(chance), seed)
    cluster.arrive(Job("one", core_of(unit), unit, 99))
    cluster.run(later_s)
    cluster.arrive(Job("other", core_of(unit), unit, 99))
    cluster.settle(SETTLES_S)
    one, other = cluster.jobs.values()
    assume(one.has_core and other.has_core)
    assert abs(one.held - other.held) <= 1
    event(f"sheds: {cluster.sheds}")
    assert cluster.sheds <= max(one.held, other.held) + 1, "nothing goes to and fro"
    cluster.leave("one")
    cluster.run(10)
    assert place(unit, cluster.free()) is None, "what the other one left is used"


def of_cpus(number: float) -> Gang:
    return (Bundle({CPU: 0.1}), Bundle({CPU: number}))


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([4.0, 8.0]), min_size=1, max_size=3),
    st.lists(st.sampled_from([0.5, 1.0]), min_size=1, max_size=3),
    st.sampled_from([2.0, 3.0, 7.0]),
    SEEDS,
)
def test_a_large_core_gets_the_places_of_many_small_units_of_several_jobs(
    nodes, small, large, seed
):
    totals = [{CPU: cpus} for cpus in nodes]
    cluster = Cluster([Node(str(i), str(i), t, t) for i, t in enumerate(totals)], seed)
    for i, cpus in enumerate(small):
        cluster.arrive(Job(f"small-{i}", core_of(of_cpus(cpus)), of_cpus(cpus), 99))
    cluster.run(10)
    job = Job("large", core_of(of_cpus(large)), of_cpus(large), 99)
    cluster.arrive(job)
    cluster.settle(SETTLES_S)
    event(f"core: {job.has_core}, sheds: {cluster.sheds}")
    assert job.has_core or not cluster.could_start(job)


@settings(max_examples=60)
@given(SEEDS, st.sampled_from([1, 2, 3, 5, 99]))
def test_a_lone_job_takes_all_that_it_can_use(seed, wanted):
    chance = random.Random(seed)  # noqa: S311
    unit, nodes = a_unit(chance), some_nodes(chance)
    cluster = Cluster(nodes, seed, best=True)
    job = Job("one", core_of(unit), unit, wanted)
    cluster.arrive(job)
    cluster.run(5)
    after_core = cluster.free(lambda claim: claim.core)
    assert job.has_core is (place(job.core, nodes) is not None)
    further = 0
    while job.has_core and further < wanted - 1 and (where := place(unit, after_core)):
        after_core = taken(after_core, zip(where, unit, strict=True))
        further += 1
    assert job.held == job.has_core + further
    assert cluster.sheds == 0
    assert sum(not claim.held for claim in job.claims.values()) <= 1
