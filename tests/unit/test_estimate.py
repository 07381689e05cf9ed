"""From a sample to a job, in numbers."""

from __future__ import annotations

import pyarrow as pa
import pytest

from geneva.jobs.estimate import Work, estimate
from geneva.jobs.intervals import Interval, largest, student_t, total
from geneva.jobs.preview import Call, Preview, PreviewRow, RowFailure

MIB = 1 << 20


def preview(seconds: list[float], *, memory: int | None = 0, rows_each: int = 1, **more) -> Preview:
    """Return what was seen of calls that took so long, each for strings of 10 letters."""
    calls = tuple(Call(rows_each, s, memory, 14 * rows_each) for s in seconds)
    rows = tuple(
        PreviewRow(i, 0, i, {}, "computed", "x" * 10, 14) for i in range(rows_each * len(seconds))
    )
    values = pa.array(["x" * 10] * len(rows))
    batch = pa.record_batch({"id": pa.array(range(len(rows)), pa.int64())})
    more = {"ready_bytes": 200 * MIB, "peak_memory_bytes": 200 * MIB, "setup_s": 3.0, **more}
    names = ("t", "c", "f", 1, "a worker")
    return Preview(*names, rows, calls, input_values=batch, output_values=values, **more)


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    # From tables of the distribution.
    [(0.95, 1, 6.314), (0.95, 2, 2.920), (0.95, 3, 2.353), (0.975, 5, 2.571), (0.95, 31, 1.696)],
)
def test_quantiles_of_students_t(probability, freedom, expected):
    assert student_t(probability, freedom) == pytest.approx(expected, abs=0.02)


def test_a_sum_of_equal_values_is_certain():
    assert total([2.0] * 5, 1000) == Interval(2000.0, 2000.0, 2000.0)
    assert total([2.0], 1000) is None
    assert total([], 1000) is None


def test_the_bound_is_never_below_nothing():
    assert total([0.0, 0.0, 30.0], 10).low == 0.0


def test_the_largest_value_lies_between_the_mean_and_what_may_come():
    found = largest([1.0, 2.0, 3.0, 10.0])
    assert (found.low, found.value) == (4.0, 10.0)
    assert found.high > 10.0


def test_the_duration_is_setup_and_the_rows_shared_by_the_appliers():
    seen = preview([5.0, 0.5, 0.5, 0.5], start_s=0.5)
    found = estimate(seen, Work(rows=1000, appliers=4, batch_rows=32))
    # The first call took 4.5 s more, which is no speed; 14 kB need no time to be written.
    assert found.setup_s == 7.5
    assert found.seconds_per_row == 0.5
    assert found.duration_s.value == pytest.approx(1000 * 0.5 / 4 + 7.5 + 0.5, abs=0.01)
    assert found.duration_s.low == 133.0


def test_reading_and_writing_count_where_there_is_much_of_it():
    seen = preview([1e-6] * 8)
    work = Work(rows=10, appliers=1, batch_rows=32, input_bytes=400 * MIB, output_bytes=100 * MIB)
    found = estimate(seen, work).duration_s
    assert found.value == pytest.approx(3.0 + 1.0 + 1.0, abs=0.01)
    assert found.low == pytest.approx(3.0, abs=0.01)
    assert found.high == pytest.approx(3.0 + 4.0 + 2.0, abs=0.01)


def test_a_fast_function_is_as_fast_as_in_one_call_for_all():
    seen = preview([40e-6, 20e-6, 40e-6], together_s=3e-6)
    found = estimate(seen, Work(rows=10**6, appliers=1, batch_rows=32))
    assert found.seconds_per_row == pytest.approx(3e-6)


def test_a_batch_counts_with_its_rows():
    seen = preview([0.8, 0.8, 0.8], rows_each=8, takes_batches=True)
    found = estimate(seen, Work(rows=1000, appliers=2, batch_rows=32))
    assert found.seconds_per_row == pytest.approx(0.1)
    assert found.duration_s.value == pytest.approx(50 + 3, abs=0.01)


def test_memory_is_that_of_the_function_a_call_and_the_job():
    seen = preview([0.1] * 4, memory=50 * MIB)
    found = estimate(seen, Work(rows=1000, appliers=1, batch_rows=32)).peak_memory_bytes
    assert found.value == pytest.approx((200 + 50 + 32) * MIB, rel=0.01)
    assert found.low <= found.value <= found.high


def test_the_memory_of_a_batch_grows_with_it():
    seen = preview([0.1] * 4, memory=MIB, rows_each=2, takes_batches=True)
    found = estimate(seen, Work(rows=1000, appliers=1, batch_rows=100)).peak_memory_bytes
    assert found.value == pytest.approx((200 + 1 + 50 + 32) * MIB, rel=0.01)


def test_what_an_earlier_job_took_counts_more():
    seen = preview([0.1] * 4)
    work = Work(rows=1000, appliers=1, batch_rows=32, known_peak_bytes=900 * MIB)
    found = estimate(seen, work).peak_memory_bytes
    assert (found.value, found.high) == (900 * MIB, 900 * MIB)
    assert found.low < 300 * MIB
    unmeasured = estimate(preview([0.1] * 4, memory=None), work).peak_memory_bytes
    assert unmeasured.value == 900 * MIB


def test_output_by_type_or_by_sample():
    seen = preview([0.1] * 4)
    assert estimate(seen, Work(1000, 1, 32, output_bytes=8000)).output_bytes.high == 8000
    sampled = estimate(seen, Work(1000, 1, 32)).output_bytes
    # Ten letters and an offset of four bytes; one more offset than values in the sample.
    assert sampled.value == pytest.approx(14_000, rel=0.1)


def test_a_sample_that_failed_is_said():
    failed = PreviewRow(7, 0, 7, {}, "failed", error=RowFailure("ValueError", "no\nway"))
    nothing = Preview("t", "c", "f", 1, "a worker", (failed,))
    found = estimate(nothing, Work(1000, 2, 32))
    assert (found.duration_s, found.peak_memory_bytes, found.output_bytes) == (None, None, None)
    text = "\n".join(found.lines())
    assert "1 row of the sample could not be computed; row 7: ValueError: no way" in text


def test_the_lines_of_a_plan():
    seen = preview([0.4, 0.5, 0.6, 0.5])
    lines = estimate(seen, Work(rows=10_000, appliers=2, batch_rows=32)).lines()
    assert lines[0].startswith("  estimate          from 4 rows; 9 of 10 jobs ")
    assert lines[1].startswith("    duration        44 min (36 min to 53 min) with 2 appliers")
    assert [line.split()[0] for line in lines[1:]] == ["duration", "memory", "output"]
