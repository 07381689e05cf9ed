"""A bar in a notebook cell, updated in place."""

from __future__ import annotations

import html
import time
from typing import Any

from IPython.display import HTML, display

from geneva.jobs.progress import Progress
from geneva.progress.wording import duration, speed, stage, summary, title, workers

_REFRESH_S = 0.25


class NotebookBars:
    """One display per job, which needs nothing but IPython."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown_s = 0.0

    def show(self, progress: Progress) -> None:
        """Update the cell's output, a few times per second."""
        now = time.monotonic()
        if not progress.finished and now - self._shown_s < _REFRESH_S:
            return
        self._shown_s = now
        content = HTML(rendered(progress))
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)

    def close(self) -> None:
        """Leave the last state in the cell."""


def rendered(progress: Progress) -> str:
    """Return the HTML of a job's progress.

    Examples
    --------
    >>> "max='10'" in rendered(Progress("j", "docs", "n", rows_done=5, rows_total=10))
    True
    """
    if progress.finished:
        return f"<div>{html.escape(summary(progress))}</div>"
    eta = "" if progress.eta_s is None else f", {duration(progress.eta_s)} left"
    words = (
        f"{progress.rows_done:,} of {progress.rows_total:,} rows, "
        f"{progress.fragments_done:,} of {progress.fragments_total:,} fragments | "
        f"{workers(progress)} | {speed(progress.rows_per_s)}{eta} | {stage(progress)}"
    )
    return (
        f"<div><b>{html.escape(title(progress))}</b> "
        f"<progress value='{progress.rows_done}' max='{progress.rows_total or 1}'></progress> "
        f"<small>{html.escape(words)}</small></div>"
    )
