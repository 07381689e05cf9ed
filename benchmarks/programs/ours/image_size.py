"""Decode every JPEG fully and keep its width and height."""

import io
import sys
from typing import NamedTuple

from PIL import Image

import geneva


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


@geneva.udf
def image_size(image: bytes) -> Size:
    """Size of a decoded picture."""
    picture = Image.open(io.BytesIO(image)).convert("RGB")
    return Size(picture.width, picture.height)


if __name__ == "__main__":
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"size": image_size})
    table.backfill("size", progress=False)
