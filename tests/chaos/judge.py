"""Runs one schedule and says whether what is promised holds."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geneva
from geneva.storage.files import LEASES_FOLDER, PARTS_FOLDER, TableFiles
from geneva.storage.model import TableLocation
from tests.chaos import child
from tests.chaos.schedule import Call, Schedule
from tests.chaos.world import TABLE, expected_inputs, value_of

_TIMEOUT_S = 60.0
_ENDS = (0, child.RAISED, child.EXITED, -signal.SIGKILL)
_CLEAN = Call("inline", (), (), None)

# Forked from a process that has everything loaded and has never computed: a call starts in
# milliseconds, and can really be killed.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.chaos.preload"])


def run_schedule(schedule: Schedule) -> list[str]:
    """Run a schedule, then one call without trouble, check the table, and say what happened.

    Raises
    ------
    AssertionError
        What is promised does not hold.
    """
    with tempfile.TemporaryDirectory(prefix="geneva-chaos-") as name:
        folder = Path(name)
        size = (schedule.rows, schedule.per_fragment, schedule.batch_size)
        _in_child(child.create, folder, *size, schedule.stable_row_ids)
        for number, call in enumerate(schedule.calls):
            _call(folder, call, number)
        _call(folder, _CLEAN, len(schedule.calls))
        _check(folder, schedule)
        happened = folder / "happened"
        return happened.read_text().splitlines() if happened.exists() else []


def _call(folder: Path, call: Call, number: int) -> None:
    mark = folder / f"kill-at-{call.killed_at_key}"
    if call.killed_at_key is not None:
        mark.touch()
    exit_code = _in_child(child.run, folder, call, number)
    mark.unlink(missing_ok=True)
    error = folder / f"error-{number}"
    words = error.read_text() if error.exists() else ""
    # A worker that is killed is replaced; whoever computes in the call's own process dies with it.
    assert exit_code in _ENDS, f"{call} ended with {exit_code}: {words}"
    if not call.crashes:
        assert exit_code == 0, f"{call} ended with {exit_code} without a crash: {words}"


def _in_child(target: Callable[..., None], *arguments: Any) -> int:
    process = _processes.Process(target=target, args=arguments)
    process.start()
    process.join(_TIMEOUT_S)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"{target.__name__}{arguments} did not end in {_TIMEOUT_S:g} s")
    return process.exitcode


def _check(folder: Path, schedule: Schedule) -> None:
    table = geneva.connect(folder / "db").open_table(TABLE)
    found = table.to_lance().to_table(columns=["key", "a", "out"]).to_pylist()
    inputs = {row["key"]: row["a"] for row in found}
    assert len(inputs) == len(found), "rows are doubled"
    assert inputs == expected_inputs(folder, schedule.rows), "rows are lost"
    wrong = {row["key"]: row for row in found if row["out"] != value_of(row["key"], row["a"])}
    assert not wrong, f"wrong values: {wrong}"
    plan = table.plan_backfill("out")
    assert not plan.has_work, f"work is left: {plan}"
    calls = len((folder / "calls").read_text().splitlines()) if inputs else 0
    if not schedule.operations and not any(dict(c.arguments).get("force") for c in schedule.calls):
        assert calls <= schedule.rows + _redo(schedule), f"{calls} calls for {schedule.rows} rows"
    report = table.verify(deep=True)
    assert report.ok, str(report)
    table.cleanup_checkpoints()
    files = TableFiles(TableLocation(str(folder / "db" / f"{TABLE}.lance")))
    for left in (files.list(PARTS_FOLDER), files.list(LEASES_FOLDER), list(table.tags.list())):
        assert not left, f"left behind: {left}"
    assert table.to_lance().to_table(columns=["key", "a", "out"]).to_pylist() == found


def _redo(schedule: Schedule) -> int:
    """Return how many rows may be computed twice: those at risk at each crash."""
    rows = 0
    for call in schedule.calls:
        at_risk = dict(call.arguments).get("checkpoint_size")
        each = schedule.rows if at_risk is None else int(str(at_risk)) + schedule.batch_size
        rows += call.crashes * each
    return rows
