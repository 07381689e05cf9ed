"""Other writers during a backfill: every row ends with the right value, and nothing is rejected."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import lance
import pyarrow as pa
import pytest

import geneva
from geneva import errors
from geneva.pipeline.backfill import BackfillRun
from tests.conftest import values


@geneva.udf
def double(id: int) -> int:
    return 2 * id


@pytest.fixture
def meanwhile(monkeypatch):
    """Let something happen to the table when the values are computed and not yet committed."""

    def arrange(happens) -> list[int]:
        happened: list[int] = []
        commit = BackfillRun._commit

        def after_it_happened(self, source, max_retries, files):
            if not happened:
                happened.append(1)
                happens()
            return commit(self, source, max_retries, files)

        monkeypatch.setattr(BackfillRun, "_commit", after_it_happened)
        return happened

    return arrange


def other_handle(table):
    return lance.dataset(table.uri)


CHANGES = {
    "append": lambda t: lance.write_dataset(
        pa.table({"id": [500], "text": ["x"]}), t.uri, mode="append"
    ),
    "delete some": lambda t: other_handle(t).delete("id % 4 = 1"),
    "delete a fragment": lambda t: other_handle(t).delete("id >= 20 AND id < 40"),
    "update another column": lambda t: other_handle(t).update({"text": "'new'"}, "id < 5"),
    "update the input": lambda t: other_handle(t).update({"id": "id + 1000"}, "id < 5"),
    "merge": lambda t: (
        other_handle(t)
        .merge_insert("id")
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute(
            pa.table(
                {"id": [3, 700], "text": ["a", "b"], "out": pa.array([None, None], pa.int64())}
            )
        )
    ),
    "compact": lambda t: other_handle(t).optimize.compact_files(),
    "index the input": lambda t: other_handle(t).create_scalar_index("id", "BTREE"),
    "index the output": lambda t: other_handle(t).create_scalar_index("out", "BTREE"),
    "add a column": lambda t: other_handle(t).add_columns({"more": "id + 1"}),
    "drop another column": lambda t: other_handle(t).drop_columns(["text"]),
    "clean up": lambda t: other_handle(t).cleanup_old_versions(
        timedelta(0), error_if_tagged_old_versions=False
    ),
    "configure": lambda t: other_handle(t).update_config({"a": "b"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_row_ends_with_its_value(make_table, meanwhile, runner, change):
    table = make_table(100, 20)
    table.add_columns({"out": double})
    happened = meanwhile(lambda: change(table))
    table.backfill("out", runner=runner, progress=False)
    assert happened
    table.backfill("out", runner=runner, progress=False)  # Rows that came during the first.
    found = values(table, "out")
    assert found == {i: 2 * i for i in found}
    assert not table.plan_backfill("out").has_work
    other_handle(table).validate()


@pytest.mark.local_files
def test_two_jobs_compute_the_same_column(make_table, meanwhile, runner):
    table = make_table(100, 20)
    table.add_columns({"out": double})

    def take_over() -> None:
        # As a machine does that hears nothing of the first job.
        shutil.rmtree(Path(table.uri, "_geneva", "leases"))
        table.backfill("out", runner="inline", progress=False)

    meanwhile(take_over)
    table.backfill("out", runner=runner, progress=False)
    assert values(table, "out") == {i: 2 * i for i in range(100)}


@pytest.mark.local_files
def test_a_job_that_was_taken_for_dead_commits_no_file_that_was_removed(
    make_table, meanwhile, runner
):
    table = make_table(40, 20)
    table.add_columns({"out": double})

    def clean_up() -> None:
        # As another machine does that has heard nothing of this job for an hour.
        shutil.rmtree(Path(table.uri, "_geneva", "leases"))
        next(Path(table.uri, "data").glob("gv-*.lance")).unlink()

    meanwhile(clean_up)
    with pytest.raises(errors.TableChangedError, match="taken for dead"):
        table.backfill("out", runner=runner, progress=False)
    assert set(values(table, "out").values()) == {None}
    table.backfill("out", runner=runner, progress=False)
    assert values(table, "out") == {i: 2 * i for i in range(40)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: other_handle(t).drop_columns(["out"]), "dropped"),
        (lambda t: other_handle(t).alter_columns({"path": "out", "data_type": pa.int32()}), "type"),
    ],
)
def test_losing_the_column_ends_the_job(make_table, meanwhile, runner, change, words):
    table = make_table(40, 20)
    table.add_columns({"out": double})
    meanwhile(lambda: change(table))
    with pytest.raises(errors.TableChangedError, match=words):
        table.backfill("out", runner=runner, progress=False)


def test_losing_the_table_ends_the_job(db, make_table, meanwhile, runner):
    table = make_table(40, 20)
    table.add_columns({"out": double})
    meanwhile(lambda: db.drop_table("docs"))
    with pytest.raises(errors.TableNotFoundError, match="dropped"):
        table.backfill("out", runner=runner, progress=False)


def test_compaction_and_optimize_keep_values_and_definitions(make_table, runner):
    table = make_table(100, 20)
    table.add_columns({"out": double})
    table.backfill("out", runner=runner, progress=False)
    table.delete("id % 5 = 0")
    table.optimize()
    other_handle(table).cleanup_old_versions(timedelta(0), delete_unverified=True)
    assert len(other_handle(table).get_fragments()) == 1
    assert not table.plan_backfill("out").has_work
    table.add([{"id": 9000, "text": "x"}])
    result = table.backfill("out", runner=runner, progress=False)
    assert result.columns["out"].rows_processed == 1
    assert values(table, "out")[9000] == 18000


@pytest.mark.local_files
def test_a_column_file_says_who_computed_it(make_table):
    from lance.file import LanceFileReader

    table = make_table(40, 20)
    table.add_columns({"out": double})
    result = table.backfill("out", runner="inline", progress=False)
    paths = {
        f.path
        for fragment in other_handle(table).get_fragments()
        for f in fragment.data_files()
        if f.path.startswith("gv-")
    }
    assert len(paths) == 2
    for path in paths:
        reader = LanceFileReader(str(Path(table.uri, "data", path)))
        metadata = reader.metadata().schema.metadata
        assert metadata[b"geneva.udf_name"] == b"double"
        assert metadata[b"geneva.udf_version"].decode() == result.columns["out"].udf_version
        assert metadata[b"geneva.job_id"].decode().startswith(result.job_id)


def test_tables_have_stable_row_ids(db, make_table):
    table = make_table()
    before = dict(zip(*_row_ids(table), strict=True))
    table.add_columns({"out": double})
    table.backfill("out", runner="inline", progress=False)
    table.optimize()
    assert dict(zip(*_row_ids(table), strict=True)) == before


def _row_ids(table):
    found = other_handle(table).scanner(columns=["id"], with_row_id=True).to_table()
    return found["id"].to_pylist(), found["_rowid"].to_pylist()
