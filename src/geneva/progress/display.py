"""Choose the display that suits where the program runs."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import Protocol

from geneva.jobs.progress import Progress
from geneva.progress.json_log import JsonLines, json_wanted, set_up_log
from geneva.progress.line_timer import LineTimer


class Display(Protocol):
    """Shows progress."""

    def show(self, progress: Progress) -> None:
        """Show the newest progress; called often."""

    def close(self) -> None:
        """Leave the screen in order, also after an error."""


class Silent:
    """Shows nothing."""

    def show(self, progress: Progress) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Patient:
    """Goes on without a display when the screen is gone: the job matters more.

    Parameters
    ----------
    display
        What shows the progress as long as it can.
    """

    def __init__(self, display: Display) -> None:
        self._display = display

    def show(self, progress: Progress) -> None:
        """Show the newest progress if that is possible."""
        try:
            self._display.show(progress)
        except (OSError, ValueError):  # The terminal was closed, or the stream.
            self._display = Silent()

    def close(self) -> None:
        """Leave the screen in order if it is there."""
        with contextlib.suppress(OSError, ValueError):
            self._display.close()


class Lines:
    """Prints a line every few seconds, and one at the end.

    Parameters
    ----------
    interval_s
        Seconds between two lines.
    """

    def __init__(self, interval_s: float) -> None:
        self._timer = LineTimer(interval_s)

    def show(self, progress: Progress) -> None:
        """Print a line if it is time for one."""
        text = self._timer.due(progress)
        if text is not None:
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the display

    def close(self) -> None:
        """Do nothing; every line is complete."""


def say(text: str) -> None:
    """Say something that is no warning: to the log, where one is set up, or else on stderr."""
    # Looked up by itself: all other settings may still be changed before the first job.
    if os.environ.get("GENEVA_LOG") == "json":
        set_up_log()
    logger = logging.getLogger("geneva")
    if logger.hasHandlers() and logger.isEnabledFor(logging.INFO):
        logger.info(text)
    elif sys.stderr is not None:
        # Closed or full, it must not make a call fail that has done its work.
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - for people


def choose_display(*, wanted: bool, bars: bool, interval_s: float) -> Display:
    """Return bars for people, lines for logs, nothing if not wanted.

    Parameters
    ----------
    wanted
        The caller's ``progress=``.
    bars
        Whether bars may redraw the terminal; the prompt of a debugger has to be left alone.
    interval_s
        Seconds between two lines.
    """
    if not wanted or sys.stderr is None:
        return Silent()
    return Patient(_display(bars=bars, interval_s=interval_s))


def _display(*, bars: bool, interval_s: float) -> Display:
    if _in_notebook():
        from geneva.progress.notebook import NotebookBars

        return NotebookBars()
    # A dumb terminal, of an editor for example, cannot move its cursor.
    if bars and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from geneva.progress.bars import TerminalBars

        return TerminalBars()
    return JsonLines(interval_s) if json_wanted() else Lines(interval_s)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
