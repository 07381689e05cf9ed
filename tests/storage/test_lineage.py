"""Rows that others moved: which of them a backfill computes, on real tables, told by its calls."""

from __future__ import annotations

import json
from datetime import timedelta

import lance
import pyarrow as pa
import pytest

import geneva
from geneva.storage import history
from tests.conftest import values

NEVER_READ = "the history of a table that needs none is read"


def ten_times(x: int) -> int:
    return 10 * x


class Numbers:
    """A table of numbers whose function notes its calls and returns NULL for multiples of 5."""

    def __init__(self, db, path, *, stable: bool = True, rows: int = 40, per_fragment: int = 10):
        self._calls = path
        options = {"new_table_enable_stable_row_ids": str(stable).lower()}
        batches = [
            pa.table({"id": range(i, i + per_fragment), "x": range(i, i + per_fragment)})
            for i in range(0, rows, per_fragment)
        ]
        noted = [batch.append_column("note", pa.array(["a"] * len(batch))) for batch in batches]
        self.table = db.create_table("numbers", noted[0], storage_options=options)
        for batch in noted[1:]:
            self.table.add(batch)
        self.table.add_columns({"out": self.function(10)})
        assert self.backfill() == list(range(rows))

    def function(self, factor: int):
        calls = str(self._calls)

        @geneva.udf(data_type=pa.int64(), version=f"times {factor}")
        def noted(x: int) -> int | None:
            with open(calls, "a") as file:  # noqa: PTH123 - the function is pickled
                file.write(f"{x}\n")
            return None if x % 5 == 0 else factor * x

        return noted

    @property
    def dataset(self):
        return lance.dataset(self.table.uri)

    def backfill(self, **arguments) -> list[int]:
        """Return the inputs that the function was called with."""
        self._calls.write_text("")
        plan = self.table.plan_backfill("out", **arguments)
        status = self.table.column_status("out")
        if not arguments:
            assert plan.total_rows_pending == status.missing + status.stale
            assert plan.why == status.why
        self.table.backfill("out", runner="inline", progress=False, **arguments)
        calls = sorted(map(int, self._calls.read_text().split()))
        assert len(calls) == plan.total_rows_pending == sum(plan.why.values())
        return calls

    def check(self, factor: int = 10) -> None:
        """Every cell holds what the function returns for the inputs that the row has now."""
        found = self.dataset.to_table(columns=["x", "out"]).to_pylist()
        for row in found:
            x = row["x"]
            assert row["out"] == (None if x % 5 == 0 else factor * x), row
        assert self.backfill() == []

    def why(self) -> dict[str, int]:
        return self.table.plan_backfill("out").why

    def compact(self, **options) -> None:
        self.dataset.optimize.compact_files(**options)

    def forget(self) -> None:
        self.dataset.cleanup_old_versions(timedelta(0), delete_unverified=True)


@pytest.fixture
def numbers(db, tmp_path):
    def make(**options) -> Numbers:
        return Numbers(db, tmp_path / "calls", **options)

    return make


def test_an_updated_input_is_computed_again_and_nothing_else(numbers):
    t = numbers()
    t.dataset.update({"x": "x + 1000"}, "id IN (3, 17, 18)")
    version = t.dataset.version
    assert t.why() == {f"had their inputs changed by an update at version {version}": 3}
    assert t.backfill() == [1003, 1017, 1018]
    t.check()


def test_another_column_may_be_updated_if_row_ids_are_stable(numbers):
    t = numbers()
    t.dataset.update({"note": "'new'"}, "id < 13")
    assert t.backfill() == []
    t.dataset.update({"note": "'newer'", "x": "x + 1000"}, "id < 2")
    assert t.backfill() == [1000, 1001]
    t.check()


def test_without_stable_row_ids_every_moved_row_is_computed(numbers):
    t = numbers(stable=False)
    t.dataset.update({"note": "'new'"}, "id < 13")
    assert "stable row ids" in next(iter(t.why()))
    t.compact()
    assert t.backfill() == list(range(13))
    t.check()


