"""Find the images that look most like a given one."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from geneva.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

MATCHES = 8
WHOLE = "00"  # Number of the crop that is the whole photograph.

_COLUMNS = ["name", "photo", "box", "size", "histogram", "phash"]


@dataclass(frozen=True)
class Match:
    """One image of a search result.

    Attributes
    ----------
    name, photo
        The crop and the photograph it was cut from.
    box
        Left, top, right and bottom edge of the crop in the photograph, in pixels.
    size
        Width and height in pixels, as computed.
    distance
        Distance of the histograms, from 0 (same) to 1.41 (no color in common).
    bits
        Bits of the 64 in which the perceptual hashes differ.
    thumbnail
        The small picture, encoded.
    """

    name: str
    photo: str
    box: tuple[int, int, int, int]
    size: tuple[int, int]
    distance: float
    bits: int
    thumbnail: bytes


def query_name(wanted: str, names: Sequence[str]) -> str:
    """Find the crop that a query means.

    Parameters
    ----------
    wanted
        A photo (`coffee`, which means the whole of it) or one of its crops (`coffee-09`).
    names
        All crops there are.

    Raises
    ------
    InvalidArgumentError
        There is no such photo or crop; the message lists the photos.

    Examples
    --------
    >>> query_name("coffee", ["coffee-00", "coffee-09"])
    'coffee-00'
    """
    for name in (wanted, f"{wanted}-{WHOLE}"):
        if name in names:
            return name
    photos = dict.fromkeys(name.rpartition("-")[0] for name in names)
    raise InvalidArgumentError(
        f"No photo is named {wanted!r}. Choose one of: {', '.join(photos)}; or one crop of them, "
        f"such as {names[-1] if names else 'coffee-13'}."
    )


def most_similar(images: Any, name: str, limit: int = MATCHES) -> tuple[Match, list[Match]]:
    """Search the histogram column for the nearest neighbours of one image.

    Parameters
    ----------
    images : geneva.Table
        The table with the columns `histogram`, `phash`, `size` and `thumbnail` filled.
    name
        The crop to start from.
    limit
        How many neighbours.

    Returns
    -------
    tuple
        The query itself, and its neighbours from the nearest on.
    """
    start = images.search().where(f"name = '{name}'").select(_COLUMNS).limit(1).to_list()[0]
    rows = (
        images.search(start["histogram"], vector_column_name="histogram")
        .where(f"name != '{name}'")
        .select([*_COLUMNS, "_distance"])
        .with_row_id(True)
        .limit(limit)
        .to_list()
    )
    itself = images.search().where(f"name = '{name}'").select(["name"]).with_row_id(True).to_list()
    ids = [row["_rowid"] for row in (*itself, *rows)]
    # Blobs stay out of ordinary reads; these few are fetched by row id.
    blobs = images.to_lance().take_blobs("thumbnail", ids=ids)
    pictures = [blob.readall() for blob in blobs]
    query = _match({**start, "_distance": 0.0}, start["phash"], pictures[0])
    return query, [
        _match(row, start["phash"], picture)
        for row, picture in zip(rows, pictures[1:], strict=True)
    ]


def hamming(left: Sequence[int], right: Sequence[int]) -> int:
    """Count the bits in which two byte strings differ.

    Examples
    --------
    >>> hamming([0b1100, 0], [0b1010, 255])
    10
    """
    return sum((a ^ b).bit_count() for a, b in zip(left, right, strict=True))


def _match(row: dict[str, Any], phash: Sequence[int], picture: bytes) -> Match:
    left, top, right, bottom = row["box"]
    return Match(
        name=row["name"],
        photo=row["photo"],
        box=(left, top, right, bottom),
        size=(row["size"]["width"], row["size"]["height"]),
        distance=sqrt(row["_distance"]),  # LanceDB gives the square of the Euclidean distance.
        bits=hamming(row["phash"], phash),
        thumbnail=picture,
    )
