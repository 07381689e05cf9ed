"""The photographs of the demo, cut into crops.

scikit-image and scikit-learn ship a few good photographs inside their wheels. They are found by
path, without importing the packages: importing scikit-learn alone takes longer than the demo's
own work, and only the files are wanted.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

# Photo -> (distribution, import package, file inside it). Only files that the wheel itself
# carries: others in the same folders would be downloaded on first use.
PHOTOS: dict[str, tuple[str, str, str]] = {
    "astronaut": ("scikit-image", "skimage", "data/astronaut.png"),
    "brick": ("scikit-image", "skimage", "data/brick.png"),
    "camera": ("scikit-image", "skimage", "data/camera.png"),
    "cell": ("scikit-image", "skimage", "data/cell.png"),
    "chelsea": ("scikit-image", "skimage", "data/chelsea.png"),
    "china": ("scikit-learn", "sklearn", "datasets/images/china.jpg"),
    "coffee": ("scikit-image", "skimage", "data/coffee.png"),
    "coins": ("scikit-image", "skimage", "data/coins.png"),
    "flower": ("scikit-learn", "sklearn", "datasets/images/flower.jpg"),
    "grass": ("scikit-image", "skimage", "data/grass.png"),
    "gravel": ("scikit-image", "skimage", "data/gravel.png"),
    "hubble": ("scikit-image", "skimage", "data/hubble_deep_field.jpg"),
    "moon": ("scikit-image", "skimage", "data/moon.png"),
    "motorcycle-left": ("scikit-image", "skimage", "data/motorcycle_left.png"),
    "motorcycle-right": ("scikit-image", "skimage", "data/motorcycle_right.png"),
    "retina": ("scikit-image", "skimage", "data/retina.jpg"),
    "rocket": ("scikit-image", "skimage", "data/rocket.jpg"),
    "tissue": ("scikit-image", "skimage", "data/ihc.png"),
}

# (part of each edge that a crop covers, crops along each edge). Neighbouring crops overlap by
# about half, so every crop has relatives without being a copy of one.
SCALES: tuple[tuple[float, int], ...] = ((1.0, 1), (0.7, 2), (0.5, 3))

LONGEST_EDGE = 640
JPEG_QUALITY = 90

SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("photo", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("box", pa.list_(pa.int32(), 4), nullable=False),
        pa.field("image", pa.binary(), nullable=False),
    ]
)


def package_file(package: str, path: str) -> Path | None:
    """Find a file that an installed package ships, without importing the package."""
    spec = find_spec(package)
    for root in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(root) / path
        if file.is_file():
            return file
    return None


def crop_boxes(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Give the crops of one photograph, from the whole of it to the smallest part.

    Parameters
    ----------
    width, height
        Size of the photograph in pixels.

    Yields
    ------
    tuple of int
        Left, top, right and bottom edge in pixels.
    """
    for part, along in SCALES:
        wide, high = round(width * part), round(height * part)
        for row in range(along):
            for column in range(along):
                left = round((width - wide) * column / max(along - 1, 1))
                top = round((height - high) * row / max(along - 1, 1))
                yield left, top, left + wide, top + high


def image_table() -> pa.Table:
    """Cut every photograph that is there into crops.

    Returns
    -------
    pyarrow.Table
        One row per crop: its name (`chelsea-00` is the whole photograph), the photo it was cut
        from, the distribution that ships the photo, the crop box in pixels of the photo scaled
        to at most 640 pixels, and the crop as JPEG bytes.
    """
    rows = [row for photo in PHOTOS for row in _crops(photo)]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _crops(photo: str) -> Iterator[dict[str, object]]:
    distribution, package, path = PHOTOS[photo]
    file = package_file(package, path)
    if file is None:  # Another release of the package may ship fewer photographs.
        return
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((LONGEST_EDGE, LONGEST_EDGE))
    for number, box in enumerate(crop_boxes(*picture.size)):
        yield {
            "name": f"{photo}-{number:02d}",
            "photo": photo,
            "source": distribution,
            "box": list(box),
            "image": _jpeg(picture.crop(box)),
        }


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
