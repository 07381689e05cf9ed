"""A receiver of traces on this machine, which reads what OTLP over HTTP says."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Receiver:
    """Collects the spans that are sent to it.

    Attributes
    ----------
    url : str
        Where it listens.
    spans : list of Span
        What came.
    services : set of str
        Names of those who sent it.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 - self is the receiver
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                if handler.headers.get("Content-Encoding") == "gzip":
                    body = zlib.decompress(body, wbits=31)
                assert handler.path == "/v1/traces"
                self._take(ExportTraceServiceRequest.FromString(body))
                handler.send_response(200)
                handler.send_header("Content-Length", "0")
                handler.end_headers()

            def log_message(handler, format: str, *args: object) -> None:  # noqa: N805
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def of_job(self, job_id: str, enough: Callable[[list[Span]], object]) -> list[Span]:
        """Return the spans of a job once they are enough."""
        deadline = time.monotonic() + 10
        while True:
            found = [s for s in list(self.spans) if attributes(s).get("geneva.job.id") == job_id]
            if enough(found):
                return found
            assert time.monotonic() < deadline, [span.name for span in found]
            time.sleep(0.02)

    def _take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.services.add(names["service.name"])
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)


def attributes(span: Span) -> dict:
    """Return the attributes of a span as Python has them."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def roots(spans: list[Span]) -> list[Span]:
    """Return the spans that stand for jobs."""
    return [span for span in spans if span.name.startswith("backfill ")]
