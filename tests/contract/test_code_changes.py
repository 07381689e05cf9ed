"""An edited function is noticed, what changed is said, and its values are shown beside the old."""

from __future__ import annotations

import importlib
import logging
import sys

import pyarrow as pa
import pytest

import geneva
from geneva import errors
from tests.conftest import values

HELPER = """
FACTOR = 2


def clean(x):
    return x * FACTOR
"""
MAIN = """
import geneva
from shop_helper import clean


@geneva.udf(num_cpus=1, input_columns=["id"])
def out(id: int, k: int = 3) -> int:
    return clean(id) + k
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Import a small program of two files, anew after an edit, as the next session would."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(*edits: tuple[str, str]):
        for name, text in (("shop_helper", HELPER), ("shop_main", MAIN)):
            edited = text
            for old, new in edits:
                edited = edited.replace(old, new)
            (tmp_path / f"{name}.py").write_text(edited)
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("shop_main").out

    yield load
    for name in ("shop_helper", "shop_main"):
        sys.modules.pop(name, None)


@pytest.fixture
def table(make_table, program):
    table = make_table(40, 20)
    table.add_columns({"out": program()})
    table.backfill("out", runner="inline", progress=False)
    return table


def given(function):
    return {"path": "out", "udf": function}


EDITS = {
    "code": ([("+ k", "- k")], "code of out changed (shop_main.py:6)"),
    "a default": ([("k: int = 3", "k: int = 4")], "default of k 3 → 4"),
    "a helper": ([("x * FACTOR", "x + FACTOR")], "helper clean() changed (shop_helper.py:5)"),
    "a global of a helper": ([("FACTOR = 2", "FACTOR = 5")], "global FACTOR of clean() 2 → 5"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_noticed_and_said(table, program, capfd, name):
    edits, words = EDITS[name]
    table.alter_columns(given(program(*edits)))
    assert f"docs.out: {words}. So its values are stale." in capfd.readouterr().err
    plan = table.plan_backfill("out")
    assert plan.udf_mismatch
    assert f"changed           {words}" in str(plan)
    status = table.column_status("out")
    assert (status.stale, status.changed) == (40, words)
    assert f"changed  {words}" in str(status)
    table.backfill("out", runner="inline", progress=False)
    assert values(table, "out") != {i: 2 * i + 3 for i in range(40)}
    assert "changed" not in str(table.plan_backfill("out"))
    assert "changed" not in str(table.column_status("out"))


@pytest.mark.parametrize(
    "edit",
    [("FACTOR = 2", "# Twice.\n\n\nFACTOR = 2"), ("@geneva", "\n\n# Computes it.\n@geneva"),
     ("return clean", "\n    # Both.\n    return clean"), ("def out", "def out"),
     ("num_cpus=1", "num_cpus=0.5, batch_size=7")],
)  # fmt: skip
def test_what_changes_no_value_makes_nothing_stale(table, program, capfd, edit):
    changes = table.changes("out", udf=program(edit))
    assert not changes.stale
    table.alter_columns(given(program(edit)))
    said = capfd.readouterr().err
    assert "nothing becomes stale" in said
    if "num_cpus" in edit[0]:
        assert "num_cpus 1 → 0.5 (makes nothing stale)" in said
        assert "batch_size null → 7 (makes nothing stale)" in said
    assert not table.plan_backfill("out").has_work


def test_what_changed_goes_to_the_log_where_there_is_one(table, program, capfd, caplog):
    caplog.set_level(logging.INFO, "geneva")
    table.alter_columns(given(program(("+ k", "- k"))))
    assert "code of out changed" in caplog.text
    assert not capfd.readouterr().err


def test_inputs_that_changed_are_said(table, capfd):
    table.add_columns({"more": "id + 1"})
    function = geneva.udf(lambda x: x, data_type=pa.int64())
    table.alter_columns({"path": "out", "udf": function, "input_columns": ["more"]})
    assert 'input_columns ["id"] → ["more"]' in capfd.readouterr().err


def test_changes_are_data_and_write_nothing(table, program):
    version = table.version
    changes = table.changes("out", udf=program(("+ k", "- k"), ("k: int = 3", "k: int = 4")))
    assert changes.stale
    default = next(change for change in changes if change.what == "default of k")
    assert (default.before, default.after, default.kind) == ("3", "4", "changed")
    assert table.version == version
    with pytest.raises(errors.InvalidArgumentError, match="returns string"):
        table.changes("out", udf=geneva.udf(lambda id: "", data_type=pa.string()))
    with pytest.raises(errors.NotComputedError):
        table.changes("text", udf=program())


def test_a_diff_shows_old_and_new_values(table, program):
    version = table.version
    diff = table.diff("out", udf=program(("+ k", "+ (k if id % 4 else 0)")))
    assert (diff.compared, diff.differing, diff.failed) == (40, 10, 0)
    rows = diff.to_arrow().to_pylist()
    assert {row["inputs"]["id"]: row["old"] for row in rows} == values(table, "out")
    for row in rows:
        x = row["inputs"]["id"]
        assert row["new"] == 2 * x + (3 if x % 4 else 0)
        assert row["differs"] == (x % 4 == 0)
    text = str(diff)
    assert text.startswith("docs.out at version")
    assert "40 rows compared, 10 differ, 30 are the same" in text
    assert "code of out changed" in text
    assert table.version == version
    assert values(table, "out") == {i: 2 * i + 3 for i in range(40)}


def test_a_diff_takes_a_sample_from_everywhere(table, program):
    diff = table.diff("out", udf=program(), limit=8)
    found = sorted(row["inputs"]["id"] for row in diff.to_arrow().to_pylist())
    assert (len(found), found[0]) == (8, 0)
    assert {n // 20 for n in found} == {0, 1}
    assert diff.differing == 0
    diff = table.diff("out", udf=program(), limit=3, where="id > 30")
    assert all(row["inputs"]["id"] > 30 for row in diff.to_arrow().to_pylist())
    with pytest.raises(errors.FilterError):
        table.diff("out", udf=program(), where="nothing > 1")
    with pytest.raises(errors.InvalidArgumentError, match="limit"):
        table.diff("out", udf=program(), limit=0)


@pytest.mark.parametrize("arrays", [False, True])
def test_rows_that_the_new_function_fails_on_are_shown(table, arrays):
    def one(id):
        if id % 10 == 7:
            raise ValueError(f"no {id}")
        return 2 * id + 3

    def many(id: pa.Array) -> pa.Array:
        return pa.array([one(x) for x in id.to_pylist()])

    diff = table.diff("out", udf=geneva.udf(many if arrays else one, data_type=pa.int64()))
    assert (diff.compared, diff.differing, diff.failed) == (40, 0, 4)
    failed = [row for row in diff.to_arrow().to_pylist() if row["error"] is not None]
    assert [(row["inputs"]["id"], row["error"]) for row in failed] == [
        (x, f"ValueError: no {x}") for x in (7, 17, 27, 37)
    ]
    assert "4 failed" in str(diff)


def test_a_diff_of_what_was_never_computed(make_table, program):
    table = make_table(10, 10)
    table.add_columns({"out": program()})
    diff = table.diff("out", udf=program(("+ k", "- k")))
    assert diff.compared == 0
    assert "0 rows compared" in str(diff)


def test_a_diff_of_vectors_and_nested_inputs(db):
    rows = [{"at": {"x": i, "y": 2 * i}} for i in range(5)]
    table = db.create_table("points", rows)
    kind = pa.list_(pa.float32(), 2)
    table.add_columns({"v": (geneva.udf(lambda x: [x, x], data_type=kind), ["at.x"])})
    table.backfill("v", runner="inline", progress=False)

    class Shift:
        def setup(self):
            self.by = 1.0

        def __call__(self, x: int) -> list[float]:
            return [x, x + self.by * (x == 3)]

    shift = geneva.udf(Shift(), data_type=kind, input_columns=["at.x"])
    diff = table.diff("v", udf=shift)
    assert (diff.compared, diff.differing) == (5, 1)
    assert "at.x=3" in str(diff)
