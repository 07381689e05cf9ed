"""Show the columns of a job one after the other, each with a display of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from geneva.jobs.progress import Progress
from geneva.progress.display import Display


class InTurn:
    """A display that begins anew with each column.

    Parameters
    ----------
    make
        Makes the display of a column.
    """

    def __init__(self, make: Callable[[], Display]) -> None:
        self._make = make
        self._column = ""
        self._done = False
        self._display = make()

    def show(self, progress: Progress) -> None:
        """Show the newest progress."""
        if self._column not in ("", progress.column_name):
            self._display.close()
            self._display, self._done = self._make(), False
        self._column = progress.column_name
        if self._done:
            return  # The job has ended as well.
        # The end of a column is shown as one, although the job may go on with the next.
        self._done = progress.stage == "done"
        self._display.show(replace(progress, finished=True) if self._done else progress)

    def close(self) -> None:
        """Leave the screen in order."""
        self._display.close()
