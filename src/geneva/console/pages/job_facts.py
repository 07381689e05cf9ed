"""What is recorded of one job, below its charts: facts, plan, metrics, events, error, output."""

from __future__ import annotations

from nicegui import ui

from geneva.console.job_api import JobDetail
from geneva.console.pages.failed_rows import FailedRowsView
from geneva.console.pages.waiting import FAILURES, in_thread
from geneva.console.shown import Console
from geneva.jobs.facts import facts_of, number
from geneva.jobs.record import JobRecord
from geneva.recorded_job import RecordedJob
from geneva.storage.dataset import in_words

_LINES_SHOWN = 500
_LINES_EVERY_S = 2.0


class Facts:
    """Shows what is recorded of a job.

    Parameters
    ----------
    console
        What pages show.
    job
        The job.
    """

    def __init__(self, console: Console, job: RecordedJob) -> None:
        self._job = job
        with ui.tabs().props("dense no-caps align=left mobile-arrows").classes("g-tabs") as tabs:
            names = ("Events", "Details", "Plan", "Metrics", "Error", "Failed rows", "Output")
            made = [ui.tab(name) for name in names]
        one, two, three, four, self._error_tab, self._failed_tab, self._output_tab = made
        with (
            ui.tab_panels(tabs, value=one, animated=False)
            .props("keep-alive")
            .classes("g-panels") as self._panels
        ):
            with ui.tab_panel(one):
                self._events = ui.element("ol").classes("g-events")
            with ui.tab_panel(two):
                self._details = _pairs()
            with ui.tab_panel(three):
                self._plan = _text()
            with ui.tab_panel(four):
                self._metrics = (
                    ui.table(
                        rows=[],
                        columns=[
                            {"name": "name", "label": "Name", "field": "name", "align": "left"},
                            {"name": "n", "label": "n", "field": "n", "align": "right"},
                            {"name": "total", "label": "of", "field": "total", "align": "right"},
                            {"name": "desc", "label": "", "field": "desc", "align": "left"},
                        ],
                        row_key="name",
                        pagination=0,
                    )
                    .props("flat dense hide-pagination")
                    .classes("g-table")
                )
            with ui.tab_panel(self._error_tab):
                self._traceback = _text()
            with ui.tab_panel(self._failed_tab):
                self._failed = FailedRowsView(console, job)
            with ui.tab_panel(self._output_tab):
                self._output = _text()
        self._tabs = tabs
        tabs.on_value_change(self._show_chosen)
        ui.timer(_LINES_EVERY_S, self._show_chosen)
        self._shown: dict[str, str] = {}
        self._told: tuple[str, ...] = ()
        self._more_printed = True

    def show(self, record: JobRecord, detail: JobDetail) -> None:
        """Show a record."""
        self._more_printed = True
        self._show_events(record.events)
        self._show_details(record)
        self._plan.set_text(detail.plan or "It is not planned yet.")
        self._metrics.rows = [
            {
                "name": one.name,
                "n": number(one.n),
                "total": "" if one.total is None else number(one.total),
                "desc": one.desc,
            }
            for one in detail.metrics
        ]
        self._failed_tab.set_visibility(record.progress.rows_failed > 0)
        error = record.error
        self._error_tab.set_visibility(error is not None)
        if error is not None:
            self._traceback.set_text(f"{error.traceback}\n{error}".strip())

    def _show_events(self, events: tuple[str, ...]) -> None:
        told = self._told
        if events[: len(told)] != told:
            # The earliest of very many are not kept.
            self._events.clear()
            told = ()
        with self._events:
            for event in events[len(told) :]:
                time, _, words = event.partition(" ")
                with ui.element("li"):
                    ui.label(time[:19].replace("T", " ")).classes("g-time").tooltip("UTC")
                    ui.label(words)
        self._told = events

    def _show_details(self, record: JobRecord) -> None:
        facts = dict(facts_of(record)) | {"digest": record.udf_digest}
        if facts == self._shown:
            return
        self._shown = facts
        self._details.clear()
        with self._details:
            for name, text in facts.items():
                with ui.element("dt"):
                    ui.label(name)
                with ui.element("dd"):
                    ui.label(text)

    async def _show_chosen(self) -> None:
        """Read what is read only where it is looked at."""
        if self._tabs.value == "Failed rows":
            await self._failed.refresh()
        elif self._tabs.value == "Output" and self._more_printed:
            self._more_printed = False
            await self._show_output()

    async def _show_output(self) -> None:
        try:
            lines = await in_thread(self._job.logs)
        except FAILURES as error:
            self._output.set_text(f"It cannot be read: {in_words(error)}")
            return
        more = len(lines) - _LINES_SHOWN
        head = [f"... {more:,} earlier lines"] if more > 0 else []
        text = "\n".join([*head, *lines[-_LINES_SHOWN:]])
        self._output.set_text(text or "The function has printed nothing.")


def _pairs() -> ui.element:
    return ui.element("dl").classes("g-pairs")


def _text() -> ui.label:
    return ui.label().classes("g-text").props('tabindex="0"')
