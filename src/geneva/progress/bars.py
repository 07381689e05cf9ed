"""Bars on a terminal."""

from __future__ import annotations

import sys
import threading

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from geneva.jobs.progress import Progress
from geneva.jobs.progress_words import amount, percent, status, summary, title

# A job that is done by then shows no bars, only its last line.
_QUIET_S = 0.3
_BAR_COLUMNS = 24
_REFRESHES_PER_S = 8


class Screen:
    """The lower end of the terminal, where the bars of all running jobs are.

    What functions and the program print meanwhile appears above it, in whole lines.

    Parameters
    ----------
    console
        Where to draw. Default: the error output.
    """

    def __init__(self, console: Console | None = None) -> None:
        # Texts of users are neither markup nor emoji, and the terminal wraps long lines itself.
        self._console = console or Console(
            stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True
        )
        self._lock = threading.Lock()
        self._jobs: dict[int, RenderableType] = {}
        self._live: Live | None = None

    def draw(self, job: int, picture: RenderableType) -> None:
        """Show or update the picture of a job."""
        with self._lock:
            self._jobs[job] = picture
            if self._live is None:
                self._live = Live(
                    get_renderable=self._picture,
                    console=self._console,
                    refresh_per_second=_REFRESHES_PER_S,
                    transient=True,
                    # What goes into a file or a pipe stays on its way there.
                    redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
                )
                self._live.start(refresh=True)

    def remove(self, job: int, last_words: str = "") -> None:
        """Take the picture of a job off the screen, and print its last words."""
        with self._lock:
            self._jobs.pop(job, None)
            if self._live is not None and self._jobs:
                self._live.refresh()
            elif self._live is not None:
                self._live.stop()
                self._live = None
            if last_words:
                self._console.print(Text(last_words))

    def _picture(self) -> RenderableType:
        return Group(*list(self._jobs.values()))


class TerminalBars:
    """A bar for the rows of a job, one for its fragments, and a line that says what goes on.

    Parameters
    ----------
    screen
        Where the bars are. Default: the one screen that the jobs of this process share.
    """

    def __init__(self, screen: Screen | None = None) -> None:
        self._screen = screen or _shared_screen()
        self._lock = threading.Lock()
        self._newest: Progress | None = None
        self._open = self._closed = False
        self._timer = threading.Timer(_QUIET_S, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def show(self, progress: Progress) -> None:
        """Update the bars; at the end, replace them by one line."""
        with self._lock:
            if self._closed:
                return
            self._newest = progress
            if progress.finished:
                self._close(summary(progress))
            elif self._open:
                self._screen.draw(id(self), picture(progress))

    def close(self) -> None:
        """Take the bars off the screen."""
        with self._lock:
            if not self._closed:
                self._close("")

    def _begin(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._open = True
            if self._newest is not None:
                self._screen.draw(id(self), picture(self._newest))

    def _close(self, last_words: str) -> None:
        self._closed = True
        self._timer.cancel()
        self._screen.remove(id(self), last_words)


def picture(progress: Progress) -> RenderableType:
    """Draw a job's progress."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=32)
    grid.add_column(width=_BAR_COLUMNS)
    grid.add_column(no_wrap=True, justify="right", width=5)
    grid.add_column(no_wrap=True)
    counts = (
        (title(progress), progress.rows_done, progress.rows_total, "row"),
        ("", progress.fragments_done, progress.fragments_total, "fragment"),
    )
    for name, done, total, noun in counts:
        bar = ProgressBar(total or 1, min(done, total), _BAR_COLUMNS, complete_style="cyan")
        grid.add_row(Text(name), bar, percent(done, total), amount(done, total, noun))
    return Group(grid, Text(status(progress), style="dim", no_wrap=True, overflow="ellipsis"))


_screen: Screen | None = None
_screen_lock = threading.Lock()


def _shared_screen() -> Screen:
    global _screen
    with _screen_lock:
        _screen = _screen or Screen()
        return _screen
