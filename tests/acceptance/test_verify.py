"""`geneva verify` at a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import geneva


@geneva.udf
def double(id: int) -> int:
    return 2 * id


@pytest.fixture
def uri(make_table) -> str:
    table = make_table()
    make_table(name="plain")
    table.add_columns({"out": double})
    table.backfill("out", runner="inline", progress=False)
    return str(table.uri).rpartition("/")[0]


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geneva.cli.main", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_whole_database(uri):
    done = verify(uri, "--deep")
    assert done.returncode == 0, done.stderr
    for words in (
        "Verification of docs at version 5, all values read",
        "out    ok      3 fragments, 100 rows, 3 files",
        "Verification of plain at version 3, all values read\nNo function computes a column",
    ):
        assert words in done.stdout


def test_damage_is_said_in_json_too(uri):
    file = min(Path(uri, "docs.lance", "data").glob("gv-*"))
    file.unlink()
    text = verify(uri, "docs", "out")
    assert text.returncode == 1
    assert f"missing of data/{file.name}: expected" in text.stdout
    assert "fix: table.backfill('out', where='_rowaddr" in text.stdout
    done = verify(uri, "docs", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    (table,) = found["tables"]
    (finding,) = table["findings"]
    assert not found["ok"]
    assert (finding["what"], finding["file"]) == ("missing", f"data/{file.name}")


def test_a_table_that_is_not_there_is_an_error_without_a_traceback(uri):
    done = verify(uri, "nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
