"""The page of all jobs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from nicegui import ui

from geneva.console.job_api import chosen
from geneva.console.live import LiveJobs
from geneva.console.pages.waiting import now_and_again
from geneva.jobs.job_line import JobLine, short_id
from geneva.jobs.progress_words import amount, duration, percent, speed
from geneva.jobs.record import JobStatus
from geneva.jobs.wording import counted
from geneva.storage.dataset import in_words

_LOOK_S = 0.5
_A_PAGE = 25
COLORS = {
    JobStatus.PENDING: "blue-grey-7",
    JobStatus.RUNNING: "blue-8",
    JobStatus.PAUSED: "amber-10",
    JobStatus.DONE: "green-8",
    JobStatus.FAILED: "red-8",
    JobStatus.CANCELLED: "purple-8",
}
_COLUMNS = [
    {"name": name, "label": label, "field": name, "align": align}
    for name, label, align in (
        ("job", "Job", "left"),
        ("target", "Column", "left"),
        ("status", "State", "left"),
        ("done", "Rows", "left"),
        ("speed", "Speed", "right"),
        ("took", "Took", "right"),
        ("began", "Began", "left"),
        ("by", "By", "left"),
        ("where", "Where", "left"),
    )
]
# What a browser shows of a job, in a row or, where there is no room for rows, on a card.
_LINK = '<a :href="props.row.href">{{ props.row.job }}</a>'
_STATE = (
    '<q-badge :color="props.row.color" :label="props.row.status"></q-badge>'
    '<div v-if="props.row.error" class="g-error-line">{{ props.row.error }}</div>'
)
_BAR = (
    '<q-linear-progress :value="props.row.share" :color="props.row.color" size="6px" rounded '
    'instant-feedback class="g-bar" :aria-label="props.row.percent"></q-linear-progress>'
    '<div class="g-note">{{ props.row.percent }}, {{ props.row.rows }}</div>'
)
_BEGAN = "{{ new Date(props.row.began).toLocaleString() }}"
_CELLS = {"job": _LINK, "status": _STATE, "done": _BAR, "began": _BEGAN}
_CARD = f"""
<div class="col-12 q-pa-xs"><q-card flat bordered class="q-pa-sm">
  <div class="row items-center justify-between">{_LINK}<div>{_STATE}</div></div>
  <div class="q-my-xs"><b>{{{{ props.row.target }}}}</b></div>{_BAR}
  <div class="g-note">{{{{ props.row.speed }}}} {{{{ props.row.took }}}}, {_BEGAN},
    {{{{ props.row.by }}}}, {{{{ props.row.where }}}}</div>
