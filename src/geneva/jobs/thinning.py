"""Keeps a job's history small however long the job takes: it gets coarser, and stays true. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from geneva.jobs.history import MIXED, Sample, TaskSpan, WorkerSpan
from geneva.storage.model import RowRange

MOST_SAMPLES = 240
MOST_WORKERS = 200
MOST_TASKS = 600
# Shorter spans than that are not seen in any picture of a job that has hundreds of them.
_FIRST_RESOLUTION_S = 0.01
# Two samples that are to be one interval apart are that but for the clock's precision.
_SLACK = 0.999


def with_sample(
    samples: Sequence[Sample], sample: Sample, interval_s: float
) -> tuple[list[Sample], float]:
    """Return samples with one more, and the interval between two of them, which may have doubled.

    The first and the newest are always among them; the newest takes the place of the one before as
    long as that is too close to its own predecessor.

    Parameters
    ----------
    samples
        Those before, in order.
    sample
        The newest.
    interval_s
        Seconds between two samples, at least.

    Examples
    --------
    >>> samples, interval_s = [], 0.25
    >>> for second in range(1_000):
    ...     samples, interval_s = with_sample(samples, Sample(float(second)), interval_s)
    >>> len(samples) <= MOST_SAMPLES, interval_s, samples[0].elapsed_s, samples[-1].elapsed_s
    (True, 8.0, 0.0, 999.0)
    """
    kept = list(samples)
    apart_s = kept[-1].elapsed_s - kept[-2].elapsed_s if len(kept) > 1 else interval_s
    if kept and (apart_s < interval_s * _SLACK or sample.elapsed_s <= kept[-1].elapsed_s):
        kept.pop()
    kept.append(sample)
    while len(kept) > MOST_SAMPLES:
        interval_s *= 2
        kept = _apart(kept, interval_s)
    return kept, interval_s


def fitted(
    tasks: Sequence[TaskSpan], resolution_s: float, most: int
) -> tuple[list[TaskSpan], float]:
    """Return spans of ended tasks, merged until there are few enough, and their new resolution.

    Neighbours of one worker are merged if they are one span of at most that many seconds. So a
    worker's busy time stays what it was, and no idle time that is longer is covered. At least one
    span is left of each worker.

    Parameters
    ----------
    tasks
        In the order in which they began.
    resolution_s
        How long spans may be that are merged; 0 if none were yet.
    most
        Most spans.

    Examples
    --------
    >>> tasks = [TaskSpan(0, at_s, at_s + 0.4) for at_s in (0.0, 0.5, 5.0, 5.5)]
    >>> found, resolution_s = fitted(tasks, 0.0, 2)
    >>> [(span.began_s, span.ended_s, span.tasks, round(span.idle_s, 3)) for span in found]
    [(0.0, 0.9, 2, 0.1), (5.0, 5.9, 2, 0.1)]
    """
    # Those that came since the last time are merged as the others were.
    found = _merged(tasks, resolution_s) if resolution_s else list(tasks)
    most = max(most, len({span.worker for span in found}))
    while len(found) > most:
        resolution_s = max(_FIRST_RESOLUTION_S, 2 * resolution_s)
        found = _merged(found, resolution_s)
    return found, resolution_s


def without(tasks: Sequence[TaskSpan], gone: WorkerSpan) -> list[TaskSpan]:
    """Return the tasks that were not done by one worker, which is left out."""
    until_s = math.inf if gone.ended_s is None else gone.ended_s
    return [
        task
        for task in tasks
        if task.worker != gone.worker or not gone.began_s <= task.began_s <= until_s
    ]


def _apart(samples: Sequence[Sample], interval_s: float) -> list[Sample]:
    """Return the samples that are an interval apart; what is between two is merged into the later.

    Counts go up to the moment of a sample, so they are right as they are. A speed is that of the
    time before it.
    """
    kept = [samples[0]]
    speeds: list[float] = []
    for number, sample in enumerate(samples[1:], 2):
        speeds.append(sample.rows_per_s)
        far = sample.elapsed_s - kept[-1].elapsed_s >= interval_s * _SLACK
        if far or number == len(samples):
            kept.append(replace(sample, rows_per_s=round(sum(speeds) / len(speeds), 4)))
            speeds = []
    return kept


def _merged(tasks: Sequence[TaskSpan], resolution_s: float) -> list[TaskSpan]:
    found: list[TaskSpan] = []
    last: dict[int, TaskSpan] = {}
    for span in tasks:
        before = last.get(span.worker)
        if before is not None:
            if _ended(span) - before.began_s <= resolution_s:
                last[span.worker] = _joined(before, span)
                continue
            found.append(before)
        last[span.worker] = span
    return sorted([*found, *last.values()], key=_began)


def _joined(one: TaskSpan, next_one: TaskSpan) -> TaskSpan:
    same = one.fragment_id == next_one.fragment_id
    first, last = one.rows, next_one.rows
    rows = None
    if same and first is not None and last is not None:
        rows = RowRange(min(first.start, last.start), max(first.stop, last.stop))
    gap_s = max(0.0, next_one.began_s - _ended(one))
    return TaskSpan(
        worker=one.worker,
        began_s=one.began_s,
        ended_s=next_one.ended_s,
        fragment_id=one.fragment_id if same else None,
        rows=rows,
        kind=one.kind if one.kind == next_one.kind else MIXED,
        tasks=one.tasks + next_one.tasks,
        idle_s=round(one.idle_s + next_one.idle_s + gap_s, 4),
    )


def _began(span: TaskSpan) -> float:
    return span.began_s


def _ended(span: TaskSpan) -> float:
    return span.began_s if span.ended_s is None else span.ended_s
