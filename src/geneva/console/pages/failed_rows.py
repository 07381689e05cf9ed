"""The rows that failed in a job, below its charts."""

from __future__ import annotations

from nicegui import ui

from geneva.console.failed_rows import FailedRow, FailedRows, failed_rows_of
from geneva.console.pages.waiting import FAILURES, in_thread
from geneva.console.shown import Console
from geneva.recorded_job import RecordedJob
from geneva.storage.dataset import in_words

_SHOWN = 100


class FailedRowsView:
    """Shows the first rows that failed, each with its traceback.

    Parameters
    ----------
    console
        What pages show.
    job
        The job.
    """

    def __init__(self, console: Console, job: RecordedJob) -> None:
        self._console = console
        self._job = job
        self._shown: FailedRows | None = None
        self._said = ui.label("Reading ...").classes("g-note")
        self._list = ui.column().classes("g-failed")

    async def refresh(self) -> None:
        """Show what has failed by now; rows that have a value since are gone."""
        try:
            found = await in_thread(
                failed_rows_of,
                self._console.database,
                self._job.table_name,
                self._job.job_id,
                _SHOWN,
            )
        except FAILURES as error:
            self._said.set_text(f"They cannot be read: {in_words(error)}")
            return
        if found == self._shown:
            return
        self._shown = found
        more = found.total - len(found.rows)
        text = f"{found.total:,} rows failed and have no value since"
        self._said.set_text(text + (f"; the first {len(found.rows)} of them:" if more else ":"))
        self._list.clear()
        with self._list:
            for row in found.rows:
                _show(row)


def _show(row: FailedRow) -> None:
    which = f"fragment {row.fragment_id}" if row.row_id is None else f"row {row.row_id}"
    head = f"{row.column}, {which}: {row.error_type}: {row.error_message}"
    with ui.expansion(head).props("dense").classes("g-expansion"):
        ui.label(f"inputs: {row.inputs}\nattempt {row.attempt}\n{row.error_trace}").classes(
            "g-text"
        )
