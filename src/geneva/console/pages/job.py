"""The page of one job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from geneva.console.job_api import JobDetail
from geneva.console.pages.job_charts import JobCharts
from geneva.console.pages.job_facts import Facts
from geneva.console.pages.jobs import COLORS
from geneva.console.pages.links import table_link
from geneva.console.pages.waiting import FAILURES, in_thread, now_and_again
from geneva.console.shown import Console
from geneva.console.steering import Steering
from geneva.jobs.progress_words import amount, percent, status
from geneva.jobs.record import JobRecord, JobStatus
from geneva.recorded_job import RecordedJob
from geneva.storage.dataset import in_words

_LOOK_S = 0.5
_MOST_WORKERS = 100_000


async def job_content(console: Console, job_id: str) -> None:
    """Show a job while it goes on, and how it ended."""
    try:
        job = await in_thread(console.steering.job, job_id)
    except FAILURES as error:
        ui.label(in_words(error)).props("role=alert").classes("g-error")
        return
    view = _JobView(console, job)
    await now_and_again(view.refresh, view.failed, _LOOK_S)


class _JobView:
    def __init__(self, console: Console, job: RecordedJob) -> None:
        self._job = job
        self._beat: tuple[int, JobStatus] | None = None
        with ui.row().classes("g-head"):
            self._title = ui.label().props("role=heading aria-level=1").classes("g-title")
            self._state = ui.badge().props("role=status")
            self._who = ui.label().classes("g-note")
            ui.link(f"Table {job.table_name}", table_link(job.table_name))
            ui.space()
            self._buttons = _Buttons(console.steering, job.job_id, self.refresh)
        self._bar = ui.linear_progress(show_value=False, size="10px").props(
            "rounded instant-feedback"
        )
        self._line = ui.label().classes("g-numbers")
        self._explained = ui.label().classes("g-explained").props('aria-label="What limits it"')
        self._error = ui.label().props("role=alert").classes("g-error")
        self._charts = JobCharts(job)
        self._facts = Facts(console, job)

    def failed(self, error: Exception) -> None:
        """Say why the job cannot be read; what was read before stays."""
        self._line.set_text(f"The job cannot be read: {in_words(error)}")

    async def refresh(self) -> None:
        """Show the job as it is now."""
        record = await in_thread(self._job.peek)
        self._tell_progress(record)
        seen = record.beat, record.status
        if seen == self._beat:
            return
        self._beat = seen
        detail = JobDetail.of(record)
        self._tell(record, detail)
        self._facts.show(record, detail)
        await self._charts.show(record)

    def _tell_progress(self, record: JobRecord) -> None:
        now = record.progress
        self._bar.set_value(now.rows_done / now.rows_total if now.rows_total else 0.0)
        said = [
            percent(now.rows_done, now.rows_total),
            amount(now.rows_done, now.rows_total, "row"),
            f"{now.rows_committed:,} committed",
        ]
        if not record.status.ended:
            said.append(status(now))
        elif now.rows_failed:
            said.append(f"{now.rows_failed:,} failed")
        self._line.set_text(" | ".join(said))

    def _tell(self, record: JobRecord, detail: JobDetail) -> None:
        line = detail.job
        self._title.set_text(line.target)
        self._state.set_text(line.status.value)
        self._state.props(f"color={COLORS[line.status]}")
        self._bar.props(f"color={COLORS[line.status]}")
        self._who.set_text(
            f"Job {line.job_id}, by {line.launched_by}, {line.where}, "
            f"{line.launched_at:%Y-%m-%d %H:%M:%S} UTC"
        )
        self._explained.set_text(detail.explanation)
        error = str(record.error or "")
        self._error.set_text(error)
        self._error.set_visibility(bool(error))
        self._buttons.show(record)


class _Buttons:
    """Cancel, pause or resume, and how many workers."""

    def __init__(self, steering: Steering, job_id: str, refresh: Callable[[], Any]) -> None:
        self._steering = steering
        self._id = job_id
        self._refresh = refresh
        self._workers = ui.number("Workers", min=1, max=_MOST_WORKERS, precision=0)
        self._workers.props("dense outlined").classes("g-workers")
        self._set = self._button("Set", self._on_set)
        self._pause = self._button("Pause", self._on_pause)
        self._resume = self._button("Resume", self._on_resume)
        with ui.dialog() as self._sure, ui.card():
            ui.label("Cancel this job? What is computed is kept.")
            with ui.row():
                self._button("Cancel the job", self._on_cancel).props("color=negative")
                ui.button("Let it go on", on_click=self._sure.close).props("flat no-caps")
        self._cancel = self._button("Cancel", self._ask).props("color=negative")
        self._granted = 0

    @staticmethod
    def _button(text: str, on_click: Callable[[], Any]) -> ui.button:
        return ui.button(text, on_click=on_click).props("outline no-caps dense").classes("g-button")

    def show(self, record: JobRecord) -> None:
        """Offer what can be done with the job now."""
        paused, ended = record.status is JobStatus.PAUSED, record.status.ended
        for element, offered in (
            (self._workers, not ended),
            (self._set, not ended and not paused),
            (self._pause, not ended and not paused),
            (self._resume, paused),
            (self._cancel, not ended),
        ):
            element.set_visibility(offered)
        if record.concurrency != self._granted:
            self._granted = record.concurrency
            self._workers.set_value(record.concurrency or None)

    def _ask(self) -> None:
        self._sure.open()

    async def _on_cancel(self) -> None:
        self._sure.close()
        await self._steer("is asked to stop", self._steering.cancel)

    async def _on_pause(self) -> None:
        await self._steer("is asked to pause", self._steering.pause)

    async def _on_resume(self) -> None:
        wanted = self._wanted()
        ui.notify("A process is started to go on with the job.")
        await self._steer("goes on", self._steering.resume, wanted)

    async def _on_set(self) -> None:
        wanted = self._wanted()
        if wanted is None:
            ui.notify("How many workers? Expected a whole number of at least 1.", type="warning")
            return
        words = f"is asked to have at most {wanted} workers"
        await self._steer(words, self._steering.set_concurrency, wanted)

    def _wanted(self) -> int | None:
        value = self._workers.value
        return int(value) if value and value >= 1 else None

    async def _steer(self, done: str, steer: Callable[..., JobRecord], *how: Any) -> None:
        try:
            await in_thread(steer, self._id, *how)
        except FAILURES as error:
            ui.notify(in_words(error), type="negative", timeout=10_000, multi_line=True)
        else:
            ui.notify(f"The job {done}.")
        await self._refresh()
