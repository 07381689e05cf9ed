"""The same engine on an object store: a real S3 server process."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import lance
import pyarrow as pa
import pytest

import geneva
from geneva import errors

pytest.importorskip("moto.server", reason="needs the extra [s3-test]")


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """Start an S3 server with one bucket and return the options to reach it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _create_bucket(f"{endpoint}/bucket")
        _check_conditional_puts(f"{endpoint}/bucket")
        yield {
            "aws_access_key_id": "testing",
            "aws_secret_access_key": "testing",
            "aws_region": "us-east-1",
            "aws_endpoint": endpoint,
            "allow_http": "true",
        }
    finally:
        server.terminate()
        server.wait()


def _put(url: str, data: bytes = b"", headers: dict[str, str] | None = None) -> int:
    request = urllib.request.Request(url, data=data, method="PUT", headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def _create_bucket(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            assert _put(url) == 200
        except OSError:
            assert time.monotonic() < deadline, "the S3 server did not start"
            time.sleep(0.1)
        else:
            return


def _check_conditional_puts(bucket: str) -> None:
    """Lance's commits need a server on which exactly one of several writers wins."""
    won: list[int] = []

    def write() -> None:
        if _put(f"{bucket}/race", b"x", {"If-None-Match": "*"}) == 200:
            won.append(1)

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(won) == 1


@pytest.mark.parametrize("name", ["inline", "process"])
def test_backfill_resume_and_search(store, name, tmp_path):
    db = geneva.connect(f"s3://bucket/{name}", storage_options=store)
    ids = pa.table({"id": range(60)})
    table = db.create_table("docs", ids.slice(0, 30))
    table.add(ids.slice(30))
    mended = tmp_path / "mended"

    @geneva.udf(data_type=pa.list_(pa.float32(), 2), batch_size=5)
    def vector(id: int) -> list[float]:
        if id == 47 and not mended.exists():
            raise ValueError("not yet")
        return [float(id), 0.0]

    table.add_columns({"vector": vector})
    sizes = {"checkpoint_size": 10, "runner": name, "progress": False}
    with pytest.raises(errors.UDFError, match="not yet"):
        table.backfill("vector", concurrency=1, **sizes)
    left = table.plan_backfill("vector").total_rows_pending
    assert left == 60 - 47
    mended.touch()
    again = geneva.connect(f"s3://bucket/{name}", storage_options=store).open_table("docs")
    assert again.backfill("vector", **sizes).columns["vector"].rows_processed == left
    assert table.search([13.0, 0.0], "vector").limit(1).to_list()[0]["id"] == 13
    found = lance.dataset(table.uri, storage_options=store).to_table()
    assert found["vector"].to_pylist() == [[float(i), 0.0] for i in found["id"].to_pylist()]
    files = lance.file.LanceFileSession(table.uri, storage_options=store).list()
    assert not [f for f in files if f.endswith(".arrow")]
    assert sorted(db.table_names()) == ["docs"]
    db.drop_table("docs")
    with pytest.raises(errors.TableNotFoundError):
        db.open_table("docs")
