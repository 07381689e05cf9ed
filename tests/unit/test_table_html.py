"""What pages show of tables, as HTML in which no value is more than text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from geneva.console.cells import Cell, binary_cell, cells_of, unreadable, with_state
from geneva.console.pages.cell_html import cell_html
from geneva.console.pages.table_html import columns_html, rows_html, tables_html
from geneva.console.rows import RowLine, RowsPage
from geneva.overview import ColumnLine, TableLine
from tests.unit.test_media import picture, sound

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&lt;"
ELEMENTS = {
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "div", "span", "p", "ul", "li", "a"),
    *("code", "img", "audio", "video", "svg", "polyline", "details", "summary"),
}


class Read(HTMLParser):
    """Collects elements, their attributes and text, and checks that elements are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("img", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def is_harmless(read: Read) -> bool:
    names = {tag for tag, _ in read.elements}
    said = {name for _, attributes in read.elements for name in attributes}
    links = [a.get("href") or a.get("src") for _, a in read.elements if "href" in a or "src" in a]
    return (
        names <= ELEMENTS
        and not any(name.startswith("on") for name in said)
        and all(link is not None and re.match(r"/[^/]", link) for link in links)
    )


def values() -> list[Cell]:
    arrays = [pa.array([EVIL]), pa.array([EVIL * 50]), pa.array([{EVIL: [EVIL]}]), pa.array([1.5])]
    found = [cell for array in arrays for cell in cells_of(array)]
    found += [
        binary_cell(data, len(data))
        for data in (picture("PNG"), sound(), b"%PDF-", b"", EVIL.encode())
    ]
    found += [binary_cell(b"\0\0\0\x20ftypisom", 9), unreadable(EVIL), Cell("binary", EVIL, 5)]
    null = cells_of(pa.array([None]))[0]
    return found + [
        with_state(null, state, EVIL) for state in ("fresh", "stale", "missing", "failed")
    ]


def test_no_value_is_more_than_text():
    cells = values()
    page = RowsPage(
        table=EVIL,
        version=7,
        total=len(cells),
        offset=0,
        limit=50,
        columns=(EVIL,),
        rows=tuple(RowLine(at, at, {EVIL: cell}) for at, cell in enumerate(cells)),
    )
    read = Read(rows_html(page))
    assert is_harmless(read)
    assert EVIL in read.text
    assert [a.get("scope") for a in read.all("th")] == ["col"] * 2 + ["row"] * len(cells)


def test_names_and_errors_of_tables_are_text_too():
    table = TableLine(EVIL, 5, 2, 1, 2, (EVIL,))
    column = ColumnLine(EVIL, EVIL, EVIL, "stale", 5, 2, 0, 0, 3, EVIL, EVIL, (EVIL,), {EVIL: 3})
    broken = replace(column, state="unreadable", error=EVIL, stale=None, why={})
    shown = [
        tables_html([table, TableLine(EVIL, 0, 0, 0, 0, (), error=EVIL)], {table: [column]}),
        tables_html([table], {}),
        columns_html([column, broken, ColumnLine("t", EVIL, EVIL, "data")]),
    ]
    assert all(is_harmless(Read(html)) for html in shown)
    assert Read(shown[0]).text.count(EVIL) == 4


def one(cell: Cell) -> Read:
    return Read(cell_html(cell, "/api/x?version=1"))


def test_pictures_are_loaded_when_seen_and_sounds_when_played():
    (image,) = one(binary_cell(picture("PNG"), 99)).all("img")
    assert (image["loading"], image["alt"]) == ("lazy", "PNG, 37 x 21, 99 bytes")
    (audio,) = one(binary_cell(sound(0.5), 8044)).all("audio")
    assert (audio["preload"], audio["aria-label"]) == ("none", "WAV, 0.5 s, 8.0 kB")
    assert one(binary_cell(b"\0\0\0\x20ftypisom", 9)).all("video")
    assert one(binary_cell(b"%PDF-1.7", 9)).text == "PDF, 9 bytes25 50 44 46 2d 31 2e 37"


def test_null_and_not_computed_and_failed_and_stale_differ_in_words():
    null = cells_of(pa.array([None]))[0]
    said = {
        s: one(with_state(null, s, "why")).text for s in ("fresh", "missing", "failed", "stale")
    }
    assert said == {
        "fresh": "NULL",
        "missing": "◌ not computed",
        "failed": "✕ failedwhy",
        "stale": "↻ NULL, stale",
    }
    five = cells_of(pa.array([5]))[0]
    assert one(with_state(five, "stale", "why")).text == "5 ↻ stale"
    assert one(with_state(five, "failed", "why")).text == "5 ✕ failedwhy"


def test_long_texts_unfold_and_lead_to_all_of_it():
    short, long, longest = cells_of(pa.array(["short", "x" * 200, "x" * 5000]))
    assert not one(short).all("details")
    assert one(long).all("details")
    assert not one(long).all("a")
    (link,) = one(longest).all("a")
    assert link["href"] == "/api/x?version=1"
    assert "all 5,000 characters" in one(longest).text


@pytest.mark.parametrize(
    ("numbers", "lines"),
    [
        ([1.0, 2.0, 3.0], 1),
        ([5.0] * 300, 1),
        ([1.0, 2.0, float("nan"), 3.0, 4.0], 2),
        ([1e308, -1e308], 1),
        ([1.0], 0),
        ([], 0),
        ([float("nan")] * 4, 0),
    ],
)
def test_vectors_are_lines(numbers, lines):
    read = one(cells_of(pa.array([numbers], pa.list_(pa.float64())))[0])
    drawn = [points["points"] for points in read.all("polyline")]
    assert len(drawn) == lines
    assert all(re.fullmatch(r"[0-9., ]+", points) for points in drawn)
    assert f"{len(numbers):,} dimensions" in read.text


def test_states_are_said_in_words_and_rows():
    column = ColumnLine("docs", "c", "int64", "failed", 9, 4, 3, 2, 0, "f", "abc", ("id",))
    read = Read(columns_html([column]))
    assert "f(id)" in read.text
    assert "4 fresh, 2 failed, 3 not computed" in read.text
    assert [a["href"] for a in read.all("a")] == ["/?table=docs&column=c"]
    listed = Read(tables_html([line := TableLine("docs", 9, 1, 1, 1, ("c",))], {line: [column]}))
    assert "✕ failed" in listed.text
    assert "no tables" in Read(tables_html([], {})).text
