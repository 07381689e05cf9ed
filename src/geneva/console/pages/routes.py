"""Which address shows which page."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from geneva.console.pages.clusters import clusters_content
from geneva.console.pages.frame import frame
from geneva.console.pages.job import job_content
from geneva.console.pages.jobs import Chosen, jobs_content
from geneva.console.pages.table import table_content
from geneva.console.pages.tables import tables_content
from geneva.console.shown import Console

# A store may be slow; until then a browser shows nothing.
_SENT_WITHIN_S = 30.0


def add_pages(console: Console) -> None:
    """Add the pages of a console to those of this process."""
    uri = console.database.uri

    @ui.page("/", response_timeout=_SENT_WITHIN_S)
    async def jobs(
        request: Request, table: str = "", column: str = "", status: str = "", text: str = ""
    ) -> None:
        with frame(request, uri, "Jobs", "Jobs"):
            await jobs_content(console.live, Chosen(table, column, status, text))

    @ui.page("/jobs/{job_id:path}", response_timeout=_SENT_WITHIN_S)
    async def job(request: Request, job_id: str) -> None:
        with frame(request, uri, f"Job {job_id}", "Jobs"):
            await job_content(console, job_id)

    @ui.page("/tables", response_timeout=_SENT_WITHIN_S)
    async def tables(request: Request) -> None:
        with frame(request, uri, "Tables", "Tables"):
            tables_content(uri)

    @ui.page("/tables/{table}", response_timeout=_SENT_WITHIN_S)
    async def table(request: Request, table: str) -> None:
        with frame(request, uri, table, "Tables"):
            table_content(uri, table)

    @ui.page("/clusters", response_timeout=_SENT_WITHIN_S)
    async def clusters(request: Request) -> None:
        with frame(request, uri, "Clusters", "Clusters"):
            await clusters_content(console.database, console.live)
