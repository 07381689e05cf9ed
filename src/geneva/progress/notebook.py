"""A bar in a notebook cell, updated in place."""

from __future__ import annotations

import html
import time
from typing import Any

from IPython.display import HTML, display

from geneva.jobs.progress import Progress
from geneva.jobs.progress_words import amount, percent, status, summary, title

_REFRESH_S = 0.25


class NotebookBars:
    """One display per job, which needs nothing but IPython."""

    def __init__(self) -> None:
        self._handle: Any = None
        # A job that is done within this time shows no bar, only its last line.
        self._shown_s = time.monotonic()

    def show(self, progress: Progress) -> None:
        """Update the cell's output, a few times per second."""
        now_s = time.monotonic()
        if not progress.finished and now_s - self._shown_s < _REFRESH_S:
            return
        self._shown_s = now_s
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
    done, total = progress.rows_done, progress.rows_total
    fragments = amount(progress.fragments_done, progress.fragments_total, "fragment")
    words = f"{amount(done, total, 'row')}, {fragments} | {status(progress)}"
    return (
        f"<div><b>{html.escape(title(progress))}</b> "
        f"<progress value='{done}' max='{total or 1}'></progress> "
        f"{percent(done, total)} <small>{html.escape(words)}</small></div>"
    )
