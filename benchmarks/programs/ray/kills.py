"""A job of a minute, and the same with an applier killed every five seconds.

The file named by ``BENCH_MARKS`` receives the ratio of their times.
"""

import os
import sys
import threading
import time
from pathlib import Path

import psutil
from ray._private.state import state
from ray.core.generated.gcs_pb2 import ActorTableData

import geneva

ROW_S = 0.05
EVERY_S = 5.0


@geneva.udf(input_columns=["id"])
def answer(row_id: int) -> int:
    """Answer after 50 ms."""
    time.sleep(ROW_S)
    return row_id * 2


def kill_until(ended: threading.Event) -> None:
    """Kill an applier now and then, another one each time."""
    turn = 0
    while not ended.wait(EVERY_S):
        accessor = state._global_state_accessor  # noqa: SLF001
        rows = map(ActorTableData.FromString, accessor.get_actor_table(None, None))
        alive = [row for row in rows if row.state == ActorTableData.ALIVE and "applier" in row.name]
        if alive:
            psutil.Process(alive[turn % len(alive)].pid).kill()
            turn += 1


def seconds() -> float:
    """Run the job."""
    began = time.perf_counter()
    table.backfill("answer", concurrency=2, force=True, progress=False)
    return time.perf_counter() - began


if __name__ == "__main__":
    # A row that is computed when its worker is killed is not to blame for it.
    os.environ["GENEVA_MAX_WORKER_LOSSES"] = "1000"
    db = geneva.connect(sys.argv[1])
    table = db.open_table("docs")
    table.add_columns({"answer": answer})
    with db.local_ray_context():
        alone = seconds()
        ended = threading.Event()
        killer = threading.Thread(target=kill_until, args=(ended,))
        killer.start()
        killed = seconds()
        ended.set()
        killer.join()
    Path(os.environ["BENCH_MARKS"]).write_text(f"kill_ratio {killed / alone}\n")
