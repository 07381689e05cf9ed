"""Functions whose jobs the console shows."""

from __future__ import annotations

import sys
import time

import geneva


@geneva.udf
def words(text: str) -> int:
    return len(text.split())


@geneva.udf(on_error=[geneva.Skip()])
def picky(id: int) -> int:
    if id == 7:
        raise ValueError("<b>seven</b>")
    return id


@geneva.udf(checkpoint_size=5)
def slow(id: int) -> int:
    time.sleep(0.02)
    sys.stdout.write(f"at {id}\n")
    return id
