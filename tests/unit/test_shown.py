"""How tables, plans, jobs and results look in a notebook: escaped, bounded, and cheap."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser

import pyarrow as pa
import pytest

import geneva
from geneva import errors
from geneva.jobs.column_status import ColumnStatus, FragmentStatus
from geneva.jobs.estimate import Estimate, Interval
from geneva.jobs.job_list import JobList
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord, JobStatus, RecordedError
from geneva.jobs.result import BackfillJobResult, UdfResult
from geneva.table_html import shown_table
from geneva.verification.report import Finding, VerificationReport, VerifiedColumn
from tests.unit.test_imports import loaded_by

EVIL = "<script>alert(1)</script>"
NOW = datetime(2026, 1, 31, 9, 5, tzinfo=timezone.utc)
RECORD = JobRecord(
    job_id="nightly",
    table_name="docs",
    column_name="words",
    status=JobStatus.RUNNING,
    launched_at=NOW,
    updated_at=NOW,
    launched_by="ann",
    runner="process",
    host="box",
    udf_name="count_words",
    udf_version="3",
    output_columns=("words",),
    progress=Progress(
        "nightly",
        "docs",
        "words",
        "computing",
        rows_done=50,
        rows_total=200,
        rows_per_s=25.0,
        workers=2,
        workers_granted=4,
        fragments_done=1,
        fragments_total=4,
    ),
    events=("09:05:00 Job planning",),
)


@geneva.udf(version="7")
def words(text: str) -> int:
    return len(text.split())


@geneva.udf(on_error=geneva.skip_on_error())
def picky(id: int) -> int:
    return 1 // (id - 3)


class Checker(HTMLParser):
    """Reads HTML and finds what does not belong into a notebook."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "style", "link", "img", "iframe")
        assert {name for name, _ in attrs} <= {"style", "value", "max"}
        for name, value in attrs:
            if name == "style":
                assert "url(" not in value
                # The notebook's theme decides about the ground.
                assert not re.search(r"(?<!-)\bcolor:\s*(black|white|#000|#fff)", value)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def seen(shown) -> str:
    """Return what a reader of a notebook sees."""
    html = shown if isinstance(shown, str) else shown._repr_html_()
    return " ".join(" ".join(Checker(html).words).split())


def test_a_table_shows_its_columns_and_their_state(make_table):
    table = make_table(10, 5)
    table.add_columns({"n": words, "picky": picky, "never": words})
    table.backfill("picky", runner="inline", progress=False)
    table.backfill("n", runner="inline", progress=False, num_frags=1)
    text = seen(table)
    assert text.startswith(f"docs 10 rows, 5 columns, version {table.version} column type")
    assert "id int64 text string n int64 words 7 text missing 5 5 0 0" in text
    assert re.search(r"picky int64 picky \w{8} id failed 9 0 1 0", text)
    assert "never int64 words 7 text missing 0 10 0 0" in text


def test_a_table_without_functions_shows_names_and_types(make_table):
    text = seen(make_table(3, 3))
    assert text == "docs 3 rows, 2 columns, version 1 column type id int64 text string"


def test_of_very_many_columns_computed_ones_are_shown_first(db):
    table = db.create_table("wide", pa.table({"text": ["a"], **{f"c{i}": [i] for i in range(300)}}))
    table.add_columns({"n": words})
    text = seen(table)
    assert "1 row, 302 columns" in text
    assert "0 1 0 0 text string c0 int64" in text
    assert "and 202 more" in text


def test_a_state_that_takes_long_is_left_out(make_table):
    table = make_table(10, 5)
    table.add_columns({"n": words})
    began_s = time.monotonic()

    def look(name: str):
        time.sleep(0.5)
        return table.column_status(name)

    text = seen(shown_table("docs", table._dataset(), look, longest_s=0.05))
    assert time.monotonic() - began_s < 0.4
    assert "The state of 'n' takes long to find; column_status() says it." in text
    assert "words 7 text" in text


def test_a_state_that_cannot_be_found_is_left_out(make_table):
    table = make_table(10, 5)
    table.add_columns({"n": words})

    def look(name: str):
        raise errors.TableNotFoundError("gone")

    assert "The state of 'n'" in seen(shown_table("docs", table._dataset(), look))


def test_showing_a_table_loads_no_lancedb_and_unpickles_nothing(make_table, tmp_path):
    table = make_table(10, 5)
    (tmp_path / "db" / "docs.lance" / "_udfs").mkdir(exist_ok=True)
    table.add_columns({"n": words})
    for payload in (tmp_path / "db" / "docs.lance" / "_udfs").iterdir():
        payload.write_bytes(b"no pickle")
    program = """
        import sys, geneva
        table = geneva.connect(sys.argv[1]).open_table("docs")
        for name in ("_ipython_canary_method_should_not_exist_", "_repr_svg_"):
            assert not hasattr(table, name)
        assert "missing" in table._repr_html_()
    """
    assert not loaded_by(program, str(tmp_path / "db")) & {"lancedb", "pandas"}


def test_a_plan(make_table):
    table = make_table(10, 5)
    table.add_columns({"n": words, "m": words})
    table.backfill("n", runner="inline", progress=False, num_frags=1)
    plan = table.plan_backfill("n", where="id < 100")
    text = seen(plan)
    assert text.startswith("Backfill of docs.n version ")
    assert "where id < 100" in text
    assert "rows to compute 5 of 10 fragments 1 of 2 tasks 1" in text
    assert "5 were never computed" in text
    assert "fragments skipped because 1 computed already" in text
    both = seen(table.plan_backfill(["n", "m"]))
    assert both.startswith("Backfill of 2 columns of docs column rows to compute")
    assert "m 10 2 2" in both


