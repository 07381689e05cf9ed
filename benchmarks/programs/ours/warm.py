"""Two backfills in one session; the second finds the workers running.

The file named by ``BENCH_MARKS`` receives the moment of the second ``backfill()`` call and, from
each worker, the moment of its first row.
"""

import os
import sys
import time
from pathlib import Path

import geneva

MARKS = os.environ["BENCH_MARKS"]
marked: set[str] = set()


def mark(event: str) -> None:
    """Append an event and its time once per process; one short append is not torn."""
    if event not in marked:
        marked.add(event)
        with Path(MARKS).open("a") as file:
            file.write(f"{event} {time.time()}\n")


@geneva.udf
def word_count(text: str) -> int:
    """Count the words."""
    return len(text.split())


@geneva.udf
def characters(text: str) -> int:
    """Count the characters."""
    mark("applied")
    return len(text)


if __name__ == "__main__":
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"wc": word_count, "characters": characters})
    table.backfill("wc", progress=False)
    mark("called")
    table.backfill("characters", progress=False)
