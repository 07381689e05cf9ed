"""The shape of a trace, and that it costs nothing where nobody wants it."""

from __future__ import annotations

import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

import geneva
from geneva import errors
from geneva.jobs.commands import Apply
from geneva.jobs.events import LossCause, TaskApplied, WorkerLost, WorkersWaiting
from geneva.jobs.planner import ApplyTask, FragmentPlan
from geneva.storage.model import RowRange
from geneva.tracing import provider
from geneva.tracing.delivery import endpoint
from geneva.tracing.run_spans import RunSpans
from geneva.tracing.spans import MOST_SPANS, SpanMaker
from tests.unit.test_imports import loaded_by


@geneva.udf
def same(id: int) -> int:
    return id


@geneva.udf
def twice(same: int) -> int:
    return 2 * same


@pytest.fixture
def made(monkeypatch):
    """Let this program have a provider of its own, which remembers spans."""
    exporter = InMemorySpanExporter()
    own = TracerProvider(shutdown_on_exit=False)
    own.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", own)
    return exporter


def by_name(exporter: InMemorySpanExporter, name: str) -> list:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def test_the_programs_own_provider_gets_the_job_below_its_current_span(made, make_table):
    table = make_table(20, 10)
    table.add_columns({"out": same})
    with trace.get_tracer("mine").start_as_current_span("nightly") as outer:
        table.backfill("out", runner="inline", progress=False)
        job = table.backfill_async("out", runner="inline", progress=False, force=True)
        job.result()
    roots = by_name(made, "backfill docs.out")
    assert len(roots) == 2
    assert {root.parent.span_id for root in roots} == {outer.get_span_context().span_id}
    assert len({span.context.trace_id for span in made.get_finished_spans()}) == 1


def test_spans_of_an_inline_function_belong_to_the_job(made, make_table):
    @geneva.udf
    def traced(id: int) -> int:
        with trace.get_tracer("mine").start_as_current_span("my span"):
            return id

    table = make_table(1, 1)
    table.add_columns({"out": traced})
    table.backfill("out", runner="inline", progress=False)
    (root,) = by_name(made, "backfill docs.out")
    assert by_name(made, "my span")[0].parent.span_id == root.context.span_id


def test_each_of_several_columns_is_a_pass(made, make_table):
    table = make_table(20, 10)
    table.add_columns({"same": same})
    table.add_columns({"twice": twice})
    table.backfill(["twice", "same"], runner="inline", progress=False)
    (root,) = by_name(made, "backfill docs.same and 1 more")
    assert root.attributes["geneva.columns"] == ("same", "twice")
    for column in ("same", "twice"):
        (one,) = by_name(made, f"pass docs.{column}")
        assert one.parent.span_id == root.context.span_id
        assert one.attributes["geneva.udf.name"] == column
        inside = [s for s in made.get_finished_spans() if s.parent == one.context]
        assert {"plan", "admission", "task", "commit"} <= {span.name for span in inside}


def test_a_cancelled_job_says_so_and_is_no_error(made, make_table):
    @geneva.udf(batch_size=1)
    def slow(id: int) -> int:
        time.sleep(0.01)
        return id

    table = make_table(500, 500)
    table.add_columns({"out": slow})
    job = table.backfill_async("out", runner="inline", progress=False)
    time.sleep(0.2)
    job.cancel()
    with pytest.raises(errors.JobCancelledError):
        job.result()
    (root,) = by_name(made, "backfill docs.out")
    assert root.attributes["geneva.job.status"] == "CANCELLED"
    assert root.status.status_code is StatusCode.UNSET
    assert root.events == ()


def test_a_job_that_is_not_sampled_makes_no_spans(monkeypatch, made, make_table):
    exporter = InMemorySpanExporter()
    never = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    never.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", never)
    table = make_table(5, 5)
    table.add_columns({"out": same})
    assert table.backfill("out", runner="inline", progress=False).version == table.version
    assert exporter.get_finished_spans() == ()


class Broken(SpanProcessor):
    """A processor of somebody's that raises, at the start or at the end of spans."""

    def __init__(self, *, early: bool, root: bool) -> None:
        self.early = early
        self.root = root

    def on_start(self, span, parent_context=None):
        if self.early and (self.root or not span.name.startswith("backfill")):
            raise LookupError("no trace of it")

    def on_end(self, span):
        raise LookupError("no trace of it")