</q-card></div>
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which jobs are shown: of a table and column, in a state, with a text; empty ones are any."""

    table: str = ""
    column: str = ""
    status: str = ""
    text: str = ""
    page: int = 0


def as_row(line: JobLine) -> dict[str, Any]:
    """Return what a browser needs of a job.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> from geneva.jobs.progress import Progress
    >>> from geneva.jobs.record import JobRecord
    >>> now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> progress = Progress("j1", "docs", "words", rows_done=5, rows_total=20)
    >>> row = as_row(JobLine.of(JobRecord("j1", "docs", "words", JobStatus.RUNNING, now, progress)))
    >>> row["href"], row["target"], row["percent"], row["rows"]
    ('/jobs/j1', 'docs.words', '25 %', '5 of 20 rows')
    """
    return {
        "id": line.job_id,
        "job": short_id(line.job_id),
        "href": f"/jobs/{quote(line.job_id)}",
        "target": line.target,
        "status": line.status.value,
        "color": COLORS[line.status],
        "share": line.rows_done / line.rows_total if line.rows_total else 0.0,
        "percent": percent(line.rows_done, line.rows_total),
        "rows": amount(line.rows_done, line.rows_total, "row"),
        "speed": speed(line.rows_per_s) if line.rows_per_s and not line.status.ended else "",
        "took": duration(line.took_s),
        "began": line.launched_at.isoformat(),
        "by": line.launched_by,
        "where": line.where,
        "error": line.error or "",
    }


async def jobs_content(live: LiveJobs, chosen_first: Chosen) -> None:
    """Show jobs, and what becomes of them."""
    view = _JobsView(live, chosen_first)
    await now_and_again(view.refresh, view.failed, _LOOK_S)


class _JobsView:
    def __init__(self, live: LiveJobs, chosen_first: Chosen) -> None:
        self._live = live
        self._chosen = chosen_first
        ui.label("Jobs").props("role=heading aria-level=1").classes("g-title")
        with ui.row().classes("g-filters"):
            states = {"": "All states", **{one.value: one.value for one in JobStatus}}
            given = chosen_first.status if chosen_first.status in states else ""
            self._chosen = replace(chosen_first, status=given)
            ui.select(states, value=given, label="State", on_change=self._on_status).props(
                "dense outlined options-dense"
            ).classes("g-select")
            self._search = ui.input("Job, column, author or place", value=chosen_first.text)
            self._search.props('dense outlined clearable debounce=200 type="search"')
            self._search.on_value_change(self._on_text)
            if chosen_first.table:
                of = f"{chosen_first.table}.{chosen_first.column}".strip(".")
                ui.link(f"Only of {of}: show all", "/")
        self._summary = ui.label("Looking ...").props("role=status").classes("g-note")
        self._table = ui.table(rows=[], columns=_COLUMNS, row_key="id", pagination=0)
        self._table.props('flat dense wrap-cells hide-pagination :grid="window.innerWidth < 600"')
        self._table.classes("g-table")
        for name, cell in _CELLS.items():
            self._table.add_slot(f"body-cell-{name}", f'<q-td :props="props">{cell}</q-td>')
        self._table.add_slot("item", _CARD)
        self._table.add_slot("no-data", "<span>No such jobs.</span>")
        with ui.row().classes("g-pager") as self._pager:
            back = ui.button("Newer", on_click=lambda: self._turn(-1)).props("flat dense no-caps")
            self._place = ui.label().classes("g-note")
            on = ui.button("Older", on_click=lambda: self._turn(1)).props("flat dense no-caps")
        self._back, self._on = back, on

    async def _on_status(self, event: Any) -> None:
        self._chosen = replace(self._chosen, status=event.value or "", page=0)
        await self.refresh()

    async def _on_text(self, event: Any) -> None:
        self._chosen = replace(self._chosen, text=event.value or "", page=0)
        await self.refresh()

    async def _turn(self, pages: int) -> None:
        self._chosen = replace(self._chosen, page=max(0, self._chosen.page + pages))
        await self.refresh()

    def failed(self, error: Exception) -> None:
        """Say why jobs cannot be shown; those that were read before stay."""
        self._summary.set_text(f"Jobs cannot be read: {in_words(error)}")

    async def refresh(self) -> None:
        """Show jobs as they are now; what is as it was is not sent again."""
        which = self._chosen
        lines = chosen(
            await self._live.newest(), which.table, which.column, which.status, which.text
        )
        pages = max(1, -(-len(lines) // _A_PAGE))
        page = min(which.page, pages - 1)
        first = page * _A_PAGE
        rows = [as_row(line) for line in lines[first : first + _A_PAGE]]
        if rows != self._table.rows:
            self._table.rows = rows
        states = Counter(line.status for line in lines)
        said = [f"{states[one]:,} {one.value}" for one in JobStatus if states[one]]
        self._summary.set_text(f"{counted(len(lines), 'job')}: {', '.join(said)}".strip(": "))
        self._place.set_text(f"Page {page + 1} of {pages}")
        self._back.set_enabled(page > 0)
        self._on.set_enabled(page + 1 < pages)
        self._pager.set_visibility(pages > 1)
