"""Decode every JPEG fully and keep its width and height."""

import io
import sys
from typing import NamedTuple

import lance
import pyarrow as pa
from PIL import Image


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


TYPE = pa.struct([pa.field("width", pa.int64()), pa.field("height", pa.int64())])
SCHEMA = pa.schema([pa.field("size", TYPE)])


def image_size(image: bytes) -> Size:
    """Size of a decoded picture."""
    picture = Image.open(io.BytesIO(image)).convert("RGB")
    return Size(picture.width, picture.height)


def of_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Sizes of the pictures of a batch."""
    sizes = [image_size(image) for image in batch["image"].to_pylist()]
    return pa.record_batch([pa.array(sizes, TYPE)], schema=SCHEMA)


if __name__ == "__main__":
    dataset = lance.dataset(f"{sys.argv[1]}/docs.lance")
    dataset.add_columns(lance.batch_udf(output_schema=SCHEMA)(of_batch), read_columns=["image"])