def test_a_merge_computes_changed_and_inserted_rows(numbers):
    t = numbers()
    source = {"id": [4, 5, 31, 100], "x": [4, 500, 31, 101], "note": ["m"] * 4}
    outs = pa.array([40, None, 310, 7], pa.int64())
    merge = t.dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
    merge.execute(pa.table({**source, "out": outs}))
    # A value that came with an inserted row is not the function's.
    assert t.backfill() == [101, 500]
    t.check()


def test_a_value_that_an_update_put_there_is_not_the_functions(numbers):
    t = numbers()
    t.dataset.update({"out": "12345"}, "id = 3")
    t.dataset.update({"out": "NULL"}, "id = 4")
    assert [why.split(" by ")[0] for why in t.why()] == ["were overwritten"] * 2
    assert t.backfill() == [3, 4]
    t.check()


def test_appended_rows(numbers):
    t = numbers()
    t.table.add(pa.table({"id": [50], "x": [50], "note": ["b"]}))
    more = {"id": [51, 52], "x": [51, 52], "note": ["b"] * 2, "out": pa.array([7, None])}
    t.table.add(pa.table(more))
    t.compact()
    assert t.backfill() == [50, 52]
    assert values(t.table, "out")[51] == 7
    # Such a value is as good as a computed one, also where it is moved to.
    t.dataset.update({"note": "'n'"}, "id = 51")
    assert t.backfill() == []
    t.dataset.update({"x": "53"}, "id = 51")
    assert t.backfill() == [53]
    t.check()


@pytest.mark.parametrize("stable", [True, False])
def test_a_compaction_makes_nothing_stale(numbers, stable):
    t = numbers(stable=stable)
    t.compact()
    assert len(t.dataset.get_fragments()) == 1
    t.check()
    assert t.table.column_status("out").fresh == 40


def test_rows_are_found_through_chained_compactions_deletions_and_indices(numbers):
    t = numbers()
    t.dataset.create_scalar_index("x", "BTREE")
    t.dataset.update({"x": "x + 1000"}, "id IN (3, 17, 31)")
    t.dataset.delete("id % 7 = 0")
    t.compact(target_rows_per_fragment=15)
    t.dataset.delete("id IN (1, 31)")
    t.dataset.update({"note": "'n'"}, "id < 20")
    t.compact()
    assert t.backfill() == [1003, 1017]
    t.check()


def test_a_partly_computed_fragment_stays_so_when_it_is_compacted(numbers):
    t = numbers()
    t.table.alter_columns({"path": "out", "udf": t.function(20)})
    assert t.backfill(where="id % 2 = 0") == list(range(0, 40, 2))
    t.compact()
    t.dataset.update({"note": "'n'"}, "id < 20")
    assert t.backfill(where="id < 5") == [1, 3]
    assert t.backfill() == list(range(5, 40, 2))
    t.check(factor=20)
    assert t.backfill(where="id < 3", force=True) == [0, 1, 2]
    t.check(factor=20)


def test_a_new_function_is_noticed_after_a_compaction(numbers):
    t = numbers()
    t.compact()
    t.table.alter_columns({"path": "out", "udf": t.function(20)})
    assert t.backfill() == list(range(40))
    t.check(factor=20)


def test_inputs_replaced_in_place_are_noticed_before_and_after_a_compaction(numbers):
    t = numbers()
    t.compact(target_rows_per_fragment=20)
    _replace_column(t, 0, "x", lambda x: x + 1000)
    t.compact()
    t.dataset.update({"note": "'n'"}, "id < 30")
    assert t.backfill() == list(range(1000, 1020))
    t.check()


def test_values_that_another_program_wrote_in_place_are_computed(numbers):
    t = numbers()
    _replace_column(t, 1, "out", lambda out: 1 if out in (110, 120) else out)
    assert list(t.why().values()) == [2]
    t.compact()
    assert t.backfill() == [11, 12]
    t.check()


