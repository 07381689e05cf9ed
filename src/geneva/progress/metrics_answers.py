"""What answers Prometheus, with the server of the standard library."""

from __future__ import annotations

import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

from geneva.jobs.exposition import CONTENT_TYPE, exposed_metrics
from geneva.jobs.progress import Progress


def answers(listening: socket.socket, newest: Callable[[], list[Progress]]) -> HTTPServer:
    """Return what answers those who connect to a socket.

    Parameters
    ----------
    listening
        A socket that listens.
    newest
        Returns how far each job is.
    """
    handler = type("_Handler", (_Handler,), {"newest": staticmethod(newest)})
    server = ThreadingHTTPServer(listening.getsockname(), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    newest: Callable[[], list[Progress]]

    def do_GET(self) -> None:
        if self.path.partition("?")[0] not in ("/metrics", "/"):
            self.send_error(404)
            return
        text = exposed_metrics(self.newest()).encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called
        """Say nothing; a scrape is no news."""
