"""Searching the demo's table and drawing what was found."""

import io

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from rich.console import Console

from geneva.cli.demo import report
from geneva.cli.demo.columns import Filled, prepared_table
from geneva.cli.demo.contact_sheet import PAPER, draw_contact_sheet, sheet_size
from geneva.cli.demo.functions import (
    HASH_BYTES,
    HISTOGRAM_BINS,
    PerceptualHash,
    color_histogram,
    size_of,
    thumbnail,
)
from geneva.cli.demo.photos import image_table
from geneva.cli.demo.search import hamming, most_similar, query_name
from geneva.errors import InvalidArgumentError, TableNotFoundError


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The demo's images table with columns computed here, without workers."""
    table = image_table()
    values = table["image"].to_pylist()
    phash = PerceptualHash()
    computed = {
        pa.field("size", pa.struct({"width": pa.int64(), "height": pa.int64()})): [
            size_of(value)._asdict() for value in values
        ],
        pa.field("histogram", pa.list_(pa.float32(), HISTOGRAM_BINS)): [
            color_histogram(value) for value in values
        ],
        pa.field("phash", pa.list_(pa.uint8(), HASH_BYTES)): [phash(value) for value in values],
        pa.field("thumbnail", pa.large_binary(), metadata={"lance-encoding:blob": "true"}): [
            thumbnail(value) for value in values
        ],
    }
    for field, column in computed.items():
        table = table.append_column(field, pa.array(column, field.type))
    database = lancedb.connect(tmp_path_factory.mktemp("db"))
    return database.create_table("images", table)


def test_neighbours_come_in_order_and_without_the_query(images):
    query, matches = most_similar(images, "motorcycle-left-09")
    assert (query.name, query.distance, query.bits) == ("motorcycle-left-09", 0, 0)
    assert len(matches) == 8
    assert query.name not in [match.name for match in matches]
    distances = [match.distance for match in matches]
    assert distances == sorted(distances)
    assert 0 < distances[0] < distances[-1] < 2**0.5
    assert {match.photo for match in matches} == {"motorcycle-left", "motorcycle-right"}


def test_a_match_carries_what_was_computed(images):
    _, matches = most_similar(images, "coffee-00", limit=3)
    for match in matches:
        row = images.search().where(f"name = '{match.name}'").to_list()[0]
        left, top, right, bottom = match.box
        assert match.size == (right - left, bottom - top)
        assert match.thumbnail == thumbnail(row["image"])
        start = images.search().where("name = 'coffee-00'").to_list()[0]
        between = np.linalg.norm(np.array(start["histogram"]) - np.array(row["histogram"]))
        assert match.distance == pytest.approx(between, abs=1e-4)
        assert match.bits == hamming(start["phash"], row["phash"])


def test_a_query_is_a_photo_or_a_crop():
    names = [f"coffee-{number:02d}" for number in range(14)]
    assert query_name("coffee", names) == "coffee-00"
    assert query_name("coffee-09", names) == "coffee-09"


@pytest.mark.parametrize("wanted", ["tea", "coffee-99", "", "coffee' OR '1'='1"])
def test_an_unknown_query_lists_the_names(wanted):
    with pytest.raises(InvalidArgumentError, match="Choose one of: coffee, motorcycle-left"):
        query_name(wanted, ["coffee-00", "motorcycle-left-00", "motorcycle-left-01"])


def test_contact_sheet_shows_query_and_results(images, tmp_path):
    query, matches = most_similar(images, "coffee-09")
    image = images.search().where("name = 'coffee-09'").to_list()[0]["image"]
    path = tmp_path / "sheet.png"
    draw_contact_sheet(image, query, matches, path)

    with Image.open(path) as sheet:
        assert sheet.size == sheet_size(8)
        pixels = np.asarray(sheet).astype(int)
    margin = np.concatenate([pixels[:30].reshape(-1, 3), pixels[:, -30:].reshape(-1, 3)])
    assert (margin == PAPER).all()
    # The query stands where it should: the middle of its frame has the color of its middle.
    large = Image.open(io.BytesIO(image)).convert("RGB").resize((400, 267))
    shown = pixels[104 : 104 + 267, 40:440]
    assert np.abs(shown - np.asarray(large).astype(int)).mean() < 12
    for row in range(2):
        for column in range(4):
            left, top = 488 + column * 232, 104 + row * 280
            cell = pixels[top + 60 : top + 148, left + 20 : left + 188]
            assert cell.std() > 10
            caption = pixels[top + 208 : top + 256, left : left + 208]
            assert caption.min() < 60


def test_sheets_of_few_and_many_results(images, tmp_path):
    query, matches = most_similar(images, "coffee-09", limit=11)
    for count in (0, 1, 5, 11):
        path = tmp_path / f"{count}.png"
        draw_contact_sheet(query.thumbnail, query, matches[:count], path)
        with Image.open(path) as sheet:
            assert sheet.size == sheet_size(count)


def test_report_of_a_search(images):
    query, matches = most_similar(images, "coffee-09")
    console = Console(width=100, record=True, file=io.StringIO())
    report.similar(console, query, matches)
    lines = console.export_text().splitlines()
    assert len(lines) == 10
    assert "query" in lines[1]
    assert lines[2].split()[:2] == ["1", matches[0].photo]
    assert f"{matches[0].distance:.3f}" in lines[2]


def test_report_of_columns():
    console = Console(width=100, record=True, file=io.StringIO())
    report.columns_header(console)
    report.filled(console, Filled("images", "size", "size_of", 252, 0.5))
    report.filled(console, Filled("images", "phash", "PerceptualHash", 0, 0.1))
    lines = console.export_text().splitlines()
    assert lines[1].split() == ["images.size", "252", "0.50", "504", "size_of"]
    assert lines[2].endswith("was complete")


class Database:
    """A stand-in for the few calls that decide between opening and creating."""

    uri = "here"

    def __init__(self, *columns):
        self.columns = columns
        self.created = []

    def open_table(self, name):
        if not self.columns:
            raise TableNotFoundError(name)
        return pa.table({column: [1] for column in self.columns})

    def create_table(self, name, data, mode):
        self.created.append((name, mode))
        return data


@pytest.mark.parametrize(
    ("columns", "fresh", "created"),
    [
        ((), False, True),
        ((), True, True),
        (("a", "b", "c"), False, False),
        (("a", "b"), True, True),
    ],
)
def test_a_table_is_created_once_or_when_fresh(columns, fresh, created):
    database = Database(*columns)
    prepared_table(database, "images", pa.table({"a": [1], "b": [2]}), fresh=fresh)
    assert database.created == ([("images", "overwrite")] if created else [])


@pytest.mark.parametrize("fresh", [False, True])
def test_the_table_of_somebody_else_is_left_alone(fresh):
    database = Database("a", "c")
    with pytest.raises(InvalidArgumentError, match=r"no columns \['b'\].*--dir"):
        prepared_table(database, "images", pa.table({"a": [1], "b": [2]}), fresh=fresh)
    assert not database.created
