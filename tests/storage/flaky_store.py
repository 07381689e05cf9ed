"""A proxy in front of an object store that fails as stores and networks do."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SLOW_DOWN = (
    b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>SlowDown</Code>"
    b"<Message>Please reduce your request rate.</Message></Error>"
)
_LATE_S = 1.2
KINDS = ("500", "503", "connection dropped", "answer lost", "timeout")


class FlakyStore(ThreadingHTTPServer):
    """Passes requests on, but for those that fail.

    Attributes
    ----------
    kind : str
        How requests fail.
    every : int
        Every how many-th request fails; 0 for none.
    away : Path or None
        While there is such a file, every request fails.
    failed : Counter
        How many failed, by method.
    """

    daemon_threads = True

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urllib.parse.urlsplit(endpoint).netloc
        self.kind = KINDS[0]
        self.every = 0
        self.away: Path | None = None
        self.failed: Counter[str] = Counter()
        self._requests = 0
        self._lock = threading.Lock()

    def fails(self, method: str) -> bool:
        """Count a request and say whether it fails."""
        with self._lock:
            self._requests += 1
            due = self.every > 0 and self._requests % self.every == 0
            due = due or (self.away is not None and self.away.exists())
            self.failed[method] += due
            return due


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FlakyStore

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        fails = self.server.fails(self.command)
        kind = self.server.kind
        if fails and kind in ("500", "503"):
            self._answer(int(kind), {}, SLOW_DOWN if kind == "503" else b"")
            return
        if fails and kind == "timeout":
            time.sleep(_LATE_S)
        if fails and kind in ("connection dropped", "timeout"):
            self.close_connection = True
            return
        status, headers, content = self._asked(body)
        if fails:
            self.close_connection = True  # It was done, and nobody is told.
            return
        self._answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 - as the library has it

    def _asked(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=20)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        lower = {name.lower(): value for name, value in headers.items()}
        length = lower.pop("content-length", str(len(content)))
        for name in ("connection", "transfer-encoding", "date", "server"):
            lower.pop(name, None)
        for name, value in lower.items():
            self.send_header(name, value)
        self.send_header("content-length", length if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def flaky(endpoint: str) -> Iterator[FlakyStore]:
    """Serve a proxy in front of a store."""
    with FlakyStore(endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
