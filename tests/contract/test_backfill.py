"""What a backfill does, the same on every runner."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import geneva
from geneva.config import settings
from geneva.jobs.progress import Progress
from geneva.jobs.result import BackfillJobResult
from geneva.jobs.spec import BackfillArguments
from geneva.pipeline.admission import Grant
from geneva.pipeline.backfill import BackfillRun
from geneva.pipeline.driver import StopSignal
from geneva.pipeline.fitting import warn_of_full_disk
from geneva.runners.inline import InlineRunner
from geneva.runners.pool import session_pool
from geneva.runners.processes import ProcessRunner
from tests.conftest import values


@geneva.udf
def double(id: int) -> int:
    return 2 * id


@geneva.udf
def add_one(id: pa.Array) -> int:
    return pc.add(id, 1)


@geneva.udf(data_type=pa.int64())
def sum_of_batch(batch: pa.RecordBatch) -> pa.Array:
    return pc.add(batch["id"], pc.utf8_length(batch["text"]).cast(pa.int64()))


@geneva.udf
class Offset:
    def __init__(self, by: int = 100) -> None:
        self.by = by
        self.ready = False

    def setup(self) -> None:
        self.ready = True

    def __call__(self, id: int) -> int:
        assert self.ready
        return id + self.by


SAME = pytest.mark.same_on_ray
FORMS = [
    pytest.param(double, lambda i: 2 * i, id="scalar"),
    pytest.param(add_one, lambda i: i + 1, id="array", marks=SAME),
    pytest.param(
        sum_of_batch, lambda i: i + max(0, 2 * (i % 7) - 1), id="record batch", marks=SAME
    ),
    pytest.param(Offset(5), lambda i: i + 5, id="stateful"),
    pytest.param(Offset, lambda i: i + 100, id="class"),
    pytest.param((double, ["id"]), lambda i: 2 * i, id="with columns", marks=SAME),
    pytest.param(
        geneva.udf(lambda v: -v, data_type=pa.int64(), input_columns=["id"]),
        lambda i: -i,
        id="lambda",
        marks=SAME,
    ),
]


@pytest.mark.parametrize(("function", "expected"), FORMS)
def test_every_form_computes_every_row(make_table, runner, function, expected):
    table = make_table()
    table.add_columns({"out": function})
    assert set(values(table, "out").values()) == {None}
    result = table.backfill("out", runner=runner, progress=False)
    assert values(table, "out") == {i: expected(i) for i in range(100)}
    assert result.status == "DONE"
    assert result.columns["out"].rows_processed == 100
    assert result.version == lance.dataset(table.uri).version


@pytest.mark.same_on_ray
def test_second_backfill_has_nothing_to_do(make_table, runner):
    table = make_table()
    table.add_columns({"out": double})
    first = table.backfill("out", runner=runner, progress=False)
    again = table.backfill("out", runner=runner, progress=False)
    assert again.columns["out"].rows_processed == 0
    assert again.version == first.version


def test_only_appended_rows_are_computed(make_table, runner):
    table = make_table()
    table.add_columns({"out": double})
    table.backfill("out", runner=runner, progress=False)
    table.add([{"id": 1000, "text": "x"}])
    assert table.plan_backfill("out").total_rows_pending == 1
    assert table.backfill("out", runner=runner, progress=False).columns["out"].rows_processed == 1
    assert values(table, "out")[1000] == 2000


@pytest.mark.same_on_ray
def test_appended_values_are_kept(make_table, runner):
    table = make_table(10, 10)
    table.add_columns({"out": double})
    table.add(pa.table({"id": [1000, 1001], "text": ["x", "y"], "out": [7, None]}))
    table.backfill("out", runner=runner, progress=False)
    found = values(table, "out")
    assert (found[1000], found[1001], found[3]) == (7, 2002, 6)
    assert table.plan_backfill("out").total_rows_pending == 0


@pytest.mark.same_on_ray
def test_a_null_result_is_computed_and_not_missing(make_table, runner):
    table = make_table()

    @geneva.udf
    def even(id: int) -> int | None:
        return id if id % 2 == 0 else None

    table.add_columns({"out": even})
    table.backfill("out", runner=runner, progress=False)
    assert values(table, "out")[3] is None
    assert not table.plan_backfill("out").has_work


def test_filter_computes_matching_rows_and_the_rest_later(make_table, runner):
    table = make_table()
    table.add_columns({"out": double})
    some = table.backfill("out", where="id % 10 = 3", runner=runner, progress=False)
    assert some.columns["out"].rows_processed == 10
    assert values(table, "out") == {i: 2 * i if i % 10 == 3 else None for i in range(100)}
    assert not table.plan_backfill("out", where="id % 10 = 3").has_work
    more = table.backfill("out", where="id < 20", runner=runner, progress=False)
    assert more.columns["out"].rows_processed == 18
    rest = table.backfill("out", runner=runner, progress=False)
    assert rest.columns["out"].rows_processed == 100 - 10 - 18
    assert values(table, "out") == {i: 2 * i for i in range(100)}


@pytest.mark.same_on_ray
def test_filter_over_a_new_function_keeps_the_other_values(make_table, runner):
    table = make_table()
    table.add_columns({"out": double})
    table.backfill("out", runner=runner, progress=False)
    table.alter_columns({"path": "out", "udf": Offset(1)})
    plan = table.plan_backfill("out")
    assert plan.total_rows_pending == 100
    assert plan.udf_mismatch
    table.backfill("out", where="id < 2", runner=runner, progress=False)
    found = values(table, "out")
    assert [found[i] for i in range(4)] == [1, 2, 4, 6]
    assert table.plan_backfill("out").total_rows_pending == 98
    table.backfill("out", runner=runner, progress=False)
    assert values(table, "out") == {i: i + 1 for i in range(100)}


@pytest.mark.same_on_ray
def test_force_computes_again(make_table, runner):
    table = make_table()
    table.add_columns({"out": double})
    table.backfill("out", runner=runner, progress=False)
    some = table.backfill("out", where="id < 5", force=True, runner=runner, progress=False)
    assert some.columns["out"].rows_processed == 5
    assert values(table, "out") == {i: 2 * i for i in range(100)}
    assert not table.plan_backfill("out").has_work
    everything = table.backfill("out", force=True, runner=runner, progress=False)
    assert everything.columns["out"].rows_processed == 100


def job_of(table, column, arguments, job_id=None):
    """Return a call of backfill() as the job that it would run."""
    _, found = table._wanted(column, None, arguments)
    return table._job(found, arguments, job_id)


@pytest.mark.parametrize("where", [None, "id != 7"])
def test_another_driver_of_a_forced_call_goes_on_and_another_call_does_not(
    make_table, tmp_path, where
):
    calls, broken = tmp_path / "calls", tmp_path / "broken"

    @geneva.udf(batch_size=5)
    def noted(id: int) -> int:
        if id == 70 and broken.exists():
            raise ValueError("broken")
        with calls.open("a") as file:
            file.write(f"{id}\n")
        return id + 1

    table = make_table()
    table.add_columns({"out": noted})
    table.backfill("out", runner="inline", progress=False)
    expected = {i: i + 1 for i in range(100)}
    arguments = BackfillArguments(where=where, force=True, commit_granularity=1)
    for call in (1, 2):
        job = job_of(table, "out", arguments, "nightly")
        drivers = [
            BackfillRun(
                job,
                lambda spec: Grant(spec.concurrency, 0),
                lambda granted: InlineRunner(),
                settings(),
                lambda progress: None,
                StopSignal(),
            )
            for _ in range(3)
        ]
        calls.write_text("")
        broken.touch()
        with pytest.raises(geneva.errors.UDFError):
            drivers[0].run()
        computed = list(map(int, calls.read_text().split()))
        assert computed == [i for i in range(70) if i != 7 or where is None], call
        broken.unlink()
        drivers[1].run()
        assert drivers[2].run().columns["out"].rows_processed == 0
        again = list(map(int, calls.read_text().split()))
        assert sorted(again) == [i for i in range(100) if i != 7 or where is None], call
        assert values(table, "out") == expected
        assert not table.plan_backfill("out").has_work


def test_a_batch_size_that_does_not_fit_into_memory_is_lowered(db):
    warned: list[str] = []

    @geneva.udf(batch_size=64)
    def size(body: pa.Array) -> int:
        return pc.binary_length(body).cast(pa.int64())

    table = db.create_table("large", pa.table({"body": [os.urandom(256 << 10) for _ in range(64)]}))
    table.add_columns({"size": size})
    for applier_bytes, batch_size, lowered in (
        (260 << 20, 23, "from 64 to 23. A row has 0.3 MiB"),
        (1 << 20, 1, "from 64 to 1"),
        (1 << 30, 64, ""),
    ):
        job = job_of(table, "size", BackfillArguments(force=True))
        run = BackfillRun(
            job,
            lambda spec, found=applier_bytes: Grant(1, found),
            lambda granted: _SeeingRunner(),
            settings(),
            lambda progress: None,
            StopSignal(),
            warn=warned.append,
        )
        run.run()
        assert lowered in "".join(warned)
        assert bool(warned) == bool(lowered)
        table.checkout_latest()
        assert table.to_arrow()["size"].to_pylist() == [256 << 10] * 64
        assert _SeeingRunner.batch_size == batch_size
        warned.clear()


def test_memory_that_appliers_take_is_measured_remembered_and_heeded(make_table):
    """A model that ``setup()`` loads is in no estimate; it is known once a job has run."""
    loaded = 300 << 20

    @geneva.udf(batch_size=5)
    class Model:
        def setup(self) -> None:
            self.weights = np.ones(loaded, np.uint8)

        def __call__(self, id: int) -> int:
            time.sleep(0.02)
            return id + int(self.weights[id])

    table = make_table()
    table.add_columns({"out": Model})
    warned: list[str] = []
    seen: list[Progress] = []

    def run(applier_bytes: int, memory_bytes: int) -> BackfillJobResult:
        job = job_of(table, "out", BackfillArguments(force=True))
        grant = Grant(4, applier_bytes, memory_bytes)
        return BackfillRun(
            job,
            lambda spec: grant,
            partial(ProcessRunner, session_pool()),
            settings(),
            seen.append,
            StopSignal(),
            warn=warned.append,
        ).run()

    result = run(240 << 20, 1200 << 20)
    peak = int(result.metrics["peak_memory_bytes"])
    assert loaded < peak < loaded + (400 << 20)
    assert peak < result.memory_suggestion < 2 * peak
    assert len(warned) == 1
    for words in ("docs.out", "each of 4 may take 240 MiB", f"memory={result.memory_suggestion}"):
        assert words in warned[0]
    assert max(now.workers + now.workers_starting for now in seen) < 4
    warned.clear()

    assert run(240 << 20, 1200 << 20).concurrency == (1200 << 20) // peak
    assert "in an earlier job" in warned[0]
    assert "run at once now" in warned[0]
    warned.clear()
    assert run(10 << 30, 40 << 30).concurrency == 4
    assert not warned
    assert values(table, "out") == {i: i + 1 for i in range(100)}


def test_values_that_will_not_fit_on_the_disk_are_warned_of(make_table):
    table = make_table()
    table.add_columns(
        {"out": geneva.udf(lambda id: [0.0] * 500, data_type=pa.list_(pa.float64(), 500))}
    )
    plan = table.plan_backfill("out")
    warned: list[str] = []
    warn_of_full_disk(plan, plan.output_bytes, warned.append)
    warn_of_full_disk(plan, None, warned.append)
    assert not warned
    warn_of_full_disk(plan, 100, warned.append)
    assert "docs.out writes about" in warned[0]


class _SeeingRunner(InlineRunner):
    """Notes the batch size that workers are told; functions reach them as copies."""

    batch_size: int | None = None

    def begin(self, context):
        type(self).batch_size = context.batch_size
        return super().begin(context)


@pytest.mark.same_on_ray
def test_override_for_one_job(make_table, runner):
    table = make_table()
    table.add_columns({"out": double})
    table.backfill("out", udf=Offset(1), runner=runner, progress=False)
    assert values(table, "out")[10] == 11
    # The column's own function has computed none of it.
    assert table.plan_backfill("out").total_rows_pending == 100


@pytest.mark.same_on_ray
def test_deleted_rows_are_not_computed(make_table, runner):
    table = make_table()
    table.delete("id % 3 = 0")
    table.delete("id >= 40 AND id < 80")
    table.add_columns({"out": double})
    live = [i for i in range(100) if i % 3 and not 40 <= i < 80]
    result = table.backfill("out", runner=runner, progress=False)
    assert result.columns["out"].rows_processed == len(live)
    assert values(table, "out") == {i: 2 * i for i in live}


@pytest.mark.same_on_ray
def test_changed_inputs_make_a_column_stale(make_table, runner):
    table = make_table()
    table.add_columns({"a": double})
    table.add_columns({"b": geneva.udf(lambda a: a + 1, data_type=pa.int64())})
    table.backfill("a", runner=runner, progress=False)
    table.backfill("b", runner=runner, progress=False)
    assert values(table, "b")[4] == 9
    table.backfill("a", udf=Offset(0), runner=runner, progress=False)
    assert table.plan_backfill("b").total_rows_pending == 100
    # For a's own function these values are stale.
    with pytest.warns(UserWarning, match=r"missing or stale: 'a' \(100 rows\)"):
        table.backfill("b", runner=runner, progress=False)
    assert values(table, "b")[4] == 5


@pytest.mark.same_on_ray
def test_window_of_fragments(make_table, runner):
    table = make_table(100, 20)
    table.add_columns({"out": double})
    first = table.backfill("out", num_frags=2, runner=runner, progress=False)
    assert first.columns["out"].rows_processed == 40
    table.backfill("out", num_frags=1, skip_frags=1, runner=runner, progress=False)
    found = values(table, "out")
    assert [i for i in range(100) if found[i] is None] == [*range(40, 60), *range(80, 100)]


@pytest.mark.same_on_ray
@pytest.mark.parametrize(("granularity", "versions"), [(1, 5), (2, 3), (None, 1)])
def test_commits_per_granularity(make_table, runner, granularity, versions):
    table = make_table(100, 20)
    table.add_columns({"out": double})
    before = lance.dataset(table.uri).version
    table.backfill("out", commit_granularity=granularity, runner=runner, progress=False)
    assert lance.dataset(table.uri).version == before + versions


@pytest.mark.same_on_ray
@pytest.mark.parametrize(
    "sizes",
    [
        {"checkpoint_size": 7},
        {"task_size": 9},
        {"batch_size": 13},
        {"batch_size": 1000},
        {"max_checkpoint_size": 5, "min_checkpoint_size": 2},
        {"intra_applier_concurrency": 2, "num_cpus": 0.5, "batch_size": 4},
        {"task_size": 16, "checkpoint_size": 5, "where": "id % 3 < 2"},
    ],
)
def test_sizes_do_not_change_values(make_table, runner, sizes):
    table = make_table()
    table.delete("id = 17")
    table.add_columns({"out": double})
    table.backfill("out", runner=runner, progress=False, **sizes)
    wanted = {
        i: 2 * i if "where" not in sizes or i % 3 < 2 else None for i in range(100) if i != 17
    }
    assert values(table, "out") == wanted
    assert not list(Path(table.uri, "_geneva").rglob("*.arrow"))


@pytest.mark.same_on_ray
def test_batch_size_is_what_the_function_sees(make_table, runner):
    table = make_table(100, 100)

    @geneva.udf(data_type=pa.int64(), batch_size=30)
    def size(id: pa.Array) -> pa.Array:
        return pa.array([len(id)] * len(id))

    table.add_columns({"out": size})
    table.backfill("out", runner=runner, progress=False)
    assert sorted(set(values(table, "out").values())) == [10, 30]


@pytest.mark.same_on_ray
def test_struct_fields_blobs_and_vectors(db, runner):
    rows = [{"info": {"a": i, "b": {"c": f"t{i}"}}, "id": i} for i in range(50)]
    table = db.create_table("t", rows)
    blob = {"lance-encoding:blob": "true"}

    @geneva.udf(data_type=pa.large_binary(), input_columns=["id"], field_metadata=blob)
    def picture(n: int) -> bytes | None:
        return None if n == 3 else bytes([n % 256]) * (n * 3000)

    @geneva.udf(input_columns=["info.b.c", "info.a"])
    def joined(text: str, number: int) -> str:
        return f"{text}-{number}"

    @geneva.udf(data_type=pa.list_(pa.float32(), 4), input_columns=["id"])
    def vector(n: int) -> list[float]:
        return [float(n)] * 4

    @geneva.udf(input_columns=["picture"])
    def size(data: bytes) -> int | None:
        return None if data is None else len(data)

    table.add_columns({"picture": picture, "joined": joined, "vector": vector})
    table.add_columns({"size": size})
    for column in ("picture", "joined", "vector", "size"):
        table.backfill(column, runner=runner, progress=False)
    assert values(table, "joined")[7] == "t7-7"
    assert values(table, "size") == {i: None if i == 3 else i * 3000 for i in range(50)}
    assert table.search([9.0] * 4, "vector").limit(1).to_list()[0]["id"] == 9
    blobs = lance.dataset(table.uri).take_blobs("picture", indices=[2, 40])
    assert [len(b.read()) for b in blobs] == [6000, 120_000]


@pytest.mark.same_on_ray
def test_blob_columns_keep_old_values(db, runner):
    table = db.create_table("t", [{"id": i} for i in range(20)])

    @geneva.udf(data_type=pa.large_binary(), field_metadata={"lance-encoding:blob": "true"})
    def text(id: int) -> bytes:
        return b"%d" % id

    table.add_columns({"b": text})
    table.backfill("b", where="id < 5", runner=runner, progress=False)
    table.backfill("b", runner=runner, progress=False)
    data = lance.dataset(table.uri).scanner(columns=["b"], blob_handling="all_binary").to_table()
    assert data["b"].to_pylist() == [b"%d" % i for i in range(20)]


@pytest.mark.same_on_ray
def test_empty_table(db, runner):
    table = db.create_table("t", schema=pa.schema([("id", pa.int64())]))
    table.add_columns({"out": double})
    assert table.backfill("out", runner=runner, progress=False).columns["out"].rows_processed == 0
    table.add([{"id": 4}])
    table.backfill("out", runner=runner, progress=False)
    assert values(table, "out") == {4: 8}


@pytest.mark.local_files
def test_another_process_can_go_on(make_table, runner, tmp_path):
    table = make_table()
    offset = 1000  # A closure travels with the function.
    table.add_columns({"out": geneva.udf(lambda id: id + offset, data_type=pa.int64())})
    program = (
        "import contextlib, sys, geneva\n"
        "db = geneva.connect(sys.argv[1])\n"
        "ray = sys.argv[2] == 'ray'\n"
        "with db.local_ray_context() if ray else contextlib.nullcontext():\n"
        "    table = db.open_table('docs')\n"
        "    done = table.backfill('out', runner=sys.argv[2], progress=False)\n"
        "print(done.columns['out'].rows_processed)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "db"), runner],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "100"
    assert values(table, "out")[1] == 1001


@pytest.mark.same_on_ray
def test_a_new_function_is_noticed_after_a_compaction(make_table, runner):
    table = make_table(100, 20)
    table.add_columns({"out": double})
    table.backfill("out", runner=runner, progress=False)
    table.optimize()
    table.alter_columns({"path": "out", "udf": Offset(1)})
    assert table.backfill("out", runner=runner, progress=False).columns["out"].rows_processed == 100
    table.optimize()
    table.backfill("out", runner=runner, progress=False)
    assert values(table, "out") == {i: i + 1 for i in range(100)}


def test_hints_that_only_annotations_name(make_table, runner, tmp_path):
    source = """
from __future__ import annotations
from typing import NamedTuple
import numpy as np
import geneva

class Box(NamedTuple):
    a: int
    b: str

@geneva.udf(input_columns=["box", "scores"])
def kinds(box: Box, scores: np.ndarray) -> str:
    return f"{type(box).__name__} {box.b} {type(scores).__name__} {scores.sum():g}"
"""
    namespace: dict = {"__name__": "made_up"}
    exec(compile(source, "made_up.py", "exec"), namespace)
    table = make_table(1, 1)._connection.create_table(
        "boxes", [{"id": 1, "box": {"a": 1, "b": "x"}, "scores": [1.0, 2.5]}]
    )
    table.add_columns({"out": namespace["kinds"]})
    table.backfill("out", runner=runner, progress=False)
    assert values(table, "out") == {1: "Box x ndarray 3.5"}
