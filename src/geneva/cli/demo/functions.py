"""The functions of the demo, one for each form that Geneva takes. Copy what you need.

A function sees one row at a time (`size_of`, `color_histogram`, `thumbnail`), a whole Arrow array
(`word_count`), or is a class that is set up once in each worker (`PerceptualHash`).
"""

import io
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

import geneva

# Type hints in this module are evaluated, because Geneva reads column types from them. That is
# why nothing here is imported for type checking only.

LEVELS = 6
HISTOGRAM_BINS = LEVELS**3
HASH_BYTES = 8
THUMBNAIL_EDGE = 208


class Size(NamedTuple):
    """Width and height in pixels; a NamedTuple becomes a struct column."""

    width: int
    height: int


@geneva.udf(num_cpus=1, input_columns=["image"])
def size_of(image: bytes) -> Size:
    """Read the size of an encoded image."""
    with Image.open(io.BytesIO(image)) as picture:
        return Size(*picture.size)


@geneva.udf(num_cpus=1, data_type=pa.list_(pa.float32(), HISTOGRAM_BINS), input_columns=["image"])
def color_histogram(image: bytes) -> npt.NDArray[np.float32]:
    """Describe an image by its colors: how much of it falls into each of 6 x 6 x 6 boxes.

    Each value is the square root of the box's share of the image, so that the squares sum to 1
    and the Euclidean distance between two histograms is at most the square root of 2 (Hellinger's
    distance). Without the root, large plain areas outweigh everything else.
    """
    with Image.open(io.BytesIO(image)) as picture:
        small = picture.convert("RGB").resize((64, 64), Image.Resampling.BOX)
    level = np.asarray(small, dtype=np.int64) * LEVELS // 256
    box = (level[..., 0] * LEVELS + level[..., 1]) * LEVELS + level[..., 2]
    share = np.bincount(box.ravel(), minlength=HISTOGRAM_BINS) / box.size
    return np.sqrt(share).astype(np.float32)


@geneva.udf(num_cpus=1, data_type=pa.list_(pa.uint8(), HASH_BYTES), input_columns=["image"])
class PerceptualHash:
    """Hash an image to 64 bits that stay alike when it is resized or compressed.

    Each bit says whether one of the 64 coarsest waves of the gray picture is stronger than the
    median wave. Images that look the same differ in few bits (Hamming's distance).
    """

    def setup(self) -> None:
        """Prepare the 8 coarsest cosine waves over 32 pixels, once in each worker."""
        position = (2 * np.arange(32) + 1) * np.pi / 64
        self.waves = np.cos(np.arange(8)[:, None] * position)

    def __call__(self, image: bytes) -> npt.NDArray[np.uint8]:
        """Hash one image."""
        with Image.open(io.BytesIO(image)) as picture:
            gray = picture.convert("L").resize((32, 32), Image.Resampling.BOX)
        strength = self.waves @ np.asarray(gray, dtype=np.float64) @ self.waves.T
        return np.packbits(strength > np.median(strength))


@geneva.udf(
    num_cpus=1,
    data_type=pa.large_binary(),
    input_columns=["image"],
    field_metadata={"lance-encoding:blob": "true"},
)
def thumbnail(image: bytes) -> bytes:
    """Shrink an image to at most 208 pixels; stored as a blob, read only when asked for."""
    with Image.open(io.BytesIO(image)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=90)
    return out.getvalue()


@geneva.udf(num_cpus=1, data_type=pa.int32(), input_columns=["text"], batch_size=256)
def word_count(text: pa.Array) -> pa.Array:
    """Count the words of many texts at once."""
    return pc.count_substring_regex(text, r"\S+")


IMAGE_COLUMNS = {
    "size": size_of,
    "histogram": color_histogram,
    "phash": PerceptualHash(),
    "thumbnail": thumbnail,
}
TEXT_COLUMNS = {"word_count": word_count}