@pytest.mark.parametrize(("early", "root"), [(False, False), (True, False), (True, True)])
def test_a_provider_that_raises_breaks_no_job(monkeypatch, make_table, early, root):
    broken = TracerProvider(shutdown_on_exit=False)
    broken.add_span_processor(Broken(early=early, root=root))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", broken)
    table = make_table(5, 5)
    table.add_columns({"same": same})
    table.add_columns({"twice": twice})
    result = table.backfill(["same", "twice"], runner="inline", progress=False)
    assert {name: one.rows_processed for name, one in result.columns.items()} == {
        "same": 5,
        "twice": 5,
    }


def fragment(number: int) -> FragmentPlan:
    rows = (RowRange(0, 1),)
    return FragmentPlan(number, 1, "", 1, rows, None, None, None, False, True)


def test_a_huge_job_has_a_bounded_number_of_spans(made):
    tracer = trace.get_tracer("test")
    root = tracer.start_span("root")
    spans = SpanMaker(tracer, root, {"geneva.job.id": "j"})
    run = RunSpans(spans, 10_000, 10_000)
    for number in range(10_000):
        task = ApplyTask(number, number, RowRange(0, 1))
        run.sent(Apply(number % 4, task, fragment(number)))
        if number % 10 == 5:
            run.happened(WorkerLost(number % 4, 1, cause=LossCause.CRASH))
        else:
            run.happened(TaskApplied(number % 4, number, RowRange(0, 1)))
    run.over()
    counts = spans.counts()
    tasks = by_name(made, "task")
    failed = [span for span in tasks if span.status.status_code is StatusCode.ERROR]
    assert counts["geneva.tasks"] == 10_000
    assert counts["geneva.tasks.traced"] == len(tasks) - len(failed) == MOST_SPANS["task"]
    assert counts["geneva.spans.failed"] == len(failed) == MOST_SPANS["failed"]
    # They are spread over the job.
    assert max(span.attributes["geneva.task.id"] for span in tasks) > 9_900
    assert len(by_name(made, "start workers")) == 1


def test_waiting_for_resources_is_a_span_with_its_reason(made):
    tracer = trace.get_tracer("test")
    run = RunSpans(SpanMaker(tracer, tracer.start_span("root"), {}), 1, 1)
    run.happened(WorkersWaiting(2, "4 GPUs, which job 17 holds"))
    run.happened(WorkersWaiting(0, ""))
    run.happened(WorkersWaiting(1, "memory"))
    run.over()
    first, second = by_name(made, "wait for resources")
    assert first.attributes["geneva.reason"] == "4 GPUs, which job 17 holds"
    assert (first.attributes["geneva.workers.waiting"], second.attributes["geneva.reason"]) == (
        2,
        "memory",
    )


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, ("otlp_proto_http",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/t"}, ("otlp_proto_http",)),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ("console", "otlp_proto_http")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, ()),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            ("otlp_proto_grpc",),
        ),
    ],
)
def test_the_environment_asks_for_exporters(monkeypatch, environment, names):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert provider.wanted_exporters() == names


PROGRAM = """
    import sys
    import geneva

    @geneva.udf
    def same(id: int) -> int:
        return id

    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"out": same})
    table.backfill("out", runner="inline", progress=False)
"""


def test_without_the_extra_nothing_is_traced(make_table, tmp_path, monkeypatch):
    make_table(10, 10)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    missing = "    import sys\n    sys.modules['opentelemetry'] = None\n"
    assert "geneva" in loaded_by(missing + PROGRAM, str(tmp_path / "db"))


def test_variables_that_make_no_sense_are_said_once_and_break_no_job(
    monkeypatch, make_table, capsys
):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000")
    monkeypatch.setattr(provider, "_refused", False)
    table = make_table(5, 5)
    table.add_columns({"out": same})
    for _ in range(2):
        table.backfill("out", runner="inline", progress=False, force=True)
    assert capsys.readouterr().err.count("Warning: Jobs are not traced: ") == 1


def test_a_warning_of_lost_traces_tells_no_secret(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:secret@collector:4318/x?key=1")
    assert endpoint() == "collector:4318"
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    assert endpoint() == "its endpoint"


def test_a_job_that_is_not_traced_does_not_import_opentelemetry(make_table, tmp_path):
    make_table(10, 10)
    loaded = loaded_by(PROGRAM, str(tmp_path / "db"))
    assert "geneva" in loaded
    assert not loaded & {"opentelemetry", "requests"}
