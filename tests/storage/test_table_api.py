"""The JSON API of tables, asked over HTTP about real tables."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import shutil
import time
from pathlib import Path
from urllib.parse import quote

import lance
import pyarrow as pa
import pytest
from fastapi import FastAPI
from lance.blob import blob_array, blob_field

import geneva
from geneva.console.content import MOST_BYTES
from geneva.console.table_api import content_path, tables_router
from tests.asgi import TestClient
from tests.trap import lay_trap
from tests.unit.test_media import picture, sound

pytestmark = pytest.mark.local_files


@pytest.fixture
def client(db):
    app = FastAPI()
    app.include_router(tables_router(db.uri), prefix="/api")
    with TestClient(app, base_url="http://console") as client:
        yield client


def asked(client, path: str, status: int = 200):
    answer = client.get(f"/api{path}")
    assert answer.status_code == status, answer.text

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(answer.text, parse_constant=refuse)


def written(db, name: str, data, **options):
    return lance.write_dataset(data, f"{db.uri}/{name}.lance", **options)


def cells(page, column: str):
    return [row["cells"][column] for row in page["rows"]]


def kinds(page, column: str):
    return [cell["kind"] for cell in cells(page, column)]


@geneva.udf
def double(id: int) -> int:
    return 2 * id


@geneva.udf(on_error=geneva.skip_on_error())
def picky(id: int) -> int | None:
    if id % 3 == 0:
        raise LookupError(f"no {id} <b>here</b>")
    return id if id % 3 == 1 else None


def run(table, column: str, **options) -> None:
    table.backfill(column, runner="inline", progress=False, **options)


def test_tables_are_listed_and_one_that_is_damaged_hides_no_other(db, client, make_table):
    make_table(30, 10)
    make_table(10, 10, name="broken")
    make_table(10, 10, name="hollow").add_columns({"out": double})
    for manifest in Path(db.uri, "broken.lance", "_versions").iterdir():
        manifest.write_bytes(b"x" * 40)
    found = {line["table"]: line for line in asked(client, "/tables")["tables"]}
    assert list(found) == ["broken", "docs", "hollow"]
    assert found["broken"]["error"]
    assert (found["docs"]["rows"], found["docs"]["error"]) == (30, "")
    assert found["hollow"]["computed_columns"] == ["out"]
    assert asked(client, "/tables/docs") == found["docs"]
    assert "broken" not in [
        line["table"] for line in asked(client, "/tables/docs/columns")["columns"]
    ]
    assert asked(client, "/tables/broken", 500)["error"]["message"]


def test_two_hundred_tables_are_listed_within_a_second(db, client, make_table):
    make_table(10, 10)
    for number in range(199):
        shutil.copytree(f"{db.uri}/docs.lance", f"{db.uri}/copy{number}.lance")
    asked(client, "/tables/docs")  # LanceDB is loaded.
    start = time.perf_counter()
    assert len(asked(client, "/tables")["tables"]) == 200
    assert time.perf_counter() - start < 1


def test_a_half_filled_column_and_rows_that_failed(db, client, make_table):
    table = make_table(20, 10)
    table.add_columns({"out": double, "picky": picky})
    run(table, "out", num_frags=1)
    run(table, "picky", num_frags=1)
    page = asked(client, "/tables/docs/rows?offset=6&limit=8")
    assert [cell["text"] for cell in cells(page, "id")] == [str(i) for i in range(6, 14)]
    assert kinds(page, "out") == ["number"] * 4 + ["missing"] * 4
    assert kinds(page, "picky") == ["failed", "number", "null", "failed"] + ["missing"] * 4
    assert cells(page, "picky")[0]["why"] == "LookupError: no 6 <b>here</b>"
    assert [c["state"] for c in cells(page, "out")] == ["fresh"] * 4 + ["missing"] * 4
    assert cells(page, "id")[0]["state"] is None
    columns = {c["column"]: c for c in asked(client, "/tables/docs/columns")["columns"]}
    assert (columns["out"]["fresh"], columns["out"]["missing"]) == (10, 10)
    assert (columns["picky"]["state"], columns["picky"]["failed"]) == ("failed", 4)
    assert columns["picky"]["input_columns"] == ["id"]
    table.update(where="id = 7", values={"id": 700})
    page = asked(client, "/tables/docs/rows?columns=id&columns=out&limit=50")
    (moved,) = (r["cells"]["out"] for r in page["rows"] if r["cells"]["id"]["value"] == 700)
    assert (moved["state"], moved["value"]) == ("stale", 14)
    assert "inputs changed" in moved["why"]


def test_pages_count_live_rows_only(db, client, make_table):
    table = make_table(60, 20)
    table.delete("id % 2 = 1 OR (id >= 20 AND id < 40)")
    page = asked(client, "/tables/docs/rows?offset=8&limit=5")
    assert page["total"] == 20
    assert [cell["value"] for cell in cells(page, "id")] == [16, 18, 40, 42, 44]
    row = page["rows"][3]
    path = content_path("docs", row["address"], "text", page["version"])
    assert client.get(f"/api{path}").text == row["cells"]["text"]["text"] == ""
    assert asked(client, "/tables/docs/rows?offset=20")["rows"] == []
    gone = asked(client, f"/tables/docs/rows/{row['address'] + 1}/text/content", 404)["error"]
    assert gone["kind"] == "NoContentError"
    assert "deleted or moved" in gone["message"]
    assert asked(client, "/tables/docs/rows?version=1&limit=50")["total"] == 20
    assert asked(client, "/tables/docs/rows?version=3&limit=50")["total"] == 60


BYTES = "application/octet-stream"


def test_media_are_served_as_what_they_are_and_never_as_pages(db, client):
    page_like = b"<!doctype html><script>alert(1)</script>"
    values = [picture("PNG"), sound(), page_like, b"<svg onload='x'/>", b"%PDF-1.7", b"", None]
    written(db, "docs", pa.table({"raw": values, "text": ["<script>x</script>"] * 7}))
    page = asked(client, "/tables/docs/rows")
    assert kinds(page, "raw") == [
        "image",
        "audio",
        "binary",
        "binary",
        "document",
        "binary",
        "null",
    ]
    media = cells(page, "raw")[0]["media"]
    assert (media["width"], media["height"], media["size_bytes"]) == (37, 21, len(values[0]))
    for row, data, kind in zip(
        page["rows"],
        values,
        ["image/png", "audio/wav", BYTES, BYTES, "application/pdf", BYTES, None],
        strict=True,
    ):
        answer = client.get(f"/api{content_path('docs', row['address'], 'raw', 1)}")
        if data is None:
            assert answer.status_code == 404
            continue
        assert (answer.status_code, answer.content) == (200, data)
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox;")
        assert "immutable" in answer.headers["cache-control"]
        shown = kind in ("image/png", "audio/wav")
        assert answer.headers["content-disposition"] == ("inline" if shown else "attachment")
    answer = client.get("/api/tables/docs/rows/0/text/content")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    part = client.get("/api/tables/docs/rows/1/raw/content", headers={"Range": "bytes=8-11"})
    assert (part.status_code, part.content) == (206, b"WAVE")
    assert part.headers["content-range"] == f"bytes 8-11/{len(values[1])}"


@pytest.mark.parametrize("format_version", ["2.0", "2.1", "2.2"])
def test_blobs_of_all_formats(db, client, format_version):
    image = picture("PNG")
    data = [image, None, b"\0" * 200_000, b"small", b"z" * (5 << 20)]
    kind = pa.field("raw", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    values = pa.array(data, pa.large_binary())
    if format_version == "2.2":
        kind, values = blob_field("raw"), blob_array(data)
    table = pa.table([values, pa.array(range(5))], schema=pa.schema([kind, ("id", pa.int64())]))
    dataset = written(db, "docs", table, data_storage_version=format_version)
    dataset.delete("id = 2")
    page = asked(client, "/tables/docs/rows?columns=raw")
    assert kinds(page, "raw") == ["image", "null", "binary", "binary"]
    assert [cell["length"] for cell in cells(page, "raw")] == [len(image), None, 5, 5 << 20]
    for row, value in zip(page["rows"], [image, None, b"small", data[4]], strict=True):
        answer = client.get(f"/api{content_path('docs', row['address'], 'raw', 2)}")
        assert answer.status_code == (404 if value is None else 200)
        assert value is None or answer.content == value


def test_blobs_outside_of_the_table_are_not_read(db, client, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"not for those who look at tables")
    values = blob_array([secret.as_uri(), b"inside"])
    table = pa.table([values], schema=pa.schema([blob_field("raw")]))
    written(db, "docs", table, data_storage_version="2.2", allow_external_blob_outside_bases=True)
    page = asked(client, "/tables/docs/rows")
    outside, inside = cells(page, "raw")
    assert outside["text"] == f"kept outside of the table: {secret.as_uri()}"
    assert (inside["length"], inside["kind"]) == (6, "binary")
    answer = client.get("/api/tables/docs/rows/0/raw/content")
    assert (answer.status_code, b"those who look" in answer.content) == (404, False)
    assert client.get("/api/tables/docs/rows/1/raw/content").content == b"inside"


def test_values_that_are_too_large_are_refused(db, client):
    written(db, "docs", pa.table({"text": ["x" * (MOST_BYTES + 1), "y"]}))
    (cell, _) = cells(asked(client, "/tables/docs/rows"), "text")
    assert (len(cell["text"]), cell["length"], cell["cut"]) == (500, MOST_BYTES + 1, True)
    refused = asked(client, "/tables/docs/rows/0/text/content", 413)["error"]
    assert refused["kind"] == "TooLargeError"
    assert client.get("/api/tables/docs/rows/1/text/content").text == "y"


NAMES = ["My Col", "a/b", "ü", 'q"q', "<b>", "a,b", "select", "x?y#z", "a\\b", "100 %"]


def test_names_with_odd_characters(db, client):
    for name in ["a b", "ü", "a#b?c", "<i>", "..."]:
        written(db, name, pa.table({column: ["text"] for column in NAMES}))
        path = f"/tables/{quote(name, safe='')}"
        assert asked(client, path)["table"] == name
        page = asked(client, f"{path}/rows")
        assert all(kinds(page, column) == ["text"] for column in NAMES)
        for column in NAMES:
            assert client.get(f"/api{content_path(name, 0, column, 1)}").text == "text"


@pytest.mark.parametrize(
    "name", ["..%2fsecret", "..%2F..%2Fsecret", "%2e%2e%2fsecret", "..%5csecret", "%00", "", "x%0a"]
)
def test_no_name_leads_out_of_the_database(db, client, make_table, tmp_path, name):
    make_table()
    lance.write_dataset(pa.table({"id": [1]}), str(tmp_path / "secret.lance"))
    for suffix in ("", "/rows", "/columns", "/rows/0/id/content"):
        answer = client.get(f"/api/tables/{name}{suffix}")
        assert answer.status_code in (404, 307) or answer.json().get("tables"), answer.text
        assert "secret" not in answer.text or "not found" in answer.text.lower()


@pytest.mark.parametrize(
    ("path", "status", "kind", "words"),
    [
        ("/tables/nope", 404, "TableNotFoundError", "Its tables: docs"),
        ("/tables/nope/columns", 404, "TableNotFoundError", "nope"),
        ("/tables/nope/rows", 404, "TableNotFoundError", "nope"),
        ("/tables/docs/rows?columns=nope", 404, "ColumnNotFoundError", "Its columns: id, text"),
        ("/tables/docs/rows/0/nope/content", 404, "ColumnNotFoundError", "nope"),
        ("/tables/docs/rows/0/id/content", 404, "NoContentError", "int64"),
        ("/tables/docs/rows/99/text/content", 404, "NoContentError", "99"),
        (f"/tables/docs/rows/{7 << 32}/text/content", 404, "NoContentError", "deleted"),
        ("/tables/docs/rows?version=99", 404, "TableNotFoundError", "version 99"),
        ("/tables/docs/rows?offset=-1", 422, "InvalidArgumentError", "offset"),
        ("/tables/docs/rows?offset=x", 422, "InvalidArgumentError", "'x'"),
        (f"/tables/docs/rows?offset={10**30}", 422, "InvalidArgumentError", "offset"),
        ("/tables/docs/rows?limit=51", 422, "InvalidArgumentError", "limit"),
        ("/tables/docs/rows?version=0", 422, "InvalidArgumentError", "version"),
        ("/tables/docs/rows/-1/text/content", 422, "InvalidArgumentError", "-1"),
        (f"/tables/docs/rows/{10**30}/text/content", 422, "InvalidArgumentError", "address"),
    ],
)
def test_errors_are_json_with_the_right_status(client, make_table, path, status, kind, words):
    make_table(10, 10)
    error = asked(client, path, status)["error"]
    assert error["kind"] == kind
    assert words in error["message"]


def test_types_of_all_kinds(db, client):
    now = dt.datetime(2026, 2, 3, 4, 5, 6)
    fields = {
        "vector": pa.array([[1.0, float("nan"), float("inf")]], pa.list_(pa.float32(), 3)),
        "number": pa.array([float("nan")]),
        "decimal": pa.array([decimal.Decimal("1.10")], pa.decimal128(12, 2)),
        "date": pa.array([now.date()]),
        "stamp": pa.array([now], pa.timestamp("ns", "Europe/Berlin")),
        "dictionary": pa.array(["a"]).dictionary_encode(),
        "nested": pa.array([{"a": [{"b": b"xyz", "c": float("-inf")}], "d": None}]),
        "list": pa.array([["x" * 10_000] * 1000]),
        "empty": pa.array([[]], pa.list_(pa.float32())),
        "nothing": pa.array([None], pa.int8()),
        "flag": pa.array([False]),
    }
    written(db, "docs", pa.table(fields))
    page = asked(client, "/tables/docs/rows")
    found = {name: kinds(page, name)[0] for name in fields}
    assert found == {
        "vector": "vector",
        "number": "number",
        "decimal": "number",
        "date": "time",
        "stamp": "time",
        "dictionary": "text",
        "nested": "nested",
        "list": "nested",
        "empty": "vector",
        "nothing": "null",
        "flag": "boolean",
    }
    assert cells(page, "vector")[0]["vector"]["not_finite"] == 2
    assert cells(page, "list")[0]["length"] == 1000
    assert len(json.dumps(page)) < 10_000


def test_empty_tables_and_no_columns(db, client):
    written(db, "docs", pa.schema([("id", pa.int64())]).empty_table())
    assert asked(client, "/tables/docs/rows") == {
        "table": "docs",
        "version": 1,
        "total": 0,
        "offset": 0,
        "limit": 20,
        "columns": ["id"],
        "rows": [],
    }
    assert asked(client, "/tables/docs/columns")["columns"][0]["state"] == "data"
    written(db, "bare", pa.schema([]).empty_table())
    assert asked(client, "/tables/bare/columns")["columns"] == []
    assert asked(client, "/tables/bare/rows")["columns"] == []


def test_a_damaged_column_file_hides_no_other_column(db, client, make_table):
    table = make_table(10, 10)
    table.add_columns({"out": double})
    run(table, "out")
    (file,) = Path(table.uri, "data").glob("gv-*.lance")
    file.write_bytes(b"x" * 100)
    page = asked(client, "/tables/docs/rows")
    assert set(kinds(page, "id")) == {"number"}
    assert set(kinds(page, "out")) == {"unreadable"}
    assert cells(page, "out")[0]["why"]


def test_nothing_of_it_unpickles_a_function(db, client, make_table, tmp_path):
    table = make_table(20, 10)
    table.add_columns({"out": double, "picky": picky})
    run(table, "out", num_frags=1)
    run(table, "picky")
    sprung = tmp_path / "sprung"
    lay_trap(table, sprung, "out", "picky")
    asked(client, "/tables")
    asked(client, "/tables/docs")
    asked(client, "/tables/docs/columns")
    page = asked(client, "/tables/docs/rows?limit=50")
    assert "failed" in kinds(page, "picky")
    for row in page["rows"]:
        client.get(f"/api{content_path('docs', row['address'], 'text', page['version'])}")
    assert not sprung.exists()
    with pytest.raises(geneva.errors.UnpicklableFunctionError):
        run(geneva.connect(db.uri).open_table("docs"), "out")
    assert sprung.exists()  # So the trap works.


def test_the_routes_are_described(client):
    said = client.get("/openapi.json").json()
    routes = [path for path in said["paths"] if path.startswith("/api/tables")]
    assert len(routes) == 5
    schemas = said["components"]["schemas"]
    assert {"Cell", "VectorSummary", "Media", "TableLine", "ErrorAnswer"} <= set(schemas)
    answers = said["paths"]["/api/tables/{table}/rows"]["get"]["responses"]
    assert answers["404"]["content"]["application/json"]["schema"]["$ref"].endswith("ErrorAnswer")
