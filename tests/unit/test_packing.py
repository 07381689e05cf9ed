"""Gangs of bundles on nodes: where they go, how many fit, and what the user reads if none does."""

from __future__ import annotations

import pytest

from geneva.resources.cluster import CPU, GPU, MEMORY, Bundle, Gang, Node, labels_match
from geneva.resources.packing import (
    described,
    emptied,
    fits,
    place,
    released,
    shortage,
    taken,
)

GIB = 1 << 30
ONE_CPU: Gang = (Bundle({CPU: 1.0}),)
UNIT: Gang = (Bundle({CPU: 0.1, MEMORY: GIB}), Bundle({CPU: 1.0}))
GPU_UNIT: Gang = (Bundle({CPU: 0.1}), Bundle({CPU: 1.0, GPU: 1.0}))


def node(
    name: str,
    cpus: float,
    gib: float = 64,
    gpus: float = 0,
    *,
    total_cpus: float | None = None,
    labels: dict[str, str] | None = None,
    **custom: float,
) -> Node:
    free = {CPU: cpus, MEMORY: gib * GIB, GPU: gpus, **custom}
    total = {**free, CPU: cpus if total_cpus is None else total_cpus}
    return Node(name, name, total, free, labels or {})


# -- one bundle ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "free", "fitting"),
    [
        ({CPU: 1.0}, {CPU: 1.0}, True),
        ({CPU: 1.0}, {CPU: 0.99}, False),
        ({CPU: 0.1}, {CPU: 1 - 9 * 0.1}, True),
        ({CPU: 0.1}, {CPU: 0.0999}, False),
        ({GPU: 1.0}, {CPU: 8.0}, False),
        ({}, {}, True),
        ({MEMORY: GIB}, {MEMORY: GIB}, True),
        ({MEMORY: GIB}, {MEMORY: GIB - 1}, False),
        ({"slot": 2.0}, {"slot": 2.0}, True),
    ],
)
def test_a_bundle_fits_up_to_the_last_ten_thousandth(asked, free, fitting):
    assert fits(Bundle(asked), free, {}) is fitting


@pytest.mark.parametrize(
    ("rule", "value", "matching"),
    [
        ("gpu", "gpu", True),
        ("gpu", "cpu", False),
        ("gpu", None, False),
        ("!gpu", "cpu", True),
        ("!gpu", "gpu", False),
        ("!gpu", None, True),
        ("in(a,b)", "b", True),
        ("in(a, b)", "b", True),
        ("in(a,b)", "c", False),
        ("in(a,b)", None, False),
        ("!in(a,b)", "c", True),
        ("!in(a,b)", "a", False),
        ("!in(a,b)", None, True),
        ("in()", "a", False),
        ("in", "in", True),
    ],
)
def test_labels(rule, value, matching):
    assert labels_match({"pool": rule}, {} if value is None else {"pool": value}) is matching


# -- gangs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gang", "nodes", "where"),
    [
        pytest.param((), [], (), id="nothing fits anywhere"),
        pytest.param(ONE_CPU, [], None, id="no node"),
        pytest.param(ONE_CPU, [node("a", 0.5), node("b", 0.5)], None, id="the sum suffices"),
        pytest.param(
            (Bundle({CPU: 1.0, MEMORY: 4 * GIB}),),
            [node("a", 8, 1), node("b", 0.5, 64)],
            None,
            id="CPU on one node and memory on another",
        ),
        pytest.param(
            (Bundle({CPU: 0.1, MEMORY: 4 * GIB}), Bundle({CPU: 8.0})),
            [node("a", 8, 1), node("b", 0.5, 64)],
            ("b", "a"),
            id="bundles on the node that has what each needs",
        ),
        pytest.param(UNIT, [node("a", 1), node("b", 1)], ("b", "a"), id="on two nodes"),
        pytest.param(UNIT, [node("a", 2)], ("a", "a"), id="on one node"),
        pytest.param(UNIT, [node("a", 1.1, 0.5)], None, id="all or nothing"),
        pytest.param(
            (Bundle({CPU: 1.0}), Bundle({CPU: 1.0}), Bundle({CPU: 2.0})),
            [node("a", 2), node("b", 2)],
            ("b", "b", "a"),
            id="the large one is not left out for the small ones",
        ),
        pytest.param(
            (Bundle({CPU: 2.0}), Bundle({CPU: 1.0, "slot": 1.0})),
            [node("a", 2, slot=1), node("b", 2)],
            ("b", "a"),
            id="the first choice for the large one is taken back",
        ),
        pytest.param(ONE_CPU, [node("a", 8), node("b", 2)], ("b",), id="the fullest node"),
        pytest.param(
            ONE_CPU, [node("a", 8, 2), node("b", 8, 1)], ("b",), id="the one with less memory"
        ),
        pytest.param(
            ONE_CPU, [node("g", 1, gpus=1), node("a", 8)], ("a",), id="not the node with a GPU"
        ),
        pytest.param(
            ONE_CPU,
            [node("g4", 1, gpus=4), node("g1", 8, gpus=1)],
            ("g1",),
            id="the one with fewer GPUs",
        ),
        pytest.param(
            ONE_CPU, [node("g", 1, gpus=1), node("a", 0.5)], ("g",), id="a GPU rather than nothing"
        ),
        pytest.param(
            GPU_UNIT,
            [node("a", 8), node("g", 8, gpus=2)],
            ("a", "g"),
            id="only the applier takes the node with the GPU",
        ),
        pytest.param(
            (Bundle({CPU: 1.0}, {"pool": "spot"}),),
            [node("a", 1), node("b", 8, labels={"pool": "spot"})],
            ("b",),
            id="the node with the label",
        ),
        pytest.param(
            (Bundle({CPU: 1.0}, {"pool": "!spot"}),),
            [node("a", 1, labels={"pool": "spot"})],
            None,
            id="no node without the label",
        ),
        pytest.param(
            (Bundle({CPU: 0.1}, {"zone": "a"}), Bundle({CPU: 1.0}, {"zone": "b"})),
            [node("1", 8, labels={"zone": "b"}), node("2", 8, labels={"zone": "a"})],
            ("2", "1"),
            id="labels of each bundle",
        ),
    ],
)
def test_where_a_gang_goes(gang, nodes, where):
    assert place(gang, nodes) == where


