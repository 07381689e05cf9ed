"""Rows that fail are left out and no others, with about one call per halving."""

from __future__ import annotations

import math

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

import geneva
from geneva.pipeline.attempts import Attempts
from geneva.pipeline.isolation import compute
from geneva.pipeline.outcome import Computed
from geneva.transformer.binding import bind
from geneva.transformer.policy import ErrorPolicy, Fail, Retry, skip_on_error

SKIP = ErrorPolicy(tuple(skip_on_error()))


@st.composite
def batches(draw: st.DrawFn) -> tuple[int, set[int]]:
    rows = draw(st.integers(1, 300))
    bad = draw(st.sets(st.integers(0, rows - 1), max_size=6))
    return rows, bad


def computed(rows: int, function, policy: ErrorPolicy = SKIP) -> Computed:
    batch = pa.record_batch({"n": pa.array(range(rows), pa.int64())})
    return compute(bind(function, ["n"]), batch, Attempts(policy, lambda seconds: True))


def arrays(bad: set[int], calls: list[int], error: type[Exception] = ValueError):
    def function(n: pa.Array) -> pa.Array:
        calls.append(len(n))
        if bad & set(n.to_pylist()):
            raise error("bad")
        return n

    return geneva.udf(function, data_type=pa.int64())


def check(found: Computed, rows: int, bad: set[int]) -> None:
    assert found.ended_by is None
    assert [failure.row for failure in found.failures] == sorted(bad)
    assert found.values.to_pylist() == [None if n in bad else n for n in range(rows)]
    assert found.kept.tolist() == [n for n in range(rows) if n not in bad]


@given(batches())
def test_guilty_rows_of_a_batch_function_are_found(case):
    rows, bad = case
    calls: list[int] = []
    check(computed(rows, arrays(bad, calls)), rows, bad)
    # Each guilty row costs a call per halving and its own; some of these calls are shared.
    assert len(calls) <= 1 + len(bad) * 2 * (math.ceil(math.log2(rows)) + 1 if rows > 1 else 1)


def test_one_guilty_row_costs_one_call_per_halving():
    for row in range(4096)[:: 4095 // 7]:
        calls: list[int] = []
        check(computed(4096, arrays({row}, calls)), 4096, {row})
        failed = [n for n in calls if n > 1]
        assert len(calls) <= 1 + 2 * 12
        assert sum(failed) <= 3 * 4096


@given(batches())
def test_guilty_rows_of_a_row_function_are_found_with_one_call_each(case):
    rows, bad = case
    calls: list[int] = []

    def function(n: int) -> int:
        calls.append(n)
        if n in bad:
            raise ValueError(n)
        return n

    found = computed(rows, geneva.udf(function))
    check(found, rows, bad)
    assert calls == list(range(rows))
    assert [failure.inputs for failure in found.failures] == [f"n={n}" for n in sorted(bad)]


@given(batches())
def test_values_that_do_not_fit_are_failures_as_well(case):
    rows, bad = case
    found = computed(rows, geneva.udf(lambda n: "text" if n in bad else n, data_type=pa.int64()))
    check(found, rows, bad)


@given(batches(), st.booleans())
def test_what_ends_the_job_keeps_what_was_computed_before(case, by_row):
    rows, bad = case
    last = max(bad, default=None)
    skipped = bad - {last}

    class WorseError(Exception):
        pass

    def check_row(n: int) -> int:
        if n in bad:
            raise (WorseError if n == last else ValueError)(n)
        return n

    def whole(n: pa.Array) -> pa.Array:
        return pa.array([check_row(value) for value in n.to_pylist()])

    function = geneva.udf(check_row if by_row else whole, data_type=pa.int64())
    policy = ErrorPolicy((Fail(WorseError), *SKIP.matchers))
    found = computed(rows, function, policy)
    if last is None:
        check(found, rows, bad)
        return
    assert found.ended_by is not None
    done = len(found.values)
    assert done <= last
    assert not by_row or done == last
    assert found.values.to_pylist() == [None if n in bad else n for n in range(done)]
    assert [f.row for f in found.failures] == sorted(n for n in skipped if n < done)


def test_a_batch_is_tried_again_before_it_is_halved():
    calls: list[int] = []
    first = ErrorPolicy((Retry(ConnectionError, max_attempts=3), *SKIP.matchers))
    found = computed(64, arrays({7}, calls, ConnectionError), first)
    check(found, 64, {7})
    # Three times all of it, three times the row alone, and no range in between more than once.
    assert calls.count(64) == 3
    assert calls.count(1) <= 3 + 1
    assert len(calls) <= 3 + 2 * 6 + 2
