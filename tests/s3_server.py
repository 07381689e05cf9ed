"""A real S3 server that the storage tests share."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def store() -> Iterator[dict[str, str]]:
    """Start an S3 server with one bucket and return the options to reach it."""
    pytest.importorskip("moto.server", reason="needs the extra [s3-test]")
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
