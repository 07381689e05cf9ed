"""How many units fit, compared with all ways to place them on small clusters."""

from __future__ import annotations

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from geneva.resources.admission import Verdict, admit
from geneva.resources.capacity import units_fitting
from geneva.resources.cluster import CPU, GPU, MEMORY, Bundle, Node
from geneva.resources.footprint import Footprint
from geneva.resources.packing import taken
from geneva.resources.request import Request
from geneva.resources.shape import ClusterShape
from tests.property.all_placements import most_by_all_placements

GIB = 1 << 30

requests = st.builds(
    Request,
    num_cpus=st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.0, 3.0]),
    num_gpus=st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.0]),
    memory_bytes=st.sampled_from([0, GIB // 2, 2 * GIB]),
)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Node, ...]:
    nodes = []
    for i in range(draw(st.integers(1, 3))):
        total = {
            CPU: draw(st.sampled_from([1.0, 1.5, 2.0, 3.2, 4.0])),
            MEMORY: float(draw(st.integers(1, 5)) * GIB),
            GPU: float(draw(st.sampled_from([0, 0, 1, 2]))),
        }
        free = {name: draw(st.sampled_from([amount, amount / 2])) for name, amount in total.items()}
        nodes.append(Node(f"node-{i}", f"node-{i}", total, free))
    return tuple(nodes)


def _node(name: str, cpus: float, total: int, free: int) -> Node:
    amounts = ({"CPU": cpus, "memory": float(size), "GPU": 0.0} for size in (total, free))
    return Node(name, name, *amounts)


# The applier of the small node must stay: on the large one it takes the room of a writer.
SMALL_AND_LARGE = (_node("a", 1.0, 1 << 30, 1 << 29), _node("b", 1.0, 3 << 30, 3 << 30))


@settings(max_examples=150, deadline=None)
@example(Request(num_cpus=0.1, memory_bytes=1 << 29), SMALL_AND_LARGE, 3)
@given(requests, clusters(), st.integers(1, 5))
def test_nearly_as_many_fit_as_the_best_packing_holds(request, nodes, concurrency):
    footprint = Footprint(request, concurrency)
    best = most_by_all_placements(footprint, nodes)
    found = units_fitting(footprint, nodes)
    event(f"{found} of {best}")
    assert 0.9 * best <= found <= best or found == best - 1 >= 4, (found, best)
    assert (found > 0) == (best > 0)
    verdict = admit(footprint, ClusterShape(nodes)).verdict
    assert (verdict is Verdict.FITS) == (best > 0)


@settings(max_examples=150)
@given(requests, clusters(), st.integers(1, 30), st.data())
def test_what_is_found_is_there(request, nodes, concurrency, data):
    """So many units are placed one after the other by Ray's own rule, or nearly."""
    footprint = Footprint(request, concurrency)
    found = units_fitting(footprint, nodes)
    assert found <= concurrency
    fewer = units_fitting(Footprint(request, data.draw(st.integers(1, concurrency))), nodes)
    assert fewer <= found
    larger = taken(nodes, [(nodes[0].node_id, Bundle({CPU: -1.0, MEMORY: -float(GIB)}))])
    assert units_fitting(footprint, larger) >= found
