"""Every command on a database in an object store, which environment variables say how to reach."""

from __future__ import annotations

import json
import sys
import uuid

import pytest
from typer.testing import CliRunner

import geneva
from geneva.cli.main import app
from geneva.runners import pool

FUNCTIONS = """
import geneva


@geneva.udf(on_error=geneva.skip_on_error())
def inverse(id: int) -> float:
    return 1 / id
"""


@pytest.fixture(scope="module")
def uri(object_store) -> str:
    place = f"{object_store}/{uuid.uuid4().hex}"
    geneva.connect(place).create_table("docs", [{"id": i} for i in range(10)])
    return place


def answer(*arguments: str, code: int = 0) -> object:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert (done.exit_code, done.stdout != "") == (code, True), done.output
    return json.loads(done.stdout)


def test_from_a_function_to_a_verified_column(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Worker processes that other tests left do not know of this store.
    monkeypatch.setattr(pool, "_pool", None)
    monkeypatch.delitem(sys.modules, "functions_for_a_store", raising=False)
    (tmp_path / "functions_for_a_store.py").write_text(FUNCTIONS)
    function = ("--udf", "functions_for_a_store:inverse")
    (seen,) = answer("preview", uri, "docs", *function, "--limit", "1", code=1)["rows"]
    assert seen["error"]["type"] == "ZeroDivisionError"
    here = ("--runner", "inline", "--quiet", "--job-id", "nightly")
    done = answer("backfill", uri, "docs", "out", *function, *here)
    assert done["columns"]["out"]["rows_skipped"] == 1
    (table,) = answer("tables", uri)
    assert (table["table"], table["rows"], table["computed_columns"]) == ("docs", 10, ["out"])
    column = answer("columns", uri, "docs")[1]
    assert (column["state"], column["failed"], column["fresh"]) == ("failed", 1, 9)
    assert answer("plan", uri, "docs", "out")["rows_to_compute"] == 1
    (row,) = answer("errors", uri, code=1)
    assert row["error_type"] == "ZeroDivisionError"
    report = answer("verify", uri, "--deep")
    assert report["ok"]
    assert answer("gc", uri, "--dry-run")

    (job,) = answer("jobs", "list", uri)
    assert (job["job_id"], job["status"], job["rows_failed"]) == ("nightly", "DONE", 1)
    assert answer("jobs", "show", uri, "night")["udf_name"] == "inverse"
    assert answer("jobs", "watch", uri, "nightly")["status"] == "DONE"
    assert answer("jobs", "logs", uri, "nightly") == []
    assert answer("jobs", "cancel", uri, "nightly", code=1)["status"] == "DONE"


def test_a_store_that_refuses_is_an_error_in_words(object_store):
    done = CliRunner().invoke(app, ["tables", f"{object_store}-that-is-not-there/db"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "bucket" in done.stderr
