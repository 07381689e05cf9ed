"""The order of columns that are computed from each other, for every graph."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geneva.errors import InvalidArgumentError
from geneva.jobs.dependencies import levels, reached

NAMES = [f"c{i}" for i in range(7)]
graphs = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from([*NAMES, "text"]), unique=True, max_size=4)
)


def steps_of(graph: dict[str, list[str]]) -> set[tuple[str, str]]:
    return {(name, read) for name, reads in graph.items() for read in reads if read in graph}


def is_circular(graph: dict[str, list[str]]) -> bool:
    left = dict(graph)
    while free := [n for n in left if not any(read in left for read in left[n])]:
        for name in free:
            del left[name]
    return bool(left)


@given(graphs)
def test_every_column_comes_after_what_it_reads_as_early_as_it_can(graph):
    if is_circular(graph):
        with pytest.raises(InvalidArgumentError) as refused:
            levels(graph)
        path = re.findall(r"\bc\d\b", str(refused.value).partition(": ")[2].partition(".")[0])
        assert path[0] == path[-1]
        assert len(path) > 1
        assert set(pairwise(path)) <= steps_of(graph)
        return
    found = levels(graph)
    level = {name: number for number, names in enumerate(found) for name in names}
    assert sorted(level) == sorted(graph)
    for name, reads in graph.items():
        below = [level[read] for read in reads if read in graph]
        assert level[name] == max(below, default=-1) + 1


@given(graphs.filter(lambda graph: not is_circular(graph)), st.sets(st.sampled_from(NAMES)))
def test_what_changes_is_what_reads_what_changes(graph, changed):
    changed &= set(graph)
    found = reached(graph, changed)
    for name in graph:
        reads = any(read in found for read in graph[name])
        assert (name in found) == (name in changed or reads)
