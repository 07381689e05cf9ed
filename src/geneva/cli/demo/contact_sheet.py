"""Draw a search result: the query large at the left, the results in a grid."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from geneva.cli.demo.search import Match

MARGIN = 40
GAP = 24
CELL = 208
CAPTION = 48
COLUMNS = 4
QUERY_WIDTH = 400
HEADER = 64

PAPER = (250, 249, 246)
INK = (32, 33, 36)
FAINT = (110, 112, 117)
FRAME = (240, 238, 232)

_Point = tuple[int, int]


@dataclass(frozen=True)
class _Fonts:
    title: ImageFont.FreeTypeFont | ImageFont.ImageFont
    name: ImageFont.FreeTypeFont | ImageFont.ImageFont
    detail: ImageFont.FreeTypeFont | ImageFont.ImageFont


def sheet_size(matches: int) -> tuple[int, int]:
    """Give width and height in pixels of a sheet.

    Examples
    --------
    >>> sheet_size(8)
    (1432, 680)
    """
    rows = max(2, -(-matches // COLUMNS))
    grid_width = COLUMNS * CELL + (COLUMNS - 1) * GAP
    grid_height = rows * (CELL + CAPTION) + (rows - 1) * GAP
    width = MARGIN + QUERY_WIDTH + 2 * GAP + grid_width + MARGIN
    return width, MARGIN + HEADER + grid_height + MARGIN


def draw_contact_sheet(image: bytes, query: Match, matches: Sequence[Match], path: Path) -> None:
    """Write the contact sheet of a search as PNG.

    Parameters
    ----------
    image
        The query image in full size, encoded.
    query, matches
        The query and its neighbours from the nearest on.
    path
        The file to write.
    """
    fonts = _Fonts(*(ImageFont.load_default(size=size) for size in (26, 17, 14)))
    sheet = Image.new("RGB", sheet_size(len(matches)), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = MARGIN + HEADER
    draw.text((MARGIN, MARGIN - 6), "Query", font=fonts.title, fill=INK)
    left = MARGIN + QUERY_WIDTH + 2 * GAP
    draw.text((left, MARGIN - 6), "Most similar by color", font=fonts.title, fill=INK)

    height = _place(sheet, image, (MARGIN, top), (QUERY_WIDTH, QUERY_WIDTH), top_aligned=True)
    size = f"{query.size[0]} x {query.size[1]} pixels"
    _caption(draw, fonts, (MARGIN, top + height), query.name, f"{query.photo}, {size}")

    for index, match in enumerate(matches):
        row, column = divmod(index, COLUMNS)
        corner = (left + column * (CELL + GAP), top + row * (CELL + CAPTION + GAP))
        _place(sheet, match.thumbnail, corner, (CELL, CELL))
        detail = f"distance {match.distance:.3f}, hash {match.bits} bits"
        _caption(draw, fonts, (corner[0], corner[1] + CELL), f"{index + 1}  {match.name}", detail)
    sheet.save(path, "PNG")


def _place(
    sheet: Image.Image, image: bytes, corner: _Point, room: _Point, *, top_aligned: bool = False
) -> int:
    """Paste an image, scaled to fit into the middle of a frame; give the frame's height."""
    with Image.open(io.BytesIO(image)) as opened:
        picture = opened.convert("RGB")
    scale = min(room[0] / picture.width, room[1] / picture.height)
    width, height = round(picture.width * scale), round(picture.height * scale)
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    frame = (room[0], height) if top_aligned else room
    box = (*corner, corner[0] + frame[0] - 1, corner[1] + frame[1] - 1)
    ImageDraw.Draw(sheet).rectangle(box, fill=FRAME)
    left, top = corner[0] + (frame[0] - width) // 2, corner[1] + (frame[1] - height) // 2
    sheet.paste(picture, (left, top))
    return frame[1]


def _caption(draw: ImageDraw.ImageDraw, fonts: _Fonts, at: _Point, name: str, detail: str) -> None:
    draw.text((at[0], at[1] + 7), name, font=fonts.name, fill=INK)
    draw.text((at[0], at[1] + 28), detail, font=fonts.detail, fill=FAINT)
