"""A job's history gets coarser, and stays true: whatever the job, and however long it takes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from geneva.jobs.history import APPLY, WRITE, JobHistory, Sample, TaskSpan
from geneva.jobs.thinning import MOST_SAMPLES, fitted, with_sample
from geneva.storage.model import RowRange

_SECONDS = st.floats(0, 5_000, allow_nan=False).map(lambda s: round(s, 3))


@given(
    st.lists(_SECONDS, min_size=1, max_size=40),
    st.sampled_from([1, 30]),
    st.sampled_from([0.01, 0.25, 4.0]),
)
def test_samples_are_few_and_span_the_job(some, times, interval_s):
    steps = some * times
    samples: list[Sample] = []
    at_s, rows = 0.0, 0
    for step_s in steps:
        at_s, rows = round(at_s + step_s, 4), rows + 7
        sample = Sample(at_s, rows_done=rows, rows_per_s=float(rows % 10))
        samples, interval_s = with_sample(samples, sample, interval_s)
        assert len(samples) <= MOST_SAMPLES
    assert samples[0].elapsed_s == steps[0]
    assert (samples[-1].elapsed_s, samples[-1].rows_done) == (at_s, rows)
    gaps = [after.elapsed_s - before.elapsed_s for before, after in pairwise(samples)]
    assert all(gap > 0 for gap in gaps)
    # Only the newest may be closer than an interval.
    assert all(gap >= 0.998 * interval_s for gap in gaps[:-1])
    assert all(before.rows_done < after.rows_done for before, after in pairwise(samples))
    assert all(0 <= sample.rows_per_s <= 9 for sample in samples)


@st.composite
def days(draw) -> list[TaskSpan]:
    """Tasks of some workers, each of which does one after the other."""
    tasks = []
    for worker in range(draw(st.integers(1, 4))):
        at_s = 0.0
        for number in range(draw(st.integers(0, 40))):
            began_s = round(at_s + draw(st.one_of(st.just(0.0), _SECONDS)), 3)
            at_s = round(began_s + draw(_SECONDS), 3)
            kind = draw(st.sampled_from([APPLY, WRITE]))
            tasks.append(TaskSpan(worker, began_s, at_s, number // 3, RowRange(0, 9), kind))
    return sorted(tasks, key=lambda task: task.began_s)


@given(days(), st.integers(1, 100), st.sampled_from([0.0, 1.0, 1_000.0]))
def test_how_busy_workers_were_stays_what_it_was(tasks, most, resolution_s):
    found, coarser_s = fitted(tasks, resolution_s, most)
    assert len(found) <= max(most, len({task.worker for task in tasks}))
    assert coarser_s >= resolution_s
    assert [task.began_s for task in found] == sorted(task.began_s for task in found)
    for worker in range(4):
        before, after = (_of(worker, some) for some in (tasks, found))
        assert abs(_busy_s(before) - _busy_s(after)) < 0.01
        assert sum(task.tasks for task in after) == len(before)
        if before:
            assert after[0].began_s == before[0].began_s
            assert after[-1].ended_s == before[-1].ended_s
        # They do not overlap, and no time is covered that is longer than what can be seen.
        for one, next_one in pairwise(after):
            assert (one.ended_s or 0) <= next_one.began_s
        merged = [task for task in after if task.tasks > 1]
        assert all((task.ended_s or 0) - task.began_s <= coarser_s for task in merged)
        assert all(task.idle_s <= coarser_s for task in merged)
    kinds = Counter(task.kind for task in found if task.tasks == 1)
    assert set(kinds) <= {APPLY, WRITE}
    assert JobHistory.from_json(JobHistory(tasks=tuple(found)).to_json()).tasks == tuple(found)


def _of(worker: int, tasks: list[TaskSpan]) -> list[TaskSpan]:
    return [task for task in tasks if task.worker == worker]


def _busy_s(tasks: list[TaskSpan]) -> float:
    return sum(task.busy_s() for task in tasks)
