"""What rows that fail cost, and how many async calls are in flight.

``python -m benchmarks.failed_rows``, about two minutes. Each job with bad rows is measured in
turns with the same job without them.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from typing import Any

import pyarrow as pa

import geneva
from benchmarks.report import write_json
from benchmarks.session import RESULTS
from geneva.transformer.udf import UDF

_ROWS, _BATCH, _RUNS = 200_000, 4096, 3
_RAISES, _CRASHES, _HOARDS = {10, 50_000, 150_000}, 70_000, 120_000
_MEMORY = 500 << 20
_EXTRA_S = 60.0
_IN_FLIGHT, _WAIT_S, _CALLS = 64, 0.1, 6_400
_SHARE = 0.8


def _bad(number: int) -> None:
    import os
    import signal

    if number in _RAISES:
        raise ValueError("a bad row")
    if number == _CRASHES:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == _HOARDS:
        _ = [b"x" * (64 << 20) for _ in range(100)]


def _row(number: int) -> int:
    return number + 1


def _bad_row(number: int) -> int:
    _bad(number)
    return number + 1


def _batch(number: pa.Array) -> pa.Array:
    return pa.array([n + 1 for n in number.to_pylist()])


def _bad_batch(number: pa.Array) -> pa.Array:
    for n in number.to_pylist():
        _bad(n)
    return _batch(number)


def _udf(function: Any) -> UDF:
    return geneva.udf(
        function,
        data_type=pa.int64(),
        on_error=geneva.skip_on_error(),
        memory=_MEMORY,
        batch_size=_BATCH,
    )


def _poisoned(good: Any, bad: Any) -> dict[str, float]:
    """Return the medians of a job without and with bad rows, and check what it left."""
    took: dict[str, list[float]] = {"good": [], "bad": []}
    for _ in range(_RUNS):
        with tempfile.TemporaryDirectory() as folder, geneva.connect(folder) as db:
            table = db.create_table("t", pa.table({"number": range(_ROWS)}))
            table.add_columns({"good": _udf(good), "bad": _udf(bad)})
            for column, seconds in took.items():
                started = time.perf_counter()
                table.backfill(column, progress=False)
                seconds.append(time.perf_counter() - started)
            lost = sorted(table.errors("bad")["row_id"].to_pylist())
            if lost != sorted(_RAISES | {_CRASHES, _HOARDS}):
                raise RuntimeError(f"rows {lost} failed")
            if table.count_rows("bad = number + 1") != _ROWS - len(lost):
                raise RuntimeError("other rows lack their value")
    medians = {name: statistics.median(seconds) for name, seconds in took.items()}
    return {**medians, "extra_s": medians["bad"] - medians["good"], "goal_s": _EXTRA_S}


def _in_flight() -> dict[str, float]:
    """Return how many async calls per second end, against what is possible."""

    @geneva.udf(max_in_flight=_IN_FLIGHT)
    async def waits(number: int) -> int:
        import asyncio

        await asyncio.sleep(_WAIT_S)
        return number

    rates = []
    for _ in range(_RUNS):
        with tempfile.TemporaryDirectory() as folder, geneva.connect(folder) as db:
            table = db.create_table("t", pa.table({"number": range(_CALLS)}))
            table.add_columns({"out": waits})
            started = time.perf_counter()
            table.backfill("out", concurrency=1, progress=False)
            rates.append(_CALLS / (time.perf_counter() - started))
    rate = statistics.median(rates)
    return {
        "calls_per_s": rate,
        "share": rate * _WAIT_S / _IN_FLIGHT,
        "goal_share": _SHARE,
    }


def main() -> int:
    """Measure, write the results file, and return 1 if a goal is missed."""
    found = {
        "rows": _poisoned(_row, _bad_row),
        "batches": _poisoned(_batch, _bad_batch),
        "async": _in_flight(),
    }
    for name, numbers in found.items():
        print(name, " ".join(f"{key}={value:.2f}" for key, value in numbers.items()))
    write_json(RESULTS / "failed_rows.json", found)
    good = all(found[kind]["extra_s"] < _EXTRA_S for kind in ("rows", "batches"))
    return int(not (good and found["async"]["share"] >= _SHARE))


if __name__ == "__main__":
    sys.exit(main())
