"""A Prometheus endpoint for the jobs of this process."""

from __future__ import annotations

import select
import socket
import threading
from typing import TYPE_CHECKING

from geneva.config import settings
from geneva.errors import InvalidArgumentError
from geneva.jobs.progress import Progress

if TYPE_CHECKING:
    from http.server import HTTPServer

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

    It listens at once, and loads what answers with the first scrape: that takes longer than all
    else that it does for a job.

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
        self._socket = socket.create_server((host or _LOOPBACK, port))
        self._port = int(self._socket.getsockname()[1])
        self._closed, self._close = socket.socketpair()
        self._lock = threading.Lock()
        self._closing = False
        self._server: HTTPServer | None = None
        self._thread = threading.Thread(target=self._serve, name="geneva-metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    def close(self) -> None:
        """Stop to listen."""
        with self._lock:
            self._closing = True
        self._close.close()
        if self._server is not None:
            self._server.shutdown()
        self._thread.join()
        self._closed.close()
        self._socket.close()

    def _serve(self) -> None:
        asked, _, _ = select.select([self._socket, self._closed], [], [])
        if self._closed in asked:
            return
        from geneva.progress.metrics_answers import answers

        with self._lock:
            if self._closing:
                return
            self._server = answers(self._socket, self.jobs.newest)
        self._server.serve_forever(_CLOSES_S)


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
