"""Bars on a terminal."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from geneva.jobs.progress import Progress
from geneva.progress.wording import duration, speed, stage, summary, title, workers


class TerminalBars:
    """A bar for rows, a bar for fragments, and a line that says what goes on.

    What functions print appears above the bars.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            console=self._console,
        )
        self._rows = self._bars.add_task("", total=None, unit="rows")
        self._fragments = self._bars.add_task("", total=None, unit="fragments")
        self._live: Live | None = None

    def show(self, progress: Progress) -> None:
        """Update the bars; at the end, replace them by one line."""
        if progress.finished:
            self.close()
            self._console.print(Text(summary(progress)), soft_wrap=True)
            return
        if self._live is None:
            self._live = Live(console=self._console, refresh_per_second=8, transient=True)
            self._live.start()
        self._bars.update(
            self._rows,
            description=title(progress),
            completed=progress.rows_done,
            total=progress.rows_total or None,
        )
        self._bars.update(
            self._fragments,
            completed=progress.fragments_done,
            total=progress.fragments_total or None,
        )
        eta = "" if progress.eta_s is None else f", {duration(progress.eta_s)} left"
        words = f"{workers(progress)} | {speed(progress.rows_per_s)}{eta} | {stage(progress)}"
        self._live.update(Group(self._bars, Text(words, style="dim")))

    def close(self) -> None:
        """Take the bars off the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None
