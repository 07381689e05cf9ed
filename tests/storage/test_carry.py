"""Compactions between plan and commit: what was computed is kept, told by the function's calls."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from lance.file import LanceFileSession

import geneva
from geneva.storage.column_file import file_tag
from geneva.storage.commit import commit_column_files
from tests.storage.test_conflicts import meanwhile  # noqa: F401 - a fixture

TYPES = {
    "integers": pa.int64(),
    "texts": pa.string(),
    "vectors": pa.list_(pa.float32(), 3),
    "structs": pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))]),
    "blobs": "blob",
}


def value_of(x: int, kind: str):
    if x % 7 == 0:
        return None
    return {
        "integers": 10 * x,
        "texts": f"text {x}" * (x % 3),
        "vectors": [x, x + 0.5, -x],
        "structs": {"a": x, "b": [str(x)] * (x % 3)},
        "blobs": bytes([x % 256]) * 100,
    }[kind]


class Job:
    """A table of four fragments of ten rows whose function notes its calls."""

    def __init__(self, db, path: Path, *, stable: bool = True, kind: str = "integers"):
        self._log, self._kind = path, kind
        options = {"new_table_enable_stable_row_ids": str(stable).lower()}
        batches = [pa.table({"x": range(i, i + 10), "y": range(10)}) for i in range(0, 40, 10)]
        self.table = db.create_table("numbers", batches[0], storage_options=options)
        for batch in batches[1:]:
            self.table.add(batch)
        log, of = str(path), value_of
        metadata = {"lance-encoding:blob": "true"} if kind == "blobs" else None
        data_type = pa.large_binary() if kind == "blobs" else TYPES[kind]

        @geneva.udf(data_type=data_type, field_metadata=metadata)
        def noted(x: int):
            with open(log, "a") as file:  # noqa: PTH123 - the function is pickled
                file.write(f"{x}\n")
            return of(x, kind)

        self.table.add_columns({"out": noted})

    @property
    def dataset(self):
        return lance.dataset(self.table.uri)

    def run(self, **arguments) -> Counter[int]:
        """Backfill and count the calls by input."""
        self._log.write_text("")
        self.table.backfill("out", runner="inline", progress=False, **arguments)
        return Counter(map(int, self._log.read_text().split()))

    def compact(self, target: int = 1000) -> None:
        self.dataset.optimize.compact_files(
            target_rows_per_fragment=target, materialize_deletions_threshold=0.0
        )

    def check(self) -> None:
        """Every row has its value, nothing is left to do, and no file is damaged or left over."""
        found = self.table.search().select(["x", "out"]).to_list()
        if self._kind == "blobs":
            found = self.dataset.to_table(columns=["x", "out"], blob_handling="all_binary")
            found = found.to_pylist()
        for row in found:
            assert row["out"] == value_of(row["x"], self._kind), row
        assert not self.table.plan_backfill("out").has_work
        report = self.table.verify(deep=True)
        assert report.ok, str(report)

    @property
    def tags(self):
        files = [f.path for g in self.dataset.get_fragments() for f in g.data_files()]
        return [tag for tag in map(file_tag, files) if tag is not None]

    def unused(self) -> set[str]:
        used = {f.path for g in self.dataset.get_fragments() for f in g.data_files()}
        stored = LanceFileSession(f"{self.table.uri}/data").list()
        return {path for path in stored if file_tag(path) is not None} - used


@pytest.fixture
def job(db, tmp_path):
    return lambda **options: Job(db, tmp_path / "calls", **options)


ONCE = Counter(range(40))


@pytest.mark.parametrize("stable", [True, False])
@pytest.mark.parametrize("target", [15, 1000])
def test_nothing_is_computed_twice(job, meanwhile, stable, target):  # noqa: F811
    j = job(stable=stable)
    meanwhile(lambda: j.compact(target))
    assert j.run() == ONCE
    assert {tag.complete for tag in j.tags} == {True}
    assert not j.unused()
    j.check()


@pytest.mark.parametrize("stable", [True, False])
def test_rows_are_deleted_before_between_and_after_two_compactions(job, meanwhile, stable):  # noqa: F811
    j = job(stable=stable)
    j.dataset.delete("x IN (3, 11)")

    def happens() -> None:
        j.dataset.delete("x % 5 = 1")
        j.compact(15)
        j.dataset.delete("x % 5 = 2 OR x = 39")
        j.table.add(pa.table({"x": [100], "y": [1]}))
        j.compact()
        j.dataset.delete("x % 10 = 4")

    meanwhile(happens)
    assert j.run() == Counter(set(range(40)) - {3, 11})
    assert j.run() == Counter([100])
    j.check()


@pytest.mark.parametrize("kind", TYPES)
def test_values_of_every_kind_are_right(job, meanwhile, kind):  # noqa: F811
    j = job(kind=kind)
    meanwhile(j.compact)
    calls = j.run()
    # The files of blobs have others beside them: they are computed again.
    assert calls == (ONCE + ONCE if kind == "blobs" else ONCE)
    j.check()


def test_the_rest_of_a_compacted_fragment_is_carried_by_later_commits(job, meanwhile):  # noqa: F811
    j = job()
    meanwhile(j.compact)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "geneva.pipeline.backfill.commit_column_files",
            lambda *a, **o: (
                seen.append([t.complete for t in j.tags]) or commit_column_files(*a, **o)
            ),
        )
        assert j.run(commit_granularity=1) == ONCE
    # One file of the compacted fragment grows by ten rows with every commit.
    assert seen == [[], [False], [False], [False]]
    assert [tag.complete for tag in j.tags] == [True]
    j.check()


def test_rows_that_were_not_selected_stay_to_be_computed(job, meanwhile):  # noqa: F811
    j = job()
    assert set(j.run(where="x < 5")) == set(range(5))
    meanwhile(j.compact)
    assert j.run(where="x % 2 = 0 AND x >= 4") == Counter(range(6, 40, 2))
    assert [tag.complete for tag in j.tags] == [False]
    assert j.run() == Counter(range(5, 40, 2))
    j.check()


def replace_inputs(dataset, fragment_id: int) -> None:
    fragment = dataset.get_fragment(fragment_id)
    rows = fragment.to_table(columns=["x"], with_row_id=True)
    changed = pa.table({"_rowid": rows["_rowid"], "x": pa.compute.add(rows["x"], 100)})
    made, fields = fragment.update_columns(changed, left_on="_rowid", right_on="_rowid")
    operation = lance.LanceOperation.Update(
        updated_fragments=[made], fields_modified=fields, update_mode="rewrite_columns"
    )
    lance.LanceDataset.commit(dataset, operation, read_version=dataset.version)


@pytest.mark.parametrize("stable", [True, False])
def test_only_rows_whose_inputs_were_replaced_are_computed_again(job, meanwhile, stable):  # noqa: F811
    j = job(stable=stable)

    def happens() -> None:
        replace_inputs(j.dataset, 1)
        j.compact()

    meanwhile(happens)
    assert j.run() == ONCE + Counter(range(110, 120))
    j.check()


def test_inputs_that_were_replaced_between_two_compactions_are_noticed(job, meanwhile):  # noqa: F811
    j = job()

    def happens() -> None:
        j.compact(20)
        replace_inputs(j.dataset, j.dataset.get_fragments()[0].fragment_id)
        j.compact()

    meanwhile(happens)
    assert j.run() == ONCE + Counter(range(100, 120))
    j.check()


def test_inputs_that_were_replaced_after_the_compaction_are_noticed(job, meanwhile):  # noqa: F811
    j = job()

    def happens() -> None:
        j.compact()
        replace_inputs(j.dataset, j.dataset.get_fragments()[0].fragment_id)

    meanwhile(happens)
    assert j.run() == ONCE + Counter(range(100, 140))
    j.check()


def test_updated_rows_are_computed_again_and_the_others_kept(job, meanwhile):  # noqa: F811
    j = job()

    def happens() -> None:
        j.dataset.update({"x": "x + 100"}, "x IN (3, 21)")
        j.compact()

    meanwhile(happens)
    assert j.run() == ONCE
    assert j.run() == Counter([103, 121])
    j.check()


def test_values_that_another_program_wrote_are_not_taken_for_computed(job, meanwhile):  # noqa: F811
    j = job()

    def happens() -> None:
        j.compact()
        dataset = j.dataset
        fragment = dataset.get_fragments()[0]
        rows = fragment.to_table(columns=["out"], with_row_id=True)
        wrong = pa.table({"_rowid": rows["_rowid"], "out": pa.array([-1] * len(rows), pa.int64())})
        made, fields = fragment.update_columns(wrong, left_on="_rowid", right_on="_rowid")
        operation = lance.LanceOperation.Update(
            updated_fragments=[made], fields_modified=fields, update_mode="rewrite_columns"
        )
        lance.LanceDataset.commit(dataset, operation, read_version=dataset.version)

    meanwhile(happens)
    assert j.run() == ONCE + ONCE
    j.check()


def test_what_cannot_be_proven_is_computed_again(job, meanwhile):  # noqa: F811
    j = job()

    def happens() -> None:
        j.compact()
        # Even the version that the job reads goes.
        j.dataset.cleanup_old_versions(
            timedelta(0), delete_unverified=False, error_if_tagged_old_versions=False
        )

    meanwhile(happens)
    assert j.run() == ONCE + ONCE
    j.check()


@pytest.mark.local_files
def test_a_damaged_file_is_not_carried(job, meanwhile):  # noqa: F811
    j = job(kind="texts")

    def happens() -> None:
        j.compact()
        file = next(Path(j.table.uri, "data").glob("gv-*.lance"))
        data = file.read_bytes()
        assert b"text " in data
        file.write_bytes(data.replace(b"text ", b"next ", 1))

    meanwhile(happens)
    again = j.run() - ONCE
    assert len(again) == 10
    j.check()


def test_no_file_is_begun_when_the_time_is_over(job, meanwhile, monkeypatch):  # noqa: F811
    j = job()

    def late(*args, **options):
        return commit_column_files(*args, **(options | {"carry_for_s": -1.0}))

    monkeypatch.setattr("geneva.pipeline.backfill.commit_column_files", late)
    meanwhile(j.compact)
    assert j.run() == ONCE + ONCE
    j.check()


def test_a_compaction_during_the_commit_is_met_as_well(job, meanwhile, monkeypatch):  # noqa: F811
    j = job()
    commits = []
    commit = lance.LanceDataset.commit

    def late(dataset, transaction, **options):
        if not commits:
            commits.append(1)
            j.compact()
        return commit(dataset, transaction, **options)

    meanwhile(lambda: j.compact(20))
    monkeypatch.setattr(lance.LanceDataset, "commit", staticmethod(late))
    assert j.run() == ONCE
    assert commits
    assert not j.unused()
    j.check()


def test_the_column_may_be_renamed_meanwhile(job, meanwhile):  # noqa: F811
    j = job()
    assert set(j.run(where="x < 5")) == set(range(5))

    def happens() -> None:
        j.compact()
        j.dataset.alter_columns({"path": "out", "name": "renamed"})

    meanwhile(happens)
    assert j.run(where="x % 2 = 0") == Counter(range(6, 40, 2))
    found = j.dataset.to_table(columns=["x", "renamed"]).to_pylist()
    for row in found:
        x = row["x"]
        there = x % 2 == 0 or x < 5
        assert row["renamed"] == (value_of(x, "integers") if there else None)
