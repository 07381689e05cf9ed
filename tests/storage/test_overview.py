"""What a database holds, in short, also where some of it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import geneva
from geneva.cli.main import app
from geneva.errors import TableNotFoundError
from geneva.overview import columns_of, location_of, tables_of

pytestmark = pytest.mark.local_files


@geneva.udf
def double(id: int) -> int:
    return 2 * id


def damage(folder: Path) -> None:
    for file in folder.iterdir():
        file.write_bytes(b"x" * 40)


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_a_table_that_cannot_be_read_hides_no_other(db, make_table):
    make_table(20, 10).add_columns({"out": double})
    make_table(10, 10, name="broken")
    damage(Path(db.uri, "broken.lance", "_versions"))
    broken, docs = tables_of(db.uri)
    assert (broken.table, docs.table, docs.rows, docs.error) == ("broken", "docs", 20, "")
    assert "file size is too small" in broken.error
    lines = columns_of(db.uri, None)
    assert [(one.table, one.column, one.state) for one in lines] == [
        ("broken", "", "unreadable"),
        ("docs", "id", "data"),
        ("docs", "text", "data"),
        ("docs", "out", "missing"),
    ]
    for command in ("tables", "columns"):
        text = said(command, db.uri)
        assert "broken cannot be read: " in text
        assert "docs" in text


def test_a_column_whose_files_are_damaged_hides_no_other(db, make_table):
    table = make_table(20, 10)
    table.add_columns({"out": double, "other": double})
    table.backfill("out", runner="inline", progress=False, where="id < 5")
    (file,) = Path(table.uri, "data").glob("gv-*-p-*.lance")
    file.write_bytes(b"x" * 100)
    states = {one.column: one for one in columns_of(db.uri, "docs")}
    assert states["out"].state == "unreadable"
    assert "cannot be used" in states["out"].error
    assert (states["other"].state, states["other"].missing) == ("missing", 20)
    assert "docs.out cannot be read: " in said("columns", db.uri, "docs")


@pytest.mark.parametrize("name", ["", "../docs", "/etc", "a\0b", "a\nb", "nope"])
def test_only_tables_of_the_database_are_found(db, make_table, name):
    make_table(10, 10)
    with pytest.raises(TableNotFoundError):
        location_of(db.uri, name)
