"""Keeps the calls of an async function in flight across batches.

Values are written in order of rows, and a batch is done when its slowest call is. The calls of the
batches after it are begun before that, so that one slow call leaves no others waiting.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from geneva.pipeline.control import TaskControl
from geneva.storage.model import RowRange
from geneva.transformer.binding import BoundFunction

if TYPE_CHECKING:
    from geneva.transformer.event_loop import Calls

Batch = tuple[np.ndarray, pa.RecordBatch]

# Rows that may be begun while an earlier one is not done, in multiples of the calls in flight. A
# call may take so many times as long as the others before they wait for it.
_FURTHEST = 16
# How long a job that is stopped waits for calls in flight.
_GRACE_S = 0.5


def begun_ahead(
    batches: Iterator[Batch],
    bound: BoundFunction,
    control: TaskControl,
    waiting: Callable[[RowRange], AbstractContextManager[None]],
) -> Iterator[Batch]:
    """Yield batches whose calls have ended, in order, while those of later batches run.

    When the task is stopped, the calls in flight get half a second; of the batch with the first one
    that has not ended, the rows before are yielded, and the rest of the task is given up.

    Parameters
    ----------
    batches
        The batches, claimed.
    bound
        The function.
    control
        Says whether the task is to stop, and is told what was given up then.
    waiting
        Notes the range of rows that is being waited for.
    """
    begun: deque[tuple[Batch, Calls]] = deque()
    try:
        while True:
            more = _begin(begun, batches, bound)
            if not begun:
                return
            if not _first_ended(begun):
                with waiting(RowRange(int(begun[0][0][0][0]), int(begun[-1][0][0][-1]) + 1)):
                    while not (_first_ended(begun) or control.stopping):
                        bound.loop.look()
                        if more and _has_room(begun, bound):
                            break
                    if control.stopping:
                        _let_end(begun, bound)
            if _first_ended(begun):
                yield begun.popleft()[0]
            elif control.stopping:
                yield from _ended_part(begun, bound, control)
                return
    finally:
        for (_, columns), calls in begun:
            bound.forget(columns, calls)


def _first_ended(begun: deque[tuple[Batch, Calls]]) -> bool:
    return begun[0][1].done


def _let_end(begun: deque[tuple[Batch, Calls]], bound: BoundFunction) -> None:
    """Begin no more calls, and give those in flight a moment."""
    bound.loop.drop_queued()
    deadline_s = time.monotonic() + _GRACE_S
    while not _first_ended(begun) and bound.loop.busy and time.monotonic() < deadline_s:
        bound.loop.look()


def _begin(
    begun: deque[tuple[Batch, Calls]], batches: Iterator[Batch], bound: BoundFunction
) -> bool:
    """Begin batches as long as there is room; say whether there may be more of them."""
    while not begun or _has_room(begun, bound):
        batch = next(batches, None)
        if batch is None:
            return False
        begun.append((batch, bound.begin(batch[1])))
    return True


def _has_room(begun: deque[tuple[Batch, Calls]], bound: BoundFunction) -> bool:
    held = sum(len(offsets) for (offsets, _), _ in begun)
    return bound.loop.hungry and held < _FURTHEST * bound.loop.most


def _ended_part(
    begun: deque[tuple[Batch, Calls]], bound: BoundFunction, control: TaskControl
) -> Iterator[Batch]:
    """Yield the rows before the first call that has not ended, and give up those from it on."""
    (offsets, columns), calls = begun[0]
    ended = calls.ended_before()
    control.give_up(int(offsets[ended]))
    if ended:
        part = columns.slice(0, ended)
        bound.adopt(part, calls.first(ended))
        yield offsets[:ended], part
