"""Traces arrive at a collector, wherever the job's driver runs."""

from __future__ import annotations

import pytest

import geneva
from geneva import errors
from geneva.tracing import provider
from tests.docs.pages import ROOT, code_spans, table_rows
from tests.trace_receiver import Receiver, attributes, roots

PARENT = "00-11111111111111111111111111111111-2222222222222222-01"


@geneva.udf(version="3")
def same(id: int) -> int:
    return id


@geneva.udf
def picky(id: int) -> int:
    if id == 3:
        raise LookupError("no three")
    return id


@pytest.fixture(scope="module", autouse=True)
def receiver():
    """Let this process, and clusters that it starts, send traces to a receiver."""
    found = Receiver()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        yield found
    provider.flush_traces(5)
    provider._delivery = None
    found.close()


def spans_of(receiver: Receiver, job_id: str) -> list:
    provider.flush_traces(5)
    return receiver.of_job(job_id, roots)


def test_a_job_is_one_trace(receiver, make_table, runner, monkeypatch):
    monkeypatch.setenv("TRACEPARENT", PARENT)
    table = make_table(40, 10)
    table.add_columns({"out": same})
    table.backfill("out", runner=runner, progress=False, job_id=f"{runner}-good", concurrency=2)
    spans = spans_of(receiver, f"{runner}-good")
    (root,) = roots(spans)
    assert root.name == "backfill docs.out"
    assert {span.trace_id.hex() for span in spans} == {"1" * 32}
    assert root.parent_span_id.hex() == "2" * 16
    assert {span.parent_span_id for span in spans if span is not root} == {root.span_id}
    said = attributes(root)
    assert {name.removeprefix("geneva."): value for name, value in said.items()} == {
        "job.id": f"{runner}-good",
        "job.status": "DONE",
        "table": "docs",
        "column": "out",
        "udf.name": "same",
        "udf.version": "3",
        "runner": runner,
        "concurrency": 2,
        "workers.granted": said["geneva.workers.granted"],
        "version": table.version,
        "rows": 40,
        "rows.failed": 0,
        "tasks": 4,
        "tasks.traced": 4,
        "writes": said["geneva.writes"],
        "writes.traced": said["geneva.writes"],
        "commits": said["geneva.commits"],
        "commits.traced": said["geneva.commits"],
        "spans.failed": 0,
    }
    assert root.status.code == root.status.STATUS_CODE_UNSET
    tasks = [attributes(span) for span in spans if span.name == "task"]
    assert sum(one["geneva.rows"] for one in tasks) == 40
    assert {one["geneva.fragment"] for one in tasks} == {0, 1, 2, 3}
    assert sum(one["geneva.seconds.udf"] for one in tasks) > 0
    names = {span.name for span in spans}
    assert {"plan", "admission", "start workers", "task", "commit"} <= names
    page = ROOT / "docs" / "guide" / "observability.md"
    documented = {code_spans(name)[0] for name, _ in table_rows(page, "Span")}
    assert names - {root.name} <= documented
    last = max(
        (span for span in spans if span.name == "commit"), key=lambda s: s.end_time_unix_nano
    )
    assert attributes(last)["geneva.version"] == table.version
    for span in spans:
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano
    assert "geneva" in receiver.services


def test_a_failing_function_is_an_exception_of_the_trace(receiver, make_table, runner):
    table = make_table(10, 10)
    table.add_columns({"out": picky})
    with pytest.raises(errors.UDFError):
        table.backfill("out", runner=runner, progress=False, job_id=f"{runner}-bad")
    spans = spans_of(receiver, f"{runner}-bad")
    (root,) = roots(spans)
    assert root.status.code == root.status.STATUS_CODE_ERROR
    assert "UDFError" in root.status.message
    (event,) = root.events
    assert event.name == "exception"
    said = attributes(event)
    assert said["exception.type"] == "geneva.errors.UDFError"
    assert "LookupError: no three" in said["exception.stacktrace"]
    assert attributes(root)["geneva.job.status"] == "FAILED"
    (task,) = [span for span in spans if span.name == "task"]
    assert task.status.code == task.status.STATUS_CODE_ERROR
