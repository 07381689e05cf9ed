"""A function is tried on a sample: what it does with each row, and that it can do no harm."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import attrs
import numpy as np
import psutil
import pyarrow as pa
import pytest
from lance.blob import blob_array, blob_field

import geneva
from geneva import errors
from geneva.config import settings


@geneva.udf
def double(id: int) -> int:
    return 2 * id


@geneva.udf
def picky(id: int) -> int:
    if id == 40:
        raise ValueError("<b>forty</b> is too much")
    return id


def text(text: str) -> str:
    return text


_text = text


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--runner") or ("inline", "process")
        # Ray is in tests/ray: an actor for each preview takes a second.
        metafunc.parametrize("kind", [k for k in wanted if k != "ray"] or ["inline"])


@pytest.fixture
def preview(kind):
    def previewed(table, what, **arguments):
        return table.preview(what, **{"runner": kind, "progress": False, **arguments})

    return previewed


def files_of(table) -> dict[str, int]:
    paths = Path(table.uri).parent.rglob("*")
    return {str(path): path.stat().st_mtime_ns for path in paths if path.is_file()}


@pytest.mark.local_files
def test_nothing_is_written(make_table, preview, kind):
    table = make_table()
    table.add_columns({"out": picky})
    before = files_of(table), table.version
    assert not preview(table, "out", where="id >= 38").ok
    assert preview(table, double).ok
    if kind == "process":
        assert table.plan_backfill("out", sample=16).estimate is not None
    assert table.replay("out", 3) == 3
    assert (files_of(table), table.version) == before
    assert table.column_status("out").missing == 100


def test_rows_come_from_several_fragments_and_are_not_deleted(make_table, preview):
    table = make_table(100, 40)
    table.delete("id in (0, 1, 41) or id >= 80 and id < 99")
    seen = preview(table, double, limit=6)
    assert [(r.fragment_id, r.offset) for r in seen.rows] == [
        (0, 2),
        (0, 3),
        (0, 4),
        (1, 0),
        (1, 2),
        (2, 19),
    ]
    assert [row.output for row in seen.rows] == [4, 6, 8, 80, 84, 198]
    assert [row.inputs for row in seen.rows[:2]] == [{"id": "2"}, {"id": "3"}]
    assert [row.row_id for row in seen.rows] == [2, 3, 4, 40, 42, 99]
    assert (seen.version, seen.table_name, seen.output_name) == (table.version, "docs", "double")


def test_a_small_table_is_previewed_whole(make_table, preview):
    seen = preview(make_table(3), double, limit=50)
    assert [row.output for row in seen.rows] == [0, 2, 4]


def test_only_rows_that_match(make_table, preview):
    table = make_table()
    seen = preview(table, double, where="id in (39, 40, 99)")
    assert [row.output for row in seen.rows] == [78, 80, 198]
    nothing = preview(table, double, where="id > 1000")
    assert (nothing.rows, nothing.to_arrow().num_rows) == ((), 0)
    assert "No rows" in str(nothing)
    with pytest.raises(errors.FilterError, match="nope"):
        preview(table, double, where="nope > 1")


def test_a_failing_row_does_not_stop_the_others(make_table, preview):
    seen = preview(make_table(), picky, where="id >= 39 and id < 42")
    assert [row.status for row in seen.rows] == ["computed", "failed", "computed"]
    failed = seen.rows[1]
    assert str(failed.error) == "ValueError: <b>forty</b> is too much"
    assert failed.error.traceback.splitlines()[1].endswith("in picky")
    assert "geneva/" not in failed.error.traceback
    assert not seen.ok
    text = str(seen)
    assert "40      1         0       id=40   failed: ValueError: <b>forty</b> is too much" in text
    assert "3 rows: 2 computed, 1 failed." in text
    assert text.count("Traceback") == 1
    html = seen._repr_html_()
    assert "&lt;b&gt;forty" in html
    assert "<b>" not in html


def test_a_wrong_value_is_a_failure_of_its_row(make_table, preview):
    mixed = geneva.udf(lambda id: id if id % 2 else "x", data_type=pa.int64())
    seen = preview(make_table(), mixed, limit=3, where="id < 3")
    assert [row.status for row in seen.rows] == ["failed", "computed", "failed"]
    assert str(seen.rows[0].error) == "WrongReturnTypeError: expected int64, got str 'x'"


def test_inputs_are_found_as_in_add_columns(make_table, preview):
    table = make_table()
    length = geneva.udf(lambda s: len(s), data_type=pa.int32(), input_columns=["text"])
    assert preview(table, length, limit=2, where="id in (1, 2)").rows[1].output == 3
    assert preview(table, double, input_columns=["id"]).ok
    assert preview(table, (double, ["id"]), limit=1).ok
    # The function may be named like a column that it reads.
    text = geneva.udf(lambda text: text, data_type=pa.string())
    assert preview(table, text, limit=1).ok
    alike = geneva.udf(_text)
    names = preview(table, alike, limit=1, where="id = 3").to_arrow().column_names
    assert names[3:5] == ["text", "text (output)"]
    with pytest.raises(errors.ColumnNotFoundError, match="'txt'"):
        preview(table, geneva.udf(lambda txt: txt, data_type=pa.string()))
    with pytest.raises(errors.InputTypeError, match="text"):
        preview(table, double, input_columns=["text"])


def test_values_in_full_and_shortened(db, preview):
    images = [bytes([i]) * 100_000 for i in range(3)]
    rows = pa.table(
        {"image": blob_array(images), "box": [{"width": i} for i in range(3)]},
        schema=pa.schema([blob_field("image"), ("box", pa.struct([("width", pa.int64())]))]),
    )
    table = db.create_table("images", rows)

    @geneva.udf(input_columns=["image", "box.width"], data_type=pa.list_(pa.float32()))
    def features(image: bytes, width: int):
        return np.full(3, len(image) + width, np.float32)

    seen = preview(table, features, limit=2)
    assert seen.rows[0].inputs["image"].startswith("<100,000 bytes: ")
    assert seen.rows[1].inputs["box.width"] == "1"
    assert seen.rows[1].output == [100_001.0] * 3
    table = seen.to_arrow()
    assert table["image"].to_pylist() == images[:2]
    assert table["features"].to_pylist() == [[100_000.0] * 3, [100_001.0] * 3]
    assert table.column_names[:3] == ["_rowid", "_fragment", "_offset"]
    assert table["_status"].to_pylist() == ["computed"] * 2
    assert all(len(line) < 250 for line in str(seen).splitlines())


def test_an_array_function_gets_the_rows_together(make_table, preview):
    @geneva.udf(data_type=pa.int64())
    def batch_size(id: pa.Array) -> pa.Array:
        return pa.array([len(id)] * len(id))

    table = make_table()
    seen = preview(table, batch_size, limit=6)
    assert [row.output for row in seen.rows] == [6] * 6
    assert seen.takes_batches
    assert len({row.seconds for row in seen.rows}) == 1
    assert "(the time of a batch by its rows)" in str(seen)
    small = geneva.udf(batch_size.func, data_type=pa.int64(), batch_size=4)
    assert [row.output for row in preview(table, small, limit=6).rows] == [4] * 4 + [2] * 2


def test_a_batch_that_fails_is_tried_row_by_row(make_table, preview):
    @geneva.udf(data_type=pa.int64())
    def refuses(batch: pa.RecordBatch) -> pa.Array:
        if 40 in batch["id"].to_pylist():
            raise KeyError("forty")
        return batch["id"]

    seen = preview(make_table(), refuses, where="id >= 39 and id < 42")
    assert [row.status for row in seen.rows] == ["computed", "failed", "computed"]
    assert seen.rows[1].inputs == {"id": "40", "text": "'w w w w w'"}
    assert "A batch of 3 rows failed, KeyError: 'forty'" in str(seen)


def test_a_stateful_function_is_set_up_once(make_table, preview):
    @geneva.udf(data_type=pa.int64())
    class Adds:
        def setup(self) -> None:
            time.sleep(0.05)
            self.plus = 10

        def __call__(self, id: int) -> int:
            self.plus += 1
            return self.plus

    seen = preview(make_table(), Adds(), limit=3)
    assert [row.output for row in seen.rows] == [11, 12, 13]
    assert 0.05 <= seen.setup_s < 5
    assert all(row.seconds < 0.05 for row in seen.rows)


def test_a_setup_that_fails_is_raised(make_table, preview):
    class Broken:
        def setup(self) -> None:
            raise OSError("no model")

        def __call__(self, id: int) -> int:
            return id

    with pytest.raises(errors.UDFError, match=r"setup.. of Broken failed.*no model"):
        preview(make_table(), geneva.udf(Broken)())


def test_arguments_that_cannot_be_used(make_table, preview):
    table = make_table()
    table.add_columns({"out": double})
    bad = [
        ("outt", {}, errors.ColumnNotFoundError, "Did you mean 'out'"),
        ("id", {}, errors.NotComputedError, "ordinary column"),
        (print, {}, errors.InvalidArgumentError, "not decorated"),
        (7, {}, errors.InvalidArgumentError, "neither"),
        ("out", {"input_columns": ["id"]}, errors.InvalidArgumentError, "has its own"),
        ("out", {"limit": 0}, errors.InvalidArgumentError, "limit=0"),
        ("out", {"where": " "}, errors.InvalidArgumentError, "where=' '"),
        ("out", {"timeout": 0}, errors.InvalidArgumentError, "timeout=0"),
        ("out", {"timeout": timedelta(0)}, errors.InvalidArgumentError, "timeout"),
        ("out", {"runner": "cloud"}, errors.InvalidArgumentError, "runner='cloud'"),
    ]
    for what, arguments, error, words in bad:
        with pytest.raises(error, match=words):
            preview(table, what, **arguments)


def test_pandas_is_asked_for(make_table, preview, monkeypatch):
    seen = preview(make_table(), double)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(errors.MissingExtraError, match="pip install pandas"):
        seen.to_pandas()


# -- in worker processes -------------------------------------------------------------------------


def test_a_crash_hurts_neither_the_caller_nor_the_other_rows(make_table):
    @geneva.udf
    def crashes(id: int) -> int:
        if id == 40:
            os.kill(os.getpid(), signal.SIGSEGV)
        if id == 41:
            os._exit(3)
        return id

    table = make_table()
    seen = table.preview(crashes, where="id >= 39 and id < 43", progress=False)
    assert [row.status for row in seen.rows] == ["computed", "crashed", "crashed", "computed"]
    assert str(seen.rows[1].error) == "SIGSEGV: the process crashed"
    assert str(seen.rows[2].error) == "exit: the process exited with code 3"
    assert table.preview(double, progress=False).ok


def test_a_batch_that_crashes_is_tried_row_by_row(make_table):
    @geneva.udf(data_type=pa.int64())
    def crashes(id: pa.Array) -> pa.Array:
        if 40 in id.to_pylist():
            os.kill(os.getpid(), signal.SIGSEGV)
        return id

    seen = make_table().preview(crashes, where="id >= 39 and id < 42", progress=False)
    assert [row.status for row in seen.rows] == ["computed", "crashed", "computed"]
    assert "A batch of 3 rows crashed, SIGSEGV" in str(seen)


def test_a_function_that_always_crashes_is_given_up(make_table):
    @geneva.udf
    def crashes(id: int) -> int:
        os._exit(1)

    seen = make_table().preview(crashes, limit=5, progress=False)
    assert [row.status for row in seen.rows] == ["crashed"] * 4 + ["not tried"]
    assert "4 workers crashed" in str(seen)


def test_an_endless_loop_ends_at_the_deadline(make_table):
    @geneva.udf
    def loops(id: int) -> int:
        while id == 40:
            pass
        return id

    table = make_table()
    began_s = time.monotonic()
    seen = table.preview(loops, where="id >= 39 and id < 42", timeout=0.5, progress=False)
    assert [row.status for row in seen.rows] == ["computed", "timed out", "not tried"]
    assert str(seen.rows[1].error) == "TimeoutError: the call did not end within 0.5 s"
    assert 0.4 < time.monotonic() - began_s < 20
    assert table.preview(double, progress=False).ok


def test_a_setup_that_hangs_or_crashes(make_table):
    class Bad:
        def __init__(self, what):
            self.what = what

        def setup(self) -> None:
            if self.what == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(60)

        def __call__(self, id: int) -> int:
            return id

    table = make_table()
    bad = geneva.udf(Bad)
    with pytest.raises(errors.BackfillTimeoutError, match=r"Bad on docs: setup.* 0.3 s"):
        table.preview(bad("hang"), timeout=timedelta(seconds=0.3), progress=False)
    with pytest.raises(errors.FatalWorkerCrashError, match=r"Bad on docs: setup.* SIGSEGV"):
        table.preview(bad("crash"), progress=False)


def test_ctrl_c_ends_the_worker(make_table, tmp_path):
    noted = tmp_path / "pid"

    @geneva.udf
    def loops(id: int) -> int:
        Path(noted).write_text(str(os.getpid()))
        os.kill(os.getppid(), signal.SIGINT)
        while True:
            pass

    with pytest.raises(KeyboardInterrupt):
        make_table().preview(loops, progress=False)
    assert not psutil.pid_exists(int(noted.read_text()))


def test_memory_of_a_row_and_of_setup(make_table):
    class Holds:
        def setup(self) -> None:
            self.held = bytearray(48 << 20)

        def __call__(self, id: int) -> bytes:
            work = bytearray(64 << 20 if id == 40 else 0)
            return bytes(work[:1000])

    seen = make_table().preview(geneva.udf(Holds)(), where="id in (39, 40)", progress=False)
    small, large = (row.memory_bytes for row in seen.rows)
    assert small < 16 << 20
    assert 60 << 20 < large < 90 << 20
    assert seen.rows[1].output_bytes >= 1000
    assert 40 << 20 < seen.ready_bytes - seen.held_bytes < 80 << 20
    assert seen.peak_memory_bytes >= seen.ready_bytes + (60 << 20)
    assert "MiB at most." in str(seen)


def test_what_the_function_prints_is_seen(make_table, capfd):
    @geneva.udf
    def prints(id: int) -> int:
        print(f"row {id} is here")  # noqa: T201
        return id

    make_table().preview(prints, limit=1, progress=False)
    deadline_s = time.monotonic() + 10
    text = ""
    while "row 0 is here" not in text and time.monotonic() < deadline_s:
        text += capfd.readouterr().out
        time.sleep(0.01)
    assert "row 0 is here" in text


def test_progress_is_shown(make_table, capfd, monkeypatch):
    often = attrs.evolve(settings(), progress_interval_s=0.001)
    monkeypatch.setattr("geneva.preview.settings", lambda: often)
    make_table().preview(double, limit=2)
    assert "double" in capfd.readouterr().err
