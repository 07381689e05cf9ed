"""Whatever others do to a table, a backfill computes the rows that need it, and only these.

Random programs of appends, updates, merges, deletions, compactions and partial backfills run on a
real table beside a model that knows for each row what a cell must hold and whether the function
has to be called for it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import geneva

KEYS = 24


def f(x: int | None) -> int | None:
    """Return NULL for every third input: a computed NULL is a value like any other."""
    return None if x is None or x % 3 == 0 else 10 * x


@dataclass
class Row:
    """A row as the model knows it."""

    x: int
    note: str
    fresh: bool = False
    given: int | None = None


class Program:
    """A table and its model."""

    def __init__(self, folder: str, stable: bool) -> None:
        self.stable = stable
        self.calls = Path(folder, "calls")
        self.calls.write_text("")
        options = {"new_table_enable_stable_row_ids": str(stable).lower()}
        self.db = geneva.connect(Path(folder, "db"))
        first = [{"key": k, "x": k + 1, "note": "a"} for k in range(6)]
        self.table = self.db.create_table("t", pa.Table.from_pylist(first), storage_options=options)
        self.rows = {row["key"]: Row(row["x"], "a") for row in first}
        calls = str(self.calls)

        @geneva.udf(data_type=pa.int64(), version="1")
        def out(x: int) -> int | None:
            with open(calls, "a") as file:  # noqa: PTH123 - runs in a worker as well
                file.write(f"{x}\n")
            return None if x is None or x % 3 == 0 else 10 * x

        self.table.add_columns({"out": out})

    @property
    def dataset(self) -> lance.LanceDataset:
        return lance.dataset(self.table.uri)

    def append(self, keys: list[int], x: int, given: bool) -> None:
        new = [k for k in dict.fromkeys(keys) if k not in self.rows]
        if not new:
            return
        data = {"key": new, "x": [x + k for k in new], "note": ["b"] * len(new)}
        values = [None if k % 2 else f(x + k) for k in new]
        if given:
            data["out"] = pa.array(values, pa.int64())
        lance.write_dataset(pa.table(data), self.table.uri, mode="append")
        for k, value in zip(new, values, strict=True):
            self.rows[k] = Row(x + k, "b", fresh=given and value is not None)

    def update_input(self, below: int, by: int) -> None:
        hit = [k for k in self.rows if k % 12 < below]
        self.dataset.update({"x": f"x + {by}"}, f"key % 12 < {below}")
        for k in hit:
            row = self.rows[k]
            row.x += by
            row.fresh &= by == 0 and self.stable

    def update_note(self, below: int) -> None:
        self.dataset.update({"note": "'n'"}, f"key % 12 < {below}")
        for k in self.rows:
            if k % 12 < below:
                self.rows[k].note = "n"
                self.rows[k].fresh &= self.stable

    def overwrite_output(self, below: int, value: int | None) -> None:
        text = "CAST(NULL AS BIGINT)" if value is None else str(value)
        held = self.values()
        self.dataset.update({"out": text}, f"key % 12 < {below}")
        for k in self.rows:
            if k % 12 < below:
                self.rows[k].fresh &= self.stable and held[k] == value

    def merge(self, keys: list[int], x: int, whole: bool) -> None:
        keys = list(dict.fromkeys(keys))
        data: dict = {"key": keys, "x": [x + k % 2 for k in keys], "note": ["m"] * len(keys)}
        if whole:
            held = self.values()
            data["out"] = pa.array([held.get(k) for k in keys], pa.int64())
        merge = self.dataset.merge_insert("key").when_matched_update_all()
        if whole:
            merge = merge.when_not_matched_insert_all()
        merge.execute(pa.table(data))
        for k, new in zip(keys, data["x"], strict=True):
            if k in self.rows:
                same = self.rows[k].x == new and self.stable
                self.rows[k] = Row(new, "m", fresh=self.rows[k].fresh and same)
            elif whole:
                self.rows[k] = Row(new, "m")

    def delete(self, part: int) -> None:
        self.dataset.delete(f"key % 7 = {part}")
        self.rows = {k: row for k, row in self.rows.items() if k % 7 != part}

    def compact(self, target: int) -> None:
        self.dataset.optimize.compact_files(target_rows_per_fragment=target)

    def index(self) -> None:
        self.dataset.create_scalar_index("x", "BTREE", replace=True)

    def values(self) -> dict[int, int | None]:
        found = self.dataset.to_table(columns=["key", "out"])
        return dict(zip(found["key"].to_pylist(), found["out"].to_pylist(), strict=True))

    def backfill(self, below: int | None) -> None:
        where = None if below is None else f"key % 12 < {below}"
        chosen = [k for k in self.rows if below is None or k % 12 < below]
        self.calls.write_text("")
        planned = self.table.plan_backfill("out", where=where).total_rows_pending
        status = self.table.column_status("out")
        self.table.backfill("out", where=where, runner="inline", progress=False)
        calls = sorted(map(int, self.calls.read_text().split()))
        needed = sorted(self.rows[k].x for k in chosen if not self.rows[k].fresh)
        assert planned == len(calls)
        assert status.rows == len(self.rows)
        assert status.fresh == sum(row.fresh for row in self.rows.values())
        assert calls == needed
        for k in chosen:
            self.rows[k].fresh = True
        held = self.values()
        assert held.keys() == self.rows.keys()
        for k, row in self.rows.items():
            if row.fresh:
                assert held[k] == f(row.x), (k, row)


def _keys() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, KEYS - 1), min_size=1, max_size=6)


STEPS = st.one_of(
    st.tuples(st.just("append"), _keys(), st.integers(1, 9), st.booleans()),
    st.tuples(st.just("update_input"), st.integers(1, 12), st.integers(0, 2)),
    st.tuples(st.just("update_note"), st.integers(1, 12)),
    st.tuples(st.just("overwrite_output"), st.integers(1, 6), st.sampled_from([None, 10, 77])),
    st.tuples(st.just("merge"), _keys(), st.integers(1, 3), st.booleans()),
    st.tuples(st.just("delete"), st.integers(0, 6)),
    st.tuples(st.just("compact"), st.sampled_from([5, 100])),
    st.tuples(st.just("compact"), st.just(100)),
    st.tuples(st.just("backfill"), st.sampled_from([None, 3, 8])),
    st.tuples(st.just("index")),
)


@pytest.mark.parametrize("stable", [True, False])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=3, max_size=10))
def test_backfill_computes_what_needs_it_and_nothing_else(stable, steps):
    with tempfile.TemporaryDirectory() as folder:
        program = Program(folder, stable)
        program.backfill(None)
        for name, *arguments in steps:
            note(f"{name} {arguments}")
            getattr(program, name)(*arguments)
        program.backfill(None)
        program.compact(100)
        program.backfill(None)
