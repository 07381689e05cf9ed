"""Who holds what a job waits for."""

from __future__ import annotations

from geneva.resources.cluster import CPU, GPU, MEMORY, Bundle, Node
from geneva.resources.pending import held_by
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
