"""Events of a Ray worker that wait to be fetched."""

from __future__ import annotations

import threading
import time

from geneva.jobs.events import FunctionPrinted, RowsApplied, StageTimes, TaskSplit
from geneva.runners.ray.outbox import MOST_PRINTS, Outbox


def rows(count: int) -> RowsApplied:
    return RowsApplied(0, 0, count, 8, count, StageTimes())


def events(outbox: Outbox, timeout_s: float = 0.0) -> list:
    return [envelope.event for envelope in outbox.take(timeout_s)]


def test_events_come_in_order_and_once():
    outbox = Outbox()
    given = [rows(1), TaskSplit(0, 0, None), rows(2)]
    for event in given:
        outbox.put("job", event)
    assert [(e.round_id, e.event) for e in outbox.take(5)] == [("job", event) for event in given]
    assert events(outbox) == []


def test_what_is_urgent_wakes_whoever_waits():
    outbox = Outbox()
    threading.Timer(0.1, outbox.put, ("job", TaskSplit(0, 0, 7))).start()
    started = time.monotonic()
    assert events(outbox, 30) == [TaskSplit(0, 0, 7)]
    assert time.monotonic() - started < 10


def test_the_first_rows_are_urgent_and_later_ones_are_fetched_together():
    outbox = Outbox()
    outbox.put("job", rows(1))
    assert events(outbox, 30) == [rows(1)]
    threading.Timer(0.05, outbox.put, ("job", rows(3))).start()
    outbox.put("job", rows(2))
    assert events(outbox, 30) == [rows(2), rows(3)]


def test_prints_without_end_are_counted():
    outbox = Outbox()
    for number in range(MOST_PRINTS + 5):
        outbox.put("job", FunctionPrinted(0, "stderr", None, str(number)))
    outbox.put("job", TaskSplit(0, 0, None))
    *printed, split, last = events(outbox)
    assert [p.text for p in printed] == [str(number) for number in range(MOST_PRINTS)]
    assert split == TaskSplit(0, 0, None)
    assert (last.stream, last.text) == ("stderr", "... and 5 more prints that are not shown")
    outbox.put("job", FunctionPrinted(0, "stdout", None, "again"))
    assert [e.text for e in events(outbox, 1)] == ["again"]
