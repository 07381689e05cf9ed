"""Write the tables that the cases read, from fixed seeds."""

from __future__ import annotations

import io
import math
import shutil
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from benchmarks.errors import BenchmarkError
from benchmarks.tables import PROGRAMS, TableSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 7
TEXTS_PER_BATCH = 100_000
IMAGES_PER_BATCH = 100
# Encoding 2,000 different pictures takes over a minute, and decoding one twice costs twice.
DISTINCT_IMAGES = 200
IMAGE_BYTES = (50_000, 100_000)


def generate_table(spec: TableSpec, home: Path) -> None:
    """Write a table to ``<home>/docs.lance``."""
    # Written aside and renamed, so that an interrupted run leaves no half table to be reused.
    unfinished = home.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    uri = unfinished / "docs.lance"
    _write(uri, spec.content, spec.first_id, spec.rows, math.ceil(spec.rows / spec.fragments))
    if (found := len(lance.dataset(uri).get_fragments())) != spec.fragments:
        raise BenchmarkError(f"{spec.name}: expected {spec.fragments} fragments, wrote {found}")
    if spec.filled_by:
        _fill(spec.filled_by, unfinished)
    if spec.appended:
        _write(uri, spec.content, spec.first_id + spec.rows, spec.appended, spec.appended)
    unfinished.rename(home)


def _fill(program: str, folder: Path) -> None:
    """Fill a column with one of the measured programs."""
    command = [sys.executable, str(PROGRAMS / program), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        tail = done.stdout[-4000:]
        raise BenchmarkError(f"{' '.join(command)} exited with {done.returncode}\n{tail}")


def _write(uri: Path, content: str, first_id: int, rows: int, rows_per_fragment: int) -> None:
    """Create a table, or append to the one that is there."""
    generate = {"docs": _docs, "numbers": _numbers, "images": _images}[content]
    batches = generate(first_id, rows)
    first = next(batches)

    def stream() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    lance.write_dataset(
        pa.RecordBatchReader.from_batches(first.schema, stream()),
        uri,
        mode="append" if uri.exists() else "create",
        max_rows_per_file=rows_per_fragment,
        enable_stable_row_ids=True,
    )


def _numbers(first_id: int, rows: int) -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"id": pa.array(np.arange(first_id, first_id + rows))})


def _docs(first_id: int, rows: int) -> Iterator[pa.RecordBatch]:
    words = _vocabulary()
    for start in range(first_id, first_id + rows, TEXTS_PER_BATCH):
        count = min(TEXTS_PER_BATCH, first_id + rows - start)
        rng = np.random.default_rng([SEED, start])
        lengths = rng.integers(5, 26, size=count)
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        chosen = words.take(pa.array(rng.integers(0, len(words), size=int(offsets[-1]))))
        texts = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), chosen), " ")
        ids = pa.array(np.arange(start, start + count))
        yield pa.record_batch({"id": ids, "text": texts})


@cache
def _vocabulary() -> Any:
    rng = np.random.default_rng(SEED)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    lengths = rng.integers(2, 9, size=4000)
    return pa.array(["".join(rng.choice(letters, size=length)) for length in lengths])


def _images(first_id: int, rows: int) -> Iterator[pa.RecordBatch]:
    rng = np.random.default_rng([SEED, first_id])
    distinct = [_picture(rng) for _ in range(min(rows, DISTINCT_IMAGES))]
    for start in range(0, rows, IMAGES_PER_BATCH):
        chosen = rng.integers(0, len(distinct), size=min(IMAGES_PER_BATCH, rows - start))
        yield pa.record_batch({"image": pa.array([distinct[i] for i in chosen], pa.binary())})


def _picture(rng: np.random.Generator) -> bytes:
    """One JPEG of about 800 x 600: random fields from coarse to fine, as in a photograph."""
    width, height = int(rng.integers(760, 841)), int(rng.integers(570, 631))
    pixels = np.full((height, width, 3), 128.0, np.float32)
    for cells, strength in ((4, 70), (16, 35), (64, 18), (200, 9)):
        coarse = rng.normal(0.0, strength, (3, cells * 3 // 4, cells)).astype(np.float32)
        fields = [
            np.asarray(Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC))
            for field in coarse
        ]
        pixels += np.stack(fields, axis=-1)
    file = io.BytesIO()
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    picture.save(file, "JPEG", quality=int(rng.integers(82, 89)))
    jpeg = file.getvalue()
    if not IMAGE_BYTES[0] <= len(jpeg) <= IMAGE_BYTES[1]:
        raise BenchmarkError(f"A generated JPEG has {len(jpeg)} bytes, expected {IMAGE_BYTES}")
    return jpeg
