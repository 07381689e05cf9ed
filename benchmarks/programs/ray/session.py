"""One backfill in a session that is up: the second argument says which, the third where.

The file named by ``BENCH_MARKS`` receives the seconds of the call.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

import geneva

# A person does not call backfill() in the moment in which a cluster is up.
PAUSE_S = 3.0


@geneva.udf
def word_count(text: str) -> int:
    """Count the words."""
    return len(text.split())


@geneva.udf(input_columns=["id"])
def answer(row_id: int) -> int:
    """Answer after 50 ms."""
    time.sleep(0.05)
    return row_id * 2


if __name__ == "__main__":
    folder, column, engine = sys.argv[1:]
    db = geneva.connect(folder)
    table = db.open_table("docs")
    function, concurrency = {"wc": (word_count, 8), "answer": (answer, 2)}[column]
    table.add_columns({column: function})
    with db.local_ray_context() if engine == "ray" else contextlib.nullcontext():
        if engine != "ray":
            # Its worker is up after a first backfill.
            small = db.create_table("small", [{"text": "two words"}])
            small.add_columns({"wc": word_count})
            small.backfill("wc", progress=False)
        time.sleep(PAUSE_S)
        began = time.perf_counter()
        table.backfill(column, concurrency=concurrency, progress=False)
        seconds = time.perf_counter() - began
    Path(os.environ["BENCH_MARKS"]).write_text(f"job {seconds}\n")
