"""The console's JSON API, metrics and guard, as a program sees them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import uuid

import pytest
from typer.testing import CliRunner

import geneva
from geneva.cli.main import app
from geneva.cluster import GenevaCluster
from geneva.jobs.metrics import job_metrics
from geneva.jobs.progress import Progress
from tests.console.functions import picky, slow, words
from tests.console.serving import served, until
from tests.docs.pages import ROOT, code_spans, table_rows


@pytest.fixture(scope="module")
def uri(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("console") / "db")


@pytest.fixture(scope="module")
def table(uri):
    with geneva.connect(uri) as db:
        table = db.create_table("docs", [{"id": i, "text": "a b"} for i in range(2_000)])
        table.add_columns({"words": words, "picky": picky, "slow": slow})
        for column in ("words", "picky"):
            table.backfill(column, runner="inline", progress=False)
        db.define_cluster("prod", GenevaCluster.create_external("prod", "head:6379").build())
        yield table


@pytest.fixture(scope="module")
def console(uri, table):
    with served(uri) as console:
        yield console


def test_jobs_are_listed_and_chosen(console):
    found = console.json("/api/jobs")
    assert found["total"] == len(found["jobs"]) == 2
    assert [job["columns"] for job in found["jobs"]] == [["picky"], ["words"]]
    assert {job["status"] for job in found["jobs"]} == {"DONE"}
    assert console.json("/api/jobs?limit=1&offset=1")["jobs"] == found["jobs"][1:]
    assert console.json("/api/jobs?status=FAILED")["total"] == 0
    assert console.json("/api/jobs?table=other")["total"] == 0


def test_a_job_is_told_whole(console):
    job = console.json("/api/jobs")["jobs"][0]
    detail = console.json(f"/api/jobs/{job['job_id']}")
    assert detail["job"] == job
    assert detail["input_columns"] == ["id"]
    assert detail["events"][-1].endswith("Job completed with status DONE")
    assert detail["plan"].startswith("Backfill of docs.picky at version")
    assert detail["explanation"].startswith("The job docs.picky is done: 2,000 rows")
    metrics = {metric["name"]: metric["n"] for metric in detail["metrics"]}
    assert set(metrics) == {metric.name for metric in job_metrics(Progress("", "", ""))}
    assert metrics["rows_skipped_on_error"] == 1
    failed = console.json(f"/api/jobs/{job['job_id']}/failed-rows")
    assert failed["total"] == 1
    row = failed["rows"][0]
    assert (row["error_type"], row["error_message"]) == ("ValueError", "<b>seven</b>")
    assert "picky" in row["error_trace"]


def test_what_is_not_there_or_wrong_is_said_with_its_status(console):
    status, _, text = console.ask("/api/jobs/nothing")
    assert status == 404
    assert json.loads(text)["error"]["kind"] == "JobNotFoundError"
    ended = console.json("/api/jobs")["jobs"][0]["job_id"]
    status, _, text = console.ask(f"/api/jobs/{ended}/resume", "POST")
    assert status == 409
    assert "is DONE" in json.loads(text)["error"]["message"]
    for wrong in (0, -1, "many", None, 2.5):
        body = {"concurrency": wrong}
        assert console.ask(f"/api/jobs/{ended}/concurrency", "POST", body)[0] == 422
    assert console.ask("/api/jobs?status=SLEEPING")[0] == 422
    assert console.ask("/api/jobs?limit=0")[0] == 422


def test_a_job_is_steered_and_resumed_in_a_process_of_its_own(console, uri, table):
    job = table.backfill_async("slow", concurrency=1, batch_size=5)
    path = f"/api/jobs/{job.job_id}"
    until(lambda: console.json(path)["job"]["rows_done"] > 0)
    assert console.json(f"{path}/concurrency", "POST", {"concurrency": 2})["status"] == "RUNNING"
    until(lambda: console.json(path)["concurrency"] == 2)
    console.json(f"{path}/pause", "POST")
    until(lambda: console.json(path)["job"]["status"] == "PAUSED")
    assert job.done() is False
    resumed = console.json(f"{path}/resume", "POST", {"concurrency": 1})
    assert resumed["status"] in ("RUNNING", "DONE")
    detail = console.json(path)
    assert any("Resumed by" in event for event in detail["events"])
    console.json(f"{path}/cancel", "POST")
    assert until(lambda: console.json(path)["job"]["status"] == "CANCELLED") < 7
    assert geneva.connect(uri).get_job(job.job_id).record().status.value == "CANCELLED"


def test_metrics_are_told_of_jobs_that_run(console, table):
    job = table.backfill_async("slow", concurrency=1, batch_size=5)

    def measured() -> str:
        status, headers, text = console.ask("/metrics")
        assert status == 200
        assert headers["content-type"].startswith("text/plain; version=0.0.4")
        return text.decode()

    line = f'geneva_job_running{{job_id="{job.job_id}",table="docs",column="slow"}}'
    until(lambda: f"{line} 1" in measured())
    job.cancel()
    until(lambda: f"{line} 0" in measured())


def test_clusters_are_listed_without_what_may_be_secret(console):
    (cluster,) = console.json("/api/clusters")
    assert (cluster["name"], cluster["kind"]) == ("prod", "EXTERNAL_RAY")
    assert "ray_init_kwargs" not in cluster


def test_the_api_describes_itself(console):
    described = console.json("/api/openapi.json")
    assert {"/api/jobs", "/api/jobs/{job_id}", "/api/jobs/{job_id}/cancel", "/api/tables"} <= set(
        described["paths"]
    )
    line = described["components"]["schemas"]["JobLine"]["properties"]
    assert {"job_id", "status", "rows_done", "took_s"} <= set(line)


def test_the_guide_names_every_route(console):
    described = console.json("/api/openapi.json")["paths"]
    routes = {
        f"{method.upper()} {path.replace(':path', '')}"
        for path, methods in described.items()
        for method in methods
    }
    told = {row[0] for row in table_rows(ROOT / "docs" / "guide" / "console.md", "Route")}
    assert {one for cell in told for one in code_spans(cell)} == routes


def test_other_sites_and_other_names_are_refused(console):
    path = "/api/jobs/x/cancel"
    assert console.ask(path, "POST", Origin="https://evil.example")[0] == 403
    assert console.ask(path, "POST", Sec_Fetch_Site="cross-site")[0] == 403
    assert console.ask("/api/jobs", Sec_Fetch_Site="same-site")[0] == 403
    assert console.ask("/", Host="evil.example")[0] == 421
    status, headers, _ = console.ask("/")
    assert status == 200
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(("origin", "status"), [("http://evil.example", b"403"), (None, b"101")])
def test_a_websocket_is_opened_by_the_console_s_own_pages_alone(console, origin, status):
    host, port = console.host.split(":")
    lines = [
        "GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: {console.host}",
        f"Origin: {origin or console.address}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        assert connection.recv(200).split()[1] == status


def test_on_an_address_that_others_reach_a_token_is_demanded(uri):
    with served(uri, "--host", "0.0.0.0") as console:
        token, console.headers = console.token, {}
        assert len(token) >= 32
        for path in ("/", "/api/jobs", "/metrics", "/tables"):
            assert console.ask(path)[0] == 401
        assert console.ask("/api/jobs", Authorization=f"Bearer {token}")[0] == 200
        assert console.ask("/api/jobs", Authorization=f"Bearer {token}x")[0] == 401
        assert console.ask("/api/jobs/x/cancel?token=" + token, "POST")[0] == 401
        status, headers, _ = console.ask(f"//evil.example/?a=1&token={token}")
        assert (status, headers["location"]) == (303, "/evil.example/?a=1")
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        said = cookie.partition(";")[0]
        assert console.ask("/api/jobs", Cookie=said)[0] == 200
        evil = {"Cookie": said, "Origin": "http://evil.example"}
        assert console.ask("/api/jobs/x/cancel", "POST", **evil)[0] == 403


def test_a_database_in_a_store_is_served(object_store):
    uri = f"{object_store}/console-{uuid.uuid4().hex}"
    with geneva.connect(uri) as db:
        table = db.create_table("docs", [{"id": i, "text": "a b"} for i in range(20)])
        table.add_columns({"words": words})
        done = table.backfill("words", runner="inline", progress=False)
    with served(uri) as console:
        (job,) = console.json("/api/jobs")["jobs"]
        assert (job["job_id"], job["status"]) == (done.job_id, "DONE")
        assert console.json(f"/api/jobs/{done.job_id}")["job"]["rows_done"] == 20
        (column,) = (
            c for c in console.json("/api/tables/docs/columns")["columns"] if c["udf_name"]
        )
        assert (column["state"], column["fresh"]) == ("fresh", 20)
        assert len(console.json("/api/tables/docs/rows")["rows"]) == 20
        assert console.ask("/")[0] == 200


def test_a_database_that_is_not_there_is_refused(tmp_path):
    command = [sys.executable, "-m", "geneva.cli.main", "console", str(tmp_path / "typo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "There is no folder" in done.stderr


def test_without_its_extra_the_command_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nicegui", None)
    done = CliRunner().invoke(app, ["console", str(tmp_path)])
    assert done.exit_code == 1
    assert "pip install 'opengeneva[console]'" in done.output


def test_where_it_is_is_told_as_json(uri):
    with served(uri, "--json") as console:
        assert console.ask("/api/jobs")[0] == 200


def test_a_taken_port_is_named(uri, console):
    port = console.host.rpartition(":")[2]
    command = [sys.executable, "-m", "geneva.cli.main", "console", uri, "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
