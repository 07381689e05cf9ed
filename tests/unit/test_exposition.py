"""What Prometheus reads, as its own parser understands it, and the dashboard that shows it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.parser import text_string_to_metric_families

import geneva
from geneva import config
from geneva.jobs.exposition import CONTENT_TYPE, exposed_metrics, metric_names
from geneva.jobs.metrics import job_metrics
from geneva.jobs.progress import Progress
from geneva.progress import metrics_server
from geneva.progress.measured import measured
from geneva.progress.metrics_server import JobsSeen, MetricsServer

NOW = Progress(
    "j1",
    "docs",
    "words",
    rows_done=40,
    rows_total=100,
    rows_per_s=12.25,
    workers=2,
    workers_granted=4,
    workers_starting=1,
    stage_s={"read": 0.5, "udf": 3.0},
)


@geneva.udf
def same(id: int) -> int:
    return id


def parsed(text: str) -> dict[tuple[str, ...], float]:
    """Return the values by name, job and stage."""
    return {
        (one.name, one.labels["job_id"], *filter(None, [one.labels.get("stage")])): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_the_parser_of_prometheus_reads_what_is_measured():
    found = parsed(exposed_metrics([NOW, replace(NOW, job_id="j2", finished=True)]))
    for name, value in {
        "rows_checkpointed": 40,
        "rows_checkpointed_expected": 100,
        "workers": 2,
        "workers_expected": 4,
        "workers_pending": 1,
        "rows_per_second": 12.25,
        "running": 1,
    }.items():
        assert found[f"geneva_job_{name}", "j1"] == value, name
    assert found["geneva_job_running", "j2"] == 0
    assert found["geneva_job_stage_seconds", "j1", "udf"] == 3.0
    assert CONTENT_TYPE == CONTENT_TYPE_PLAIN_0_0_4


def test_every_metric_of_a_job_is_exposed_with_help_and_type():
    text = exposed_metrics([NOW])
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert list(families) == metric_names()
    assert all(f.type == "gauge" and f.documentation.endswith(".") for f in families.values())
    # Each head stands once, in front of all its samples.
    assert text.count("# TYPE ") == len(families)
    times = {"udf_processing_time", "batch_checkpointing_time", "writer_write_time"}
    for metric in job_metrics(NOW):
        if not metric.name.startswith("cnt_") and not metric.name.endswith("_ms"):
            assert f"geneva_job_{metric.name}" in families or metric.name in times
    assert exposed_metrics([]) == ""


def test_names_of_users_cannot_break_the_format():
    odd = 'a "quoted" \\ name\nof two lines'
    text = exposed_metrics([replace(NOW, job_id=odd, column_name="π", table_name="{}=,")])
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    names = ("job_id", "column", "table")
    assert {tuple(one.labels[n] for n in names) for one in samples} == {(odd, "π", "{}=,")}


def test_jobs_that_ended_are_remembered_but_not_for_ever():
    seen = JobsSeen()
    seen.note(NOW)
    for number in range(150):
        seen.note(replace(NOW, job_id=f"ended {number}", finished=True))
    ids = [now.job_id for now in seen.newest()]
    assert len(ids) == 101
    assert (ids[0], ids[-1]) == ("j1", "ended 149")


@pytest.fixture
def port(monkeypatch):
    """Let this process serve its metrics, on a port that was free."""
    probe = MetricsServer(0)
    probe.close()
    monkeypatch.setenv("GENEVA_METRICS_PORT", str(probe.port))
    config.settings.cache_clear()
    yield probe.port
    config.settings.cache_clear()
    server = metrics_server.served_metrics()
    if server is not None:
        server.close()
    metrics_server._server = None


def get(port: int, path: str = "/metrics") -> tuple[str, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


def test_a_backfill_is_measured_while_it_runs_and_when_it_has_ended(port, make_table):
    table = make_table(40, 40)
    with measured(lambda now: None) as show:
        show(NOW)
        text, kind = get(port)
        assert parsed(text)["geneva_job_running", "j1"] == 1
        assert kind == CONTENT_TYPE
    found = parsed(get(port)[0])
    assert (found["geneva_job_running", "j1"], found["geneva_job_workers", "j1"]) == (0, 0)
    table.add_columns({"out": same})
    table.backfill("out", runner="inline", progress=False, job_id="mine")
    found = parsed(get(port)[0])
    assert found["geneva_job_rows_committed", "mine"] == 40
    assert found["geneva_job_running", "mine"] == 0
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        get(port, "/else")
    refused.value.close()


def test_a_port_that_is_taken_fails_no_job(port, make_table):
    table = make_table(10, 10)
    table.add_columns({"out": same})
    other = MetricsServer(port)
    try:
        with pytest.warns(RuntimeWarning, match=rf"{port}.*already in use.*METRICS_PORT"):
            table.backfill("out", runner="inline", progress=False)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table.backfill("out", runner="inline", progress=False, force=True)
    finally:
        other.close()
    assert len(table.to_arrow()["out"].drop_null()) == 10


def test_the_dashboard_asks_for_metrics_that_are_there():
    page = Path(__file__).parents[2] / "docs" / "grafana" / "geneva.json"
    dashboard = json.loads(page.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 10
    known = set(metric_names())
    asked: set[str] = set()
    for panel in panels:
        for target in panel["targets"]:
            names = re.findall(r"\bgeneva_\w+", target["expr"])
            assert names, panel["title"]
            assert set(names) <= known, panel["title"]
            asked |= set(names)
            assert target["expr"].count("(") == target["expr"].count(")")
            labels = re.findall(r"{{(\w+)}}", target["legendFormat"])
            assert set(labels) <= {"job_id", "table", "column", "stage"}
    assert len(asked) >= 12
    for variable in dashboard["templating"]["list"][1:]:
        assert set(re.findall(r"\bgeneva_\w+", variable["definition"])) <= known
