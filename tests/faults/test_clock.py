"""A clock that jumps, as a machine's does when it is set or wakes up, disturbs no job."""

from __future__ import annotations

import itertools
import time

import pytest

import geneva
from geneva import errors
from tests.conftest import values

_DAY_S = 86_400.0


@pytest.fixture
def _jumping(monkeypatch):
    real, jumps = time.time, itertools.cycle([0.0, _DAY_S, -_DAY_S, 3 * _DAY_S])
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))


@pytest.mark.parametrize("kind", ["inline", "process"])
@pytest.mark.usefixtures("_jumping")
def test_jobs_resume_and_keep_their_lease_while_the_clock_jumps(make_table, tmp_path, kind):
    mended, calls = tmp_path / "mended", tmp_path / "calls"

    @geneva.udf
    def doubled(id: int) -> int:
        with calls.open("a") as file:
            file.write(f"{id}\n")
        if id == 60 and not mended.exists():
            raise ValueError("not yet")
        return 2 * id

    table = make_table(100, 25)
    table.add_columns({"out": doubled})
    call = {"runner": kind, "progress": False, "concurrency": 1, "checkpoint_size": 5}
    with pytest.raises(errors.UDFError):
        table.backfill("out", **call)
    mended.touch()
    job = table.backfill_async("out", **call)
    assert job.result(timeout=60).status == "DONE"
    assert values(table, "out") == {i: 2 * i for i in range(100)}
    counted = [int(line) for line in calls.read_text().split()]
    # What was durable is not computed twice: the row that failed, and at most its batch.
    assert len(counted) <= 100 + 1 + 32
    assert db_statuses(table) == ["DONE", "FAILED"]
    assert table.cleanup_checkpoints().found == ()


def db_statuses(table) -> list[str]:
    return sorted(record.status.value for record in table._connection.list_jobs())
