"""What a job asks of a cluster: the numbers of the guide, to the digit."""

from __future__ import annotations

import json

import pytest

from geneva.resources.admission import Verdict, admit
from geneva.resources.capacity import units_fitting
from geneva.resources.cluster import ACCELERATOR_LABEL, CPU, GPU, MEMORY, Node
from geneva.resources.footprint import (
    APPLIER_BUNDLE,
    IN_PROCESS,
    WRITER_BUNDLE,
    Components,
    Footprint,
)
from geneva.resources.request import Machine, Request
from geneva.resources.shape import shape_of_machine

MIB, GIB = 1 << 20, 1 << 30
GB = 10**9


def test_the_example_of_the_guide():
    """Driver 0.1 + tracker 0.1 + appliers 4 x 1 + writers 4 x 0.1 CPUs; 128 MB + 4 x 1 GB."""
    footprint = Footprint(Request(num_cpus=1), concurrency=4)
    assert round(footprint.num_cpus, 9) == 4.6
    assert footprint.memory_bytes == 128 * MIB + 4 * GIB
    core, unit = footprint.unit(core=True), footprint.unit()
    assert core[WRITER_BUNDLE].resources == {CPU: 0.3, MEMORY: 128 * MIB + GIB}
    assert unit[WRITER_BUNDLE].resources == {CPU: 0.1, MEMORY: GIB}
    assert core[APPLIER_BUNDLE].resources == unit[APPLIER_BUNDLE].resources == {CPU: 1.0}


@pytest.mark.parametrize(
    "footprint",
    [
        Footprint(Request(num_cpus=1), concurrency=4),
        Footprint(Request(num_cpus=0.5, memory_bytes=3 * GIB), concurrency=1),
        Footprint(Request(num_cpus=2, num_gpus=1), concurrency=16),
        Footprint(Request(), concurrency=3, components=Components(queue_cpus=0.05)),
    ],
)
def test_the_gangs_are_the_whole_footprint(footprint):
    gangs = [footprint.unit(core=True)] + (footprint.concurrency - 1) * [footprint.unit()]
    asked = [bundle.resources for gang in gangs for bundle in gang]
    cpus = sum(resources.get(CPU, 0) for resources in asked)
    assert round(cpus, 9) == round(footprint.num_cpus, 9)
    assert sum(resources.get(MEMORY, 0) for resources in asked) == footprint.memory_bytes


def nodes_of(*shapes: tuple[int, int, int]) -> list[Node]:
    """Return nodes, given as how many, their CPUs and their GB."""
    sizes = [(cpus, gb) for count, cpus, gb in shapes for _ in range(count)]
    return [
        Node(str(i), f"10.0.0.{i}", {CPU: cpus, MEMORY: gb * GB}, {CPU: cpus, MEMORY: gb * GB})
        for i, (cpus, gb) in enumerate(sizes)
    ]


SMALL = nodes_of((1, 1, 3), (4, 2, 4))
MEDIUM = nodes_of((1, 2, 4), (4, 4, 8))
LARGE = nodes_of((1, 4, 8), (8, 8, 16))


@pytest.mark.parametrize(
    ("nodes", "totals", "concurrency"),
    [
        pytest.param(SMALL, (9, 19), 2, id="small"),
        pytest.param(MEDIUM, (18, 36), 4, id="medium"),
        pytest.param(LARGE, (68, 136), 8, id="large"),
    ],
)
def test_the_guides_clusters_hold_its_recommended_concurrency(nodes, totals, concurrency):
    assert sum(node.total[CPU] for node in nodes) == totals[0]
    assert sum(node.total[MEMORY] for node in nodes) == totals[1] * GB
    footprint = Footprint(Request(num_cpus=1), concurrency)
    assert units_fitting(footprint, nodes) == concurrency


@pytest.mark.parametrize(
    ("request_", "nodes", "units"),
    [
        # The node of a writer has room for one applier of a CPU less.
        pytest.param(Request(num_cpus=1), SMALL, 6, id="small"),
        pytest.param(Request(num_cpus=2), SMALL, 3, id="small, 2 CPUs"),
        pytest.param(Request(num_cpus=1), MEDIUM, 15, id="medium"),
        pytest.param(Request(num_cpus=4), MEDIUM, 3, id="medium, 4 CPUs"),
        pytest.param(Request(num_cpus=0), SMALL, 14, id="small, limited by writers' memory"),
        pytest.param(Request(num_cpus=4), SMALL, 0, id="no node is large enough"),
        pytest.param(Request(num_gpus=1), LARGE, 0, id="no GPU"),
    ],
)
def test_how_many_units_the_guides_clusters_hold(request_, nodes, units):
    assert units_fitting(Footprint(request_, concurrency=99), nodes) == units


def test_what_an_applier_takes_on_its_node():
    request = Request(
        num_cpus=2,
        num_gpus=1,
        memory_bytes=4 * GIB,
        resources=(("slot", 1.0), ("none", 0.0)),
        labels=(("pool", "!spot"),),
        accelerator_type="H100",
    )
    bundle = Footprint(request, 1).applier_bundle()
    assert bundle.resources == {CPU: 2, GPU: 1, MEMORY: 4 * GIB, "slot": 1}
    assert bundle.labels == {"pool": "!spot", ACCELERATOR_LABEL: "H100"}


@pytest.mark.parametrize(
    ("request_", "apart"),
    [
        (Request(num_cpus=1), False),
        (Request(num_cpus=1, num_gpus=1), False),
        (Request(num_cpus=1, num_gpus=2), False),
        (Request(num_cpus=1, num_gpus=0.5), True),
        (Request(num_cpus=0), True),
        (Request(num_cpus=0, memory_bytes=1), False),
    ],
)
def test_appliers_that_cannot_be_reserved_stand_apart(request_, apart):
    footprint = Footprint(request_, 2)
    assert footprint.applier_apart is apart
    assert len(footprint.unit()) == len(footprint.unit(core=True)) == (1 if apart else 2)


def test_what_only_a_cluster_has_is_refused_on_one_machine():
    machine = Machine(num_cpus=8, num_gpus=0, memory_bytes=8 << 30)
    for asked, words in (
        (Request(resources=(("license", 1.0),)), "resource license"),
        (Request(labels=(("pool", "gpu"),)), "a node with pool=gpu"),
        (Request(accelerator_type="H100"), "accelerator H100"),
    ):
        admission = admit(Footprint(asked, 4, IN_PROCESS), shape_of_machine(machine))
        assert admission.verdict is Verdict.NEVER
        assert words in admission.reason
        assert "after ray.init()" in admission.fix


def test_a_footprint_is_shown_as_a_table():
    footprint = Footprint(Request(num_cpus=1), concurrency=4)
    assert str(footprint).splitlines() == [
        "component  count  CPU  GPU   memory  CPU in all  GPU in all  memory in all",
        "driver         1  0.1    0        0         0.1           0              0",
        "tracker        1  0.1    0  128 MiB         0.1           0        128 MiB",
        "applier        4    1    0        0           4           0              0",
        "writer         4  0.1    0    1 GiB         0.4           0          4 GiB",
        "queue          4    0    0        0           0           0              0",
        "total         14                            4.6           0       4224 MiB",
    ]
    found = json.loads(footprint.to_json())
    assert found["total"]["num_cpus"] == 4.6
    assert [line["component"] for line in found["components"]][2] == "applier"
    html = footprint._repr_html_()
    assert html.count("<tr>") == 7
    assert "<td>4.6</td>" in html
    assert "driver" not in str(Footprint(Request(), 2, IN_PROCESS))
