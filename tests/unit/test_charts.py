"""What charts draw of a job's history."""

from __future__ import annotations

from geneva.console.charts import stage_times, throughput, timeline, timeline_height_px
from geneva.jobs.history import MIXED, WRITE, JobHistory, Sample, TaskSpan, WorkerSpan
from geneva.storage.model import RowRange

SAMPLES = (
    Sample(0.0),
    Sample(1.0, rows_done=100, workers=2, read_s=0.5, udf_s=1.5),
    # Of two at the same time none divides by nothing.
    Sample(1.0, rows_done=100, workers=2, read_s=0.5, udf_s=1.5),
    # A worker was lost, and with it rows that were counted.
    Sample(2.0, rows_done=80, workers=1, read_s=0.5, udf_s=1.5),
    Sample(4.0, rows_done=480, workers=2, read_s=1.5, udf_s=4.5),
)
HISTORY = JobHistory(
    samples=SAMPLES,
    workers=(
        WorkerSpan(3, "applier 3", "applier", 0.5, 2.0, "crash at rows 5 to 9 of fragment 0"),
        WorkerSpan(7, "applier 7", "applier", 0.5, 4.0, "released"),
        # Another one of the same number takes the lane over.
        WorkerSpan(3, "applier 3", "applier", 2.5),
    ),
    tasks=(
        TaskSpan(3, 0.5, 2.0, 0, RowRange(0, 10)),
        TaskSpan(7, 0.5, 1.0, 1, RowRange(0, 10), kind=WRITE),
        TaskSpan(7, 1.0, 3.9, None, None, kind=MIXED, tasks=7, idle_s=1.45),
        TaskSpan(3, 3.0, None, 2, RowRange(0, 10)),
        # Its worker is one of those that are left out.
        TaskSpan(99, 0.0, 0.1, 2, RowRange(0, 10)),
    ),
)


def test_speed_is_what_was_done_between_two_samples():
    speed, workers = throughput(HISTORY)["series"]
    assert speed["data"] == [(1.0, 100.0), (2.0, 0.0), (4.0, 200.0)]
    assert workers["data"] == [(0.0, 0), (1.0, 2), (1.0, 2), (2.0, 1), (4.0, 2)]


def test_stage_times_are_what_workers_spent_per_second():
    lines = {line["name"]: line["data"] for line in stage_times(HISTORY)["series"]}
    assert lines["reading"] == [(1.0, 0.5), (2.0, 0.0), (4.0, 0.5)]
    assert lines["the function"] == [(1.0, 1.5), (2.0, 0.0), (4.0, 1.5)]
    assert lines["committing"] == [(1.0, 0.0), (2.0, 0.0), (4.0, 0.0)]


def test_a_worker_has_a_lane_and_what_goes_on_goes_until_now():
    options = timeline(HISTORY)
    assert options["yAxis"]["data"] == ["applier 3", "applier 7"]
    there, busy = (series["data"] for series in options["series"])
    assert [bar["value"][:3] for bar in there] == [[0, 0.5, 2.0], [1, 0.5, 4.0], [0, 2.5, 4.0]]
    lost, released, going = (bar["itemStyle"]["color"] for bar in there)
    assert lost != released == going
    assert [bar["value"][:3] for bar in busy] == [
        [0, 0.5, 2.0],
        [1, 0.5, 1.0],
        [1, 1.0, 3.9],
        [0, 3.0, 4.0],
    ]
    # Of the third one, half is idle.
    assert [bar["itemStyle"]["color"][-2:] for bar in busy] == ["ff", "ff", "80", "ff"]
    assert [bar["name"] for bar in busy] == [
        "fragment 0, rows 0 to 9",
        "writing fragment 1, rows 0 to 9",
        "7 tasks",
        "fragment 2, rows 0 to 9",
    ]


def test_what_was_not_recorded_is_empty():
    empty = JobHistory()
    assert throughput(empty)["series"][0]["data"] == []
    assert timeline(empty)["yAxis"]["data"] == []
    many = JobHistory(workers=tuple(WorkerSpan(n, f"w{n}", "worker", 0.0) for n in range(500)))
    assert timeline_height_px(empty) < timeline_height_px(HISTORY) < timeline_height_px(many) < 700
