"""What a job costs besides its appliers while these only wait.

The file named by ``BENCH_MARKS`` receives the share of one core that everything else takes: this
process, driver, tracker, writers and queues, and Ray's own processes as far as they take more than
before the job.
"""

import os
import sys
import time
from pathlib import Path

import psutil

import geneva

SETTLED_S = 10.0
MEASURED_S = 20.0
APPLIERS: set[int] = set()


@geneva.udf(input_columns=["id"], batch_size=10)
def answer(row_id: int) -> int:
    """Answer after two seconds."""
    time.sleep(2.0)
    return row_id * 2


def cpu_s() -> dict[int, float]:
    """Return the CPU seconds of each process of this program that is no applier."""
    me = psutil.Process()
    found = {}
    for process in [me, *me.children(recursive=True)]:
        try:
            if process.pid not in APPLIERS and "IDLE" not in process.name():
                times = process.cpu_times()
                found[process.pid] = times.user + times.system
        except psutil.Error:
            continue
    return found


def taken() -> float:
    """Return the share of a core that all these take now; spare processes are not a job's."""
    before = cpu_s()
    time.sleep(MEASURED_S)
    after = cpu_s()
    return sum(after[pid] - before[pid] for pid in after.keys() & before.keys()) / MEASURED_S


def appliers() -> set[int]:
    """Return the processes that compute."""
    from ray._private.state import state
    from ray.core.generated.gcs_pb2 import ActorTableData

    accessor = state._global_state_accessor  # noqa: SLF001
    rows = map(ActorTableData.FromString, accessor.get_actor_table(None, None))
    return {row.pid for row in rows if "applier" in row.name}


if __name__ == "__main__":
    db = geneva.connect(sys.argv[1])
    table = db.open_table("docs")
    table.add_columns({"answer": answer})
    with db.local_ray_context():
        time.sleep(SETTLED_S)
        without = taken()
        job = table.backfill_async("answer", concurrency=2)
        time.sleep(SETTLED_S)
        APPLIERS.update(appliers())
        used = taken() - without
        job.result()
    Path(os.environ["BENCH_MARKS"]).write_text(f"idle {used}\n")
