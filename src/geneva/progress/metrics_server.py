"""A Prometheus endpoint for the jobs of this process."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from geneva.config import settings
from geneva.errors import InvalidArgumentError
from geneva.jobs.exposition import CONTENT_TYPE, exposed_metrics
from geneva.jobs.progress import Progress

_LOOPBACK = "127.0.0.1"
# Of columns of jobs that have ended: a scrape comes every few seconds, or minutes.
_MOST_ENDED = 100
_CLOSES_S = 0.05


class JobsSeen:
    """The newest progress of each job of this process, and of those that ended lately.

    Examples
    --------
    >>> seen = JobsSeen()
    >>> seen.note(Progress("j1", "docs", "words"))
    >>> seen.note(Progress("j1", "docs", "words", rows_done=3))
    >>> [now.rows_done for now in seen.newest()]
    [3]
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str, str], Progress] = {}

    def note(self, now: Progress) -> None:
        """Take in how far a job is."""
        with self._lock:
            key = now.job_id, now.table_name, now.column_name
            self._seen.pop(key, None)
            self._seen[key] = now
            if now.finished:
                ended = [key for key, one in self._seen.items() if one.finished]
                for old in ended[:-_MOST_ENDED]:
                    del self._seen[old]

    def newest(self) -> list[Progress]:
        """Return the newest progress of each."""
        with self._lock:
            return list(self._seen.values())


class MetricsServer:
    """Answers ``GET /metrics`` in a thread of its own.

    Parameters
    ----------
    port
        The port; 0 for any that is free.
    host
        The address to listen on. Default: only for programs of this machine.

    Raises
    ------
    OSError
        The port is taken, or the address is not of this machine.
    """

    def __init__(self, port: int, host: str | None = None) -> None:
        self.jobs = JobsSeen()
        handler = type("_Handler", (_Handler,), {"jobs": self.jobs})
        self._server = ThreadingHTTPServer((host or _LOOPBACK, port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_CLOSES_S,), name="geneva-metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop to listen."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    jobs: JobsSeen

    def do_GET(self) -> None:
        if self.path.partition("?")[0] not in ("/metrics", "/"):
            self.send_error(404)
            return
        text = exposed_metrics(self.jobs.newest()).encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called
        """Say nothing; a scrape is no news."""


_lock = threading.Lock()
_server: MetricsServer | None = None


def serve_metrics(port: int) -> MetricsServer:
    """Serve the metrics of this process, on the port where that was begun if it was.

    Raises
    ------
    InvalidArgumentError
        The port cannot be listened on.
    """
    global _server
    with _lock:
        if _server is None:
            try:
                _server = MetricsServer(port, settings().metrics_host)
            except OSError as error:
                host = settings().metrics_host or _LOOPBACK
                raise InvalidArgumentError(
                    f"Metrics cannot be served on {host}:{port}: {error.strerror or error}. Choose "
                    "another port with --metrics-port or GENEVA_METRICS_PORT."
                ) from None
        return _server


def served_metrics() -> MetricsServer | None:
    """Return what serves the metrics of this process, if anything does."""
    return _server