def test_renamed_columns_are_followed(numbers):
    t = numbers()
    t.dataset.update({"note": "'n'"}, "id < 5")
    t.table.alter_columns({"path": "x", "rename": "y"})
    t.compact()
    t.table.alter_columns({"path": "note", "rename": "x"})
    t.dataset.update({"x": "'m'"}, "id < 10")
    assert not t.table.plan_backfill("out").has_work
    t.dataset.update({"y": "y + 1000"}, "id < 2")
    t.table.alter_columns({"path": "out", "rename": "renamed"})
    assert t.table.plan_backfill("renamed").total_rows_pending == 2


def test_a_restored_table(numbers):
    t = numbers()
    t.dataset.update({"note": "'n'"}, "id < 5")
    before = t.dataset.version
    t.dataset.update({"x": "x + 1000"}, "id < 8")
    t.compact()
    t.dataset.checkout_version(before).restore()
    assert t.backfill() == []
    t.dataset.update({"x": "x + 2000"}, "id < 2")
    assert t.backfill() == [2000, 2001]
    t.check()


def test_history_may_go_before_a_compaction_and_once_it_was_looked_at(numbers):
    t = numbers()
    t.forget()
    t.compact()
    assert t.backfill() == []
    t.forget()
    t.compact()
    assert t.backfill() == []
    t.dataset.update({"x": "x + 1000"}, "id < 2")
    t.forget()
    # The update is not traced any more, and neither are its rows; those that stayed are.
    assert t.backfill() == [1000, 1001]
    t.check()


def test_what_cannot_be_traced_is_computed(numbers):
    t = numbers()
    t.dataset.update({"x": "x + 1000"}, "id < 2")
    t.compact()
    t.forget()
    assert list(t.why().values()) == [40]
    assert "older versions were cleaned up" in next(iter(t.why()))
    assert t.backfill() == [*range(2, 40), 1000, 1001]
    t.check()


def test_optimize_notes_what_it_cleans_up(numbers):
    t = numbers()
    t.dataset.update({"x": "x + 1000"}, "id < 2")
    t.table.checkout_latest()
    with pytest.warns(UserWarning, match="removes every version"):
        t.table.optimize(cleanup_older_than=timedelta(0))
    assert len(t.dataset.versions()) == 1
    assert t.backfill() == [1000, 1001]
    t.check()


def test_a_column_that_became_computed_keeps_its_values(db):
    table = db.create_table("t", [{"x": 1, "out": 7}, {"x": 2, "out": None}])
    table.add_columns({"sql": "x * 70"})
    for column, missing in (("out", 1), ("sql", 0)):
        table.alter_columns({"path": column, "udf": geneva.udf(ten_times)})
        assert table.plan_backfill(column).total_rows_pending == missing
        table.backfill(column, runner="inline", progress=False)
    assert (values(table, "out", "x"), values(table, "sql", "x")) == (
        {1: 7, 2: 20},
        {1: 70, 2: 140},
    )


def test_nested_and_blob_inputs_are_compared_by_value(db):
    rows = [{"id": i, "info": {"a": {"b": [i, i]}}, "note": "a"} for i in range(6)]
    table = db.create_table("t", rows)
    blob = {"lance-encoding:blob": "true"}

    @geneva.udf(data_type=pa.large_binary(), input_columns=["info.a.b"], field_metadata=blob)
    def picture(b: list[int]) -> bytes:
        return bytes(b) * 40_000

    @geneva.udf(input_columns=["picture", "info.a.b"])
    def size(data: bytes, b: list[int]) -> int:
        return len(data) + b[0]

    table.add_columns({"picture": picture})
    table.add_columns({"size": size})
    for column in ("picture", "size"):
        table.backfill(column, runner="inline", progress=False)
    dataset = lance.dataset(table.uri)
    dataset.update({"note": "'n'"}, "id < 3")
    assert [table.plan_backfill(c).total_rows_pending for c in ("picture", "size")] == [0, 0]
    changed = pa.Table.from_pylist(
        [{"id": 1, "info": {"a": {"b": [1, 1]}}}, {"id": 4, "info": {"a": {"b": [4, 5]}}}],
        schema=pa.schema([dataset.schema.field("id"), dataset.schema.field("info")]),
    )
    dataset.merge_insert("id").when_matched_update_all().execute(changed)
    assert [table.plan_backfill(c).total_rows_pending for c in ("picture", "size")] == [1, 1]


