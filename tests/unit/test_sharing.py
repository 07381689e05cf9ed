"""Which columns share a pass, and what it does."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from geneva.jobs.planner import Plan
from geneva.jobs.spec import BackfillArguments
from geneva.jobs.tasks import ApplyTask, FragmentPlan
from geneva.pipeline.sharing import shared_passes, shared_plan
from geneva.storage.model import ComputedColumn, Part, RowRange

NEEDS = {
    "num_cpus": 1.0,
    "num_gpus": 0.0,
    "memory": None,
    "batch_size": None,
    "shares_pass": True,
    "failure_rules": {"losses": {}, "limits": [], "by_row": True},
}
SKIPS = {"failure_rules": {"losses": {}, "limits": [[None, None]], "by_row": True}}
BATCHES = {"failure_rules": {"losses": {}, "limits": [], "by_row": False}}


def column(name: str, *reads: str, **options: object) -> ComputedColumn:
    needs = {**NEEDS, **options}
    return ComputedColumn(name, ord(name), pa.int64(), False, "f", "1", "", reads, options=needs)


def passes(*columns: ComputedColumn, **arguments: int) -> list[str]:
    found = shared_passes(columns, BackfillArguments(**arguments))
    return ["+".join(one.name for one in each) for each in found]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([column("a", "id"), column("b", "id")], ["a+b"]),
        ([column("a", "id"), column("b", "text"), column("c", "id", "text")], ["a+c", "b"]),
        ([column("a", "id"), column("b", "a", "id"), column("c", "id")], ["a+c", "b"]),
        ([column("a", "id"), column("b", "a"), column("c", "a", "id")], ["a", "b+c"]),
        ([column("a", "id"), column("b", "id", num_gpus=1.0)], ["a", "b"]),
        ([column("a", "id", num_gpus=1.0), column("b", "id", num_gpus=1.0)], ["a", "b"]),
        ([column("a", "id", memory=9), column("b", "id", memory=9)], ["a", "b"]),
        ([column("a", "id", batch_size=9), column("b", "id")], ["a", "b"]),
        ([column("a", "id"), column("b", "id", **BATCHES)], ["a+b"]),
        ([column("a", "id", **SKIPS), column("b", "id", **SKIPS)], ["a", "b"]),
        ([column("a", "id", row_timeout=3), column("b", "id", row_timeout=3)], ["a", "b"]),
        ([column("a", "id", shares_pass=False), column("b", "id", shares_pass=False)], ["a", "b"]),
        ([replace(column("a", "id"), is_blob=True), column("b", "id")], ["a", "b"]),
    ],
)
def test_columns_share_a_pass_if_one_applier_has_room_for_them(columns, expected):
    assert passes(*columns) == expected


def test_a_window_of_fragments_is_that_of_each_column():
    columns = [column("a", "id"), column("b", "id")]
    assert passes(*columns, num_frags=1) == passes(*columns, skip_frags=1) == ["a", "b"]


def fragment(number: int, name: str, **changes: object) -> FragmentPlan:
    rows = RowRange(0, 10)
    found = FragmentPlan(number, 10, f"{name}{number}", 10, (rows,), None, None, None, False, True)
    return replace(found, **changes)


def plan(name: str, *fragments: FragmentPlan) -> Plan:
    tasks = tuple(ApplyTask(i, f.fragment_id, f.ranges[0]) for i, f in enumerate(fragments))
    return Plan("t", name, 1, None, fragments, tasks, {}, {}, 9, 90, 0, output_bytes=80)


def test_a_pass_does_what_all_columns_need_whole():
    part = Part(3, RowRange(0, 5), dense=True, path="p")
    one = plan("a", *(fragment(i, "a") for i in range(7)))
    other = plan(
        "b",
        fragment(0, "b", pending_rows=9),
        fragment(1, "b"),
        fragment(3, "b", parts=(part,)),
        fragment(4, "b", keep_old=True),
        fragment(5, "b", complete=False),
        fragment(6, "b"),
    )
    found = shared_plan([column("a", "id"), column("b", "id")], [one, other])
    assert [(f.fragment_id, f.fingerprint) for f in found.fragments] == [(1, "a1+b1"), (6, "a6+b6")]
    assert [(task.task_id, task.fragment_id) for task in found.tasks] == [(0, 1), (1, 6)]
    assert (found.column_name, found.columns) == ("a, b", ("a", "b"))
    assert sorted(found.skipped) == [0, 2, 3, 4, 5]
    assert found.output_bytes == 160
