"""One call of ``backfill`` in a process that may be killed at any point, and others that write."""

from __future__ import annotations

import os
import signal
import traceback
from collections import Counter
from pathlib import Path

import lancedb
import pyarrow as pa

import geneva
from geneva.storage import fault_points
from tests.chaos.schedule import Call, Incident
from tests.chaos.world import OPERATIONS, TABLE, operate, rows_of, value_of

RAISED = 3
"""Exit code of a call that an injected error ended."""

EXITED = 4
FAILED = 5
"""Exit code of a call that anything else ended; the folder has the traceback."""

_INJECTED = "injected: the storage is gone"


def create(folder: Path, rows: int, per_fragment: int, batch_size: int, stable: bool) -> None:
    """Make the table with its computed column."""
    options = {"new_table_enable_stable_row_ids": str(stable).lower()}
    table = lancedb.connect(folder / "db").create_table(
        TABLE, rows_of(range(min(rows, per_fragment))), storage_options=options
    )
    for start in range(per_fragment, rows, per_fragment):
        table.add(rows_of(range(start, min(rows, start + per_fragment))))
    calls = folder / "calls"
    marks = str(folder)

    @geneva.udf(batch_size=batch_size, data_type=pa.int64())
    def out(key: int, a: int) -> int | None:
        mark = os.path.join(marks, f"kill-at-{key}")  # noqa: PTH118 - it runs by value, anywhere
        try:
            os.unlink(mark)  # noqa: PTH108
        except FileNotFoundError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
        with calls.open("a") as log:
            log.write(f"{key} {a}\n")
        return value_of(key, a)

    other = geneva.udf(lambda a: a, data_type=pa.int64())
    geneva.connect(folder / "db").open_table(TABLE).add_columns({"out": out, "other": other})


def run(folder: Path, call: Call, number: int) -> None:
    """Call ``backfill`` once, and let happen what the schedule says."""
    fault_points.listen(_Chaos(folder, call.incidents))
    try:
        geneva.connect(folder / "db").open_table(TABLE).backfill(
            "out", runner=call.runner, progress=False, **dict(call.arguments)
        )
    except BaseException as error:  # noqa: BLE001 - the parent judges it
        chain = "".join(traceback.format_exception(error))
        (folder / f"error-{number}").write_text(chain)
        os._exit(RAISED if _INJECTED in chain else FAILED)
    os._exit(0)


class _Chaos:
    def __init__(self, folder: Path, incidents: tuple[Incident, ...]) -> None:
        self._folder = folder
        self._incidents = list(incidents)
        self._passed: Counter[str] = Counter()
        self._operating = False

    def __call__(self, point: str) -> None:
        if self._operating:
            return
        self._passed[point] += 1
        due = [i for i in self._incidents if (i.point, i.nth) == (point, self._passed[point])]
        for incident in due:
            self._incidents.remove(incident)
            self._happen(incident)

    def _happen(self, incident: Incident) -> None:
        with (self._folder / "happened").open("a") as log:
            log.write(f"{incident.what}\n")
        if incident.what in OPERATIONS:
            self._operating = True
            operate(self._folder, incident.what)
            self._operating = False
        elif incident.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif incident.what == "exit":
            os._exit(EXITED)
        else:
            raise OSError(_INJECTED)