def test_a_table_that_nobody_else_wrote_to_needs_no_history(numbers, monkeypatch):
    t = numbers()
    t.table.add(pa.table({"id": [50], "x": [50], "note": ["b"]}))
    t.dataset.delete("id = 3")

    def read(*_):
        raise AssertionError(NEVER_READ)

    monkeypatch.setattr(history, "read_transaction", read)
    assert t.table.plan_backfill("out").total_rows_pending == 1
    t.dataset.update({"note": "'n'"}, "id = 4")
    with pytest.raises(AssertionError, match=NEVER_READ):
        t.table.plan_backfill("out")


def test_every_transaction_is_read_once(numbers, monkeypatch):
    t = numbers()
    for i in range(3):
        t.dataset.update({"note": "'n'"}, f"id % 9 = {i}")
        t.compact(target_rows_per_fragment=15)
    t.dataset.update({"note": "'n'"}, "id % 9 = 5")
    asked = []
    read = history.read_transaction

    def noted(dataset, version):
        asked.append(version)
        return read(dataset, version)

    monkeypatch.setattr(history, "read_transaction", noted)
    t.table.plan_backfill("out")
    assert len(asked) == len(set(asked))
    assert len(asked) < t.dataset.version


def test_status_says_what_is_there_who_computed_it_and_why_not(numbers):
    t = numbers()
    first = {by.job_id for f in t.table.column_status("out").fragments for by in f.computed_by}
    t.dataset.update({"x": "x + 1000"}, "id < 2")
    t.compact()
    t.table.add(pa.table({"id": [50], "x": [50], "note": ["b"]}))
    status = t.table.column_status("out")
    assert (status.rows, status.fresh, status.missing, status.stale) == (41, 38, 1, 2)
    assert status.fresh + status.missing + status.stale == sum(f.rows for f in status.fragments)
    compacted, appended = status.fragments
    assert (compacted.stale, appended.missing) == (2, 1)
    assert appended.why == {"were never computed": 1}
    # A compaction forgets who computed what; the versions before it do not.
    assert {by.job_id for by in compacted.computed_by} == first
    assert {by.udf_version for by in compacted.computed_by} == {status.udf_version}
    lines = str(status).splitlines()
    assert "41 rows, 38 fresh, 1 missing, 0 failed, 2 stale" in lines[0]
    assert "had their inputs changed by an update" in lines[2]
    found = json.loads(status.to_json())
    assert found["stale"] == 2
    assert found["fragments"][1]["missing"] == 1


def test_status_of_many_fragments_shows_what_is_not_fresh(numbers):
    t = numbers(rows=90, per_fragment=2)
    t.table.add(pa.table({"id": [500], "x": [500], "note": ["b"]}))
    text = str(t.table.column_status("out"))
    assert "were never computed" in text
    assert "and 6 more fragments, 6 of them fresh" in text


def _replace_column(t: Numbers, number: int, column: str, change) -> None:
    """Write a column of a fragment again in place, as other engines on Lance do."""
    dataset = t.dataset
    fragment = dataset.get_fragments()[number]
    held = fragment.scanner(columns=[column], with_row_address=True).to_table()
    new = [None if v is None else change(v) for v in held[column].to_pylist()]
    data = pa.table({"_rowaddr": held["_rowaddr"], column: pa.array(new, held[column].type)})
    updated, fields, *_ = fragment.update_columns(data, left_on="_rowaddr")
    operation = lance.LanceOperation.Update(
        updated_fragments=[updated], fields_modified=fields, update_mode="rewrite_columns"
    )
    lance.LanceDataset.commit(dataset, lance.Transaction(dataset.version, operation))
