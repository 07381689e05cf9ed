"""Who holds what a job waits for."""

from __future__ import annotations

from geneva.resources.cluster import CPU, GPU, MEMORY, Bundle, Node
from geneva.resources.pending import StartingNodes, held_by, on_their_way
from geneva.resources.sharing import Claim

GIB = 1 << 30
UNIT = (Bundle({CPU: 0.1, MEMORY: GIB}), Bundle({CPU: 2.0}))


def node(name: str, total: float, free: float, **more: float) -> Node:
    has = {CPU: total, MEMORY: 64.0 * GIB, **more}
    return Node(name, name, has, {**has, CPU: free})


def test_the_node_where_the_least_is_missing_is_named():
    nodes = (node("a", 8, 1.5), node("b", 4, 0.5), node("c", 1, 1))
    claims = [
        Claim("11112222.a", 0, UNIT, ("a", "a"), core=True),
        Claim("33334444.b", 0, UNIT, ("b", "a"), core=True),
        Claim("me.c", 0, UNIT, ("c", "b")),
        Claim("me.c", 1, UNIT, ()),
    ]
    assert held_by(UNIT, nodes, claims, "me.c") == (
        "on a 1.5 CPUs are free; job 11112222 holds 2.1 CPUs, job 33334444 holds 2 CPUs, "
        "others 2.4 CPUs"
    )
    assert held_by(UNIT, nodes[1:2], claims, "me.c") == (
        "on b 0.5 CPU is free; this job holds 2 CPUs, job 33334444 holds 0.1 CPU, others 1.4 CPUs"
    )


def test_others_alone():
    assert held_by(UNIT, (node("a", 2, 0),), [], "me") == "on a 0 CPU is free; others hold 2 CPUs"


def test_what_no_node_has_is_held_by_nobody():
    assert held_by((Bundle({GPU: 1.0}),), (node("a", 4, 4),), [], "me") == ""
    assert held_by(UNIT, (node("a", 4, 4),), [], "me") == ""


def test_bundles_that_fit_one_by_one_and_not_together():
    theirs = [Claim("11112222.a", 0, (Bundle({CPU: 1.0}),), ("a",), core=True)]
    nodes = (node("a", 3, 2), node("b", 2, 0))
    assert held_by(UNIT, nodes, theirs, "me") == "on a 2 CPUs are free; job 11112222 holds 1 CPU"


def test_what_fits_one_node_never_is_not_called_held():
    # On two nodes it does, but then nobody in particular is in the way.
    nodes = (node("a", 2, 2), node("b", 0.05, 0.05))
    assert held_by(UNIT, nodes, [], "me") == ""


def test_nodes_on_their_way():
    assert on_their_way([]) == ""
    text = on_their_way([StartingNodes("gpu", 3, 0.2)])
    assert text == "the autoscaler is starting 3 nodes of type gpu for 0 s"