def test_what_is_taken_comes_back():
    nodes = [node("a", 2, 4), node("b", 1, 1)]
    bundles = [("a", UNIT[0]), ("b", UNIT[1]), ("gone", UNIT[1])]
    left = taken(iter(nodes), bundles)
    assert [(n.free[CPU], n.free[MEMORY] / GIB) for n in left] == [(1.9, 3), (0, 1)]
    assert place(UNIT, left) == ("a", "a")
    assert released(left, bundles) == nodes
    assert emptied(left) == nodes
    assert place(UNIT, taken(left, [("a", UNIT[1])])) is None


# -- what the user reads -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gang", "nodes", "text"),
    [
        (ONE_CPU, [], "needs a node; there is none"),
        (
            ONE_CPU,
            [node("a", 0.5), node("b", 0)],
            "needs 1 CPU on one node; the largest has 0.5 (a)",
        ),
        (
            (Bundle({GPU: 1.0}),),
            [node("a", 8)],
            "needs 1 GPU on one node; no node has any GPU",
        ),
        (
            (Bundle({CPU: 2.0, MEMORY: 16 * GIB}),),
            [node("a", 8, 8), node("b", 1, 64)],
            (
                "needs 2 CPUs and 16 GiB of memory on one node; "
                "no single node has all of it: a lacks 8 GiB of memory, b lacks 1 CPU"
            ),
        ),
        (
            (Bundle({CPU: 2.0, MEMORY: 80 * GIB}),),
            [node("a", 8, 8), node("b", 1, 64)],
            "needs 2 CPUs and 80 GiB of memory on one node; the largest has 64 GiB of memory (b)",
        ),
        (
            (Bundle({CPU: 1.0}, {"pool": "gpu"}),),
            [node("a", 8)],
            "needs 1 CPU with pool=gpu on one node; no node has these labels",
        ),
        (
            (Bundle({CPU: 16.0}, {"pool": "gpu"}),),
            [node("a", 64), node("b", 4, labels={"pool": "gpu"})],
            "needs 16 CPUs with pool=gpu on one node; the largest has 4 (b)",
        ),
        (
            (Bundle({CPU: 0.1}), Bundle({CPU: 4.0, "slot": 1.0})),
            [node("a", 2, slot=1), node("b", 8)],
            (
                "needs 4 CPUs and 1 slot on one node; "
                "no single node has all of it: a lacks 2 CPUs, b lacks 1 slot"
            ),
        ),
        (
            UNIT,
            [node("a", 1)],
            "needs 0.1 CPU and 1 GiB of memory and 1 CPU at once; no nodes hold both",
        ),
    ],
)
def test_why_a_gang_does_not_fit(gang, nodes, text):
    assert place(gang, nodes) is None
    assert shortage(gang, nodes) == text


def test_what_is_short_now_and_what_is_short_for_ever_are_told_apart():
    busy = [node("a", 1, total_cpus=8)]
    gang = (Bundle({CPU: 4.0}),)
    assert shortage(gang, busy) == "needs 4 CPUs on one node; the largest has 1 (a)"
    assert place(gang, emptied(busy)) == ("a",)


@pytest.mark.parametrize(
    ("asked", "labels", "text"),
    [
        ({CPU: 1.0}, {}, "1 CPU"),
        ({CPU: 0.5, GPU: 2.0}, {}, "0.5 CPU and 2 GPUs"),
        ({MEMORY: 1.5 * GIB}, {}, "1.5 GiB of memory"),
        ({CPU: 1.0}, {"pool": "in(a,b)", "zone": "!c"}, "1 CPU with pool=in(a,b), zone=!c"),
        ({}, {}, "nothing"),
    ],
)
def test_bundles_in_words(asked, labels, text):
    assert described(Bundle(asked, labels)) == text
