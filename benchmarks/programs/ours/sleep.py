"""Wait 50 ms for every row, two rows at a time."""

import sys
import time

import geneva


@geneva.udf(input_columns=["id"])
def answer(row_id: int) -> int:
    """Answer after 50 ms."""
    time.sleep(0.05)
    return row_id * 2


if __name__ == "__main__":
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"answer": answer})
    table.backfill("answer", concurrency=2, progress=False)