def test_an_estimate_belongs_to_its_plan(make_table):
    table = make_table(10, 10)
    table.add_columns({"n": words})
    estimate = Estimate(8, 0, 2, duration_s=Interval(11.0, 9.0, 13.0), notes=(EVIL,))
    text = seen(replace(table.plan_backfill("n"), estimate=estimate))
    assert "Estimate from 8 rows; 9 of 10 jobs lie between the bounds in brackets" in text
    assert "duration 11 s" in text
    assert EVIL in text


def test_a_job_that_runs_and_one_that_failed():
    text = seen(RECORD)
    assert text.startswith("docs.words RUNNING 50 of 200 rows job nightly function count_words 3")
    assert "began 2026-01-31 09:05:00 UTC, by ann" in text
    assert "workers 2 workers, at most 4 stage computing speed 25 rows/s left 6 s" in text
    assert "width:25%" in RECORD._repr_html_()
    error = RecordedError("UDFError", "row 7 failed", "Traceback ...\nLookupError: no 7")
    failed = replace(RECORD, status=JobStatus.FAILED, error=error, completed_at=NOW)
    text = seen(failed)
    assert "UDFError : row 7 failed traceback Traceback ... LookupError: no 7" in text
    assert "rows/s" not in text


def test_a_list_of_jobs():
    text = seen(JobList([RECORD, replace(RECORD, status=JobStatus.DONE, job_id="other")]))
    assert text.startswith("2 jobs job column state rows began by error nightly docs.words RUNNING")
    assert "other docs.words DONE 50 2026-01-31 09:05:00 UTC ann" in text
    assert "and 150 more" in seen(JobList([RECORD] * 250))
    assert seen(JobList()) == "0 jobs"


def test_jobs_and_results_of_a_table(make_table, db):
    table = make_table(10, 5)
    table.add_columns({"picky": picky})
    job = table.backfill_async("picky", runner="inline", progress=False, job_id="mine")
    result = job.result()
    text = seen(result)
    assert text.startswith("docs DONE in ")
    assert re.search(r"column rows failed function from picky 9 1 picky \w{12} id", text)
    assert "table.errors() lists the rows that failed; job mine" in text
    for one in (job, db.get_job("mine"), db.get_job("mine").record()):
        assert seen(one).startswith("docs.picky DONE 10 of 10 rows job mine")
    assert "mine docs.picky DONE" in seen(db.list_jobs())
    assert seen(job.explain()).startswith("The job docs.picky is done: 10 rows in ")
    status = seen(table.column_status("picky"))
    assert status.startswith("docs.picky failed 10 rows, 9 fresh, 0 missing, 1 failed, 0 stale")
    assert "1 failed in earlier calls" in status
    assert seen(table.verify()).startswith("Verification of docs at version")
    assert "docs: removed nothing" in seen(table.cleanup_checkpoints())
    assert "the same function" in seen(table.changes("picky", udf=picky))
    assert "9 rows compared" in seen(table.diff("picky", udf=picky))


def test_what_users_write_is_never_markup():
    fragment = FragmentStatus(0, 1, 0, 1, 0, 0, {EVIL: 1})
    done = UdfResult(EVIL, EVIL, 1, 1, [EVIL])
    finding = Finding(EVIL, "values", EVIL, EVIL, EVIL, file=EVIL)
    for one in (
        replace(
            RECORD,
            job_id=EVIL,
            table_name=EVIL,
            output_columns=(EVIL,),
            udf_name=EVIL,
            launched_by=EVIL,
            host=EVIL,
            status=JobStatus.FAILED,
            events=(EVIL,),
            error=RecordedError(EVIL, EVIL, EVIL),
            progress=replace(RECORD.progress, stage=EVIL, waiting_for=EVIL, stalls_at=EVIL),
        ),
        replace(RECORD, progress=replace(RECORD.progress, stage=EVIL, waiting_for=EVIL)),
        JobList([replace(RECORD, job_id=EVIL, table_name=EVIL, launched_by=EVIL)]),
        ColumnStatus(EVIL, EVIL, 1, EVIL, EVIL, (fragment,), changed=EVIL),
        BackfillJobResult(EVIL, EVIL, EVIL, NOW, NOW, {EVIL: done}),
        VerificationReport(EVIL, 1, False, (VerifiedColumn(EVIL, 1, 1, 1),), (finding,)),
    ):
        assert EVIL in seen(one)
        assert "<script" not in one._repr_html_()


@pytest.mark.local_files
def test_names_of_columns_and_filters_are_never_markup(db):
    column = "<b>bold</b>"
    table = db.create_table("docs", pa.table({column: [1, 2], "id": [1, 2]}))
    table.add_columns({"n": (geneva.udf(lambda x: x, data_type=pa.int64()), [column])})
    for one in (table, table.plan_backfill("n", where="id < 2")):
        assert "<b>bold" not in one._repr_html_()
    assert column in seen(table)


def test_what_is_shown_is_bounded():
    fragments = tuple(FragmentStatus(i, 1, 0, 1, 0, 0, {"why" * 1_000: 1}) for i in range(5_000))
    html = ColumnStatus("docs", "n", 1, "f", "1", fragments)._repr_html_()
    assert "4,899 more fragments" in html
    assert len(html) < 200_000
    error = RecordedError("UDFError", "x" * 10**6, "y" * 10**6)
    assert len(replace(RECORD, error=error, events=("z" * 10**4,) * 500)._repr_html_()) < 60_000
