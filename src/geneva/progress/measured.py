"""Let Prometheus see the jobs of this process, where that is set up."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from geneva.config import settings
from geneva.errors import InvalidArgumentError
from geneva.jobs.progress import Progress
from geneva.pipeline.mild_warning import warn_mildly

if TYPE_CHECKING:
    from geneva.progress.metrics_server import MetricsServer

_refused: set[int] = set()


@contextlib.contextmanager
def measured(show: Callable[[Progress], None]) -> Iterator[Callable[[Progress], None]]:
    """Pass on the progress of a job, and let Prometheus see it if that is set up.

    A port that is taken fails no job: there is a warning, once.
    """
    server = _server_here()
    if server is None:
        yield show
        return
    last: dict[str, Progress] = {}

    def note(now: Progress) -> None:
        last[now.column_name] = now
        server.jobs.note(now)
        show(now)

    try:
        yield note
    finally:
        # Whatever ended the job, nothing runs any more.
        for now in last.values():
            over = replace(now, finished=True, workers=0, workers_starting=0, rows_per_s=0.0)
            server.jobs.note(over)


def _server_here() -> MetricsServer | None:
    port = settings().metrics_port
    # Few want it.
    if not port and "geneva.progress.metrics_server" not in sys.modules:
        return None
    from geneva.progress.metrics_server import serve_metrics, served_metrics

    if served_metrics() is not None or not port:
        return served_metrics()
    try:
        return serve_metrics(port)
    except InvalidArgumentError as error:
        if port not in _refused:
            _refused.add(port)
            warn_mildly(f"{error} The job runs nevertheless.")
        return None
