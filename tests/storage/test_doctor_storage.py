"""What `geneva doctor` says of object stores: a real S3 server, and one that lacks a feature."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import lance
import pytest

import geneva


def found(report):
    assert all(check.fix for check in report.checks if check.status == "failed")
    return {check.name: check for check in report.checks}


def test_an_object_store_is_checked_and_left_as_it_was(store):
    report = geneva.doctor("s3://bucket/doctor", storage_options=store)
    assert report.ok, report
    checks = found(report)
    assert checks["storage"].status == checks["tiny job"].status == "ok"
    assert checks["conditional put"].found.startswith("refused "), report
    files = lance.file.LanceFileSession("s3://bucket/doctor", storage_options=store).list()
    assert files == []


def test_a_bucket_that_is_not_there(store):
    report = geneva.doctor("s3://nowhere/db", storage_options=store)
    assert not report.ok
    checks = found(report)
    assert checks["storage"].status == "failed"
    assert "NoSuchBucket" in checks["storage"].found
    assert "the bucket of s3://nowhere/db exists" in checks["storage"].fix
    assert checks["tiny job"].status == "skipped"


@pytest.fixture
def careless(store) -> Iterator[dict[str, str]]:
    """Pass everything on to the store, but the condition of a put; as older stores do."""
    target = store["aws_endpoint"].removeprefix("http://")

    class PassOn(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {k: v for k, v in self.headers.items() if k.lower() != "if-none-match"}
            server = http.client.HTTPConnection(target, timeout=20)
            server.request(self.command, self.path, body, headers)
            answer = server.getresponse()
            data = answer.read()
            server.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            if answer.getheader("Content-Length") is None:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, format, *arguments) -> None:
            pass

    for method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
        setattr(PassOn, f"do_{method}", PassOn._pass_on)
    server = ThreadingHTTPServer(("127.0.0.1", 0), PassOn)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {**store, "aws_endpoint": f"http://127.0.0.1:{server.server_port}"}
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_store_that_ignores_conditions_is_found_out(careless):
    report = geneva.doctor("s3://bucket/careless", storage_options=careless)
    checks = found(report)
    assert checks["storage"].status == "ok", report
    assert checks["conditional put"].status == "failed", report
    assert "were replaced by others" in checks["conditional put"].found
    assert "If-None-Match" in checks["conditional put"].fix
    assert checks["tiny job"].status == "skipped"
