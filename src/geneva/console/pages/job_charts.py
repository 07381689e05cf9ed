"""The charts of one job: its workers, its speed, and where time went."""

from __future__ import annotations

import time

from nicegui import ui

from geneva.console import charts
from geneva.console.pages.waiting import in_thread
from geneva.jobs.history import JobHistory
from geneva.jobs.record import JobRecord
from geneva.recorded_job import RecordedJob

# A history is written that often.
_READ_EVERY_S = 2.0
_SHORT = "No history of its workers is recorded: a job of less than about two seconds has none."


class JobCharts:
    """Draws a job's history.

    Parameters
    ----------
    job
        The job.
    """

    def __init__(self, job: RecordedJob) -> None:
        self._job = job
        self._read_s = float("-inf")
        self._drawn: JobHistory | None = None
        empty = JobHistory()
        self._area = ui.element("div").classes("g-charts")
        with self._area:
            self._workers = _chart("Workers", charts.timeline(empty), wide=True)
            self._speed = _chart("Throughput", charts.throughput(empty))
            self._stages = _chart("Stage times", charts.stage_times(empty))
        self._said = ui.label().classes("g-note")

    async def show(self, record: JobRecord) -> None:
        """Draw what is recorded by now."""
        if not record.status.ended and time.monotonic() - self._read_s < _READ_EVERY_S:
            return
        self._read_s = time.monotonic()
        history = await in_thread(self._job.history)
        if history == self._drawn:
            return
        self._drawn = history
        self._workers.style(f"height: {charts.timeline_height_px(history)}px")
        for chart, options in (
            (self._workers, charts.timeline(history)),
            (self._speed, charts.throughput(history)),
            (self._stages, charts.stage_times(history)),
        ):
            chart.options.clear()
            chart.options.update(options)
            chart.update()
        short = not history.workers
        self._area.set_visibility(not short)
        dropped = history.workers_dropped
        words = f"{dropped:,} earlier workers are not drawn." if dropped else ""
        self._said.set_text(_SHORT if short else words)


def _chart(title: str, options: charts.Options, *, wide: bool = False) -> ui.echart:
    with ui.element("section").classes("g-chart g-wide" if wide else "g-chart"):
        ui.label(title).props("role=heading aria-level=2").classes("g-subtitle")
        return ui.echart(options).props(f'role=img aria-label="{title}"')
