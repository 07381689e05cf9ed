"""What several outputs cost more than one (``python -m benchmarks.outputs``).

A function with one output and one with three do the same work per row, and are measured in turns.
The work is decoding, which is what makes one call for several columns worth it: of text, of a small
and of a larger picture.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

import geneva

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 7
GOAL = 1.15


class Three(NamedTuple):
    """The outputs."""

    one: int
    two: int
    three: int


def words_of(data: bytes) -> Three:
    """Read a text of 15 words."""
    words = data.decode().upper().split()
    return Three(len(words), len(set(words)), max(map(len, words)))


def colours_of(data: bytes) -> Three:
    """Decode a picture."""
    from PIL import Image, ImageStat

    with Image.open(io.BytesIO(data)) as image:
        red, green, blue = ImageStat.Stat(image.convert("RGB")).mean
    return Three(int(red), int(green), int(blue))


def picture(number: int, side: int) -> bytes:
    """Return a JPEG file."""
    from PIL import Image

    target = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).rotate(number % 90).save(target, "JPEG")
    return target.getvalue()


def text(number: int) -> bytes:
    """Return 15 words."""
    return " ".join(f"word{(number * step) % 1009}" for step in range(1, 16)).encode()


def measure(name: str, work: Callable[[bytes], Three], data: list[bytes], runner: str) -> float:
    """Print the medians of both functions and return their ratio."""

    @geneva.udf
    def single(data: bytes) -> int:
        return work(data).one

    @geneva.udf
    def several(data: bytes) -> geneva.Columns[Three]:
        return work(data)

    with tempfile.TemporaryDirectory() as folder, geneva.connect(folder) as db:
        quarter = len(data) // 4
        table = db.create_table("t", pa.table({"data": data[:quarter]}))
        for start in range(quarter, len(data), quarter):
            table.add(pa.table({"data": data[start : start + quarter]}))
        table.add_columns({"single": single})
        table.add_columns(several)
        took: dict[str, list[float]] = {"single": [], "one": []}
        for _ in range(RUNS + 1):
            for column, seconds in took.items():
                started = time.perf_counter()
                table.backfill(column, force=True, progress=False, runner=runner)
                seconds.append(time.perf_counter() - started)
    one, three = (statistics.median(seconds[1:]) for seconds in took.values())
    per_row = 1e6 * one / len(data)
    print(
        f"{name:<22} {runner:<8} {len(data):>7,} rows {per_row:8.1f} us/row "
        f"{one:7.3f} s {three:7.3f} s  {three / one:.3f}"
    )
    return three / one


def main() -> int:
    """Measure all kinds of work; 1 if the ratio of one is above the goal."""
    texts = [text(i) for i in range(200_000)]
    small = [picture(i, 64) for i in range(8_000)]
    large = [picture(i, 256) for i in range(1_000)]
    print(f"medians of {RUNS} runs: one column, three columns, their ratio (goal {GOAL})")
    ratios = [
        measure(name, work, data, runner)
        for runner in ("inline", "process")
        for name, work, data in (
            ("text of 15 words", words_of, texts),
            ("JPEG of 64 x 64", colours_of, small),
            ("JPEG of 256 x 256", colours_of, large),
        )
    ]
    return int(max(ratios) > GOAL)


if __name__ == "__main__":
    sys.exit(main())
