"""The page of clusters: those that are defined, and where jobs ran."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import quote

from nicegui import ui

from geneva.console.clusters import clusters_of, places_of
from geneva.console.live import LiveJobs
from geneva.console.pages.waiting import FAILURES, in_thread, now_and_again
from geneva.storage.dataset import in_words
from geneva.storage.model import TableLocation

_LOOK_S = 2.0


async def clusters_content(database: TableLocation, live: LiveJobs) -> None:
    """Show the clusters of a database."""
    ui.label("Clusters").props("role=heading aria-level=1").classes("g-title")
    try:
        defined = await in_thread(clusters_of, database)
    except FAILURES as error:
        ui.label(in_words(error)).props("role=alert").classes("g-error")
        return
    if not defined:
        ui.label(
            "No cluster is defined here. Backfills run on this machine, in db.local_ray_context(), "
            "or on the cluster that RAY_ADDRESS names; db.define_cluster() defines one."
        )
    rows = [
        {
            "name": one.name,
            "kind": one.kind,
            "address": one.address or "this machine",
            "defined": f"{one.created_at:%Y-%m-%d %H:%M} UTC, by {one.created_by}",
        }
        for one in defined
    ]
    if rows:
        _table({"name": "Name", "kind": "Kind", "address": "Address", "defined": "Defined"}, rows)
    ui.label("Where jobs run").props("role=heading aria-level=2").classes("g-subtitle")
    said = ui.label().classes("g-note")
    used = _table(
        {"place": "Where", "going": "Not ended", "workers": "Workers at work", "ended": "Ended"}, []
    )
    used.add_slot(
        "body-cell-place",
        '<q-td :props="props"><a :href="props.row.href">{{ props.row.place }}</a></q-td>',
    )

    async def refresh() -> None:
        lines = await live.newest()
        said.set_text("" if lines else "No job is recorded.")
        used.rows = [
            asdict(one) | {"href": f"/?text={quote(one.place)}"} for one in places_of(lines)
        ]

    def failed(error: Exception) -> None:
        said.set_text(f"Jobs cannot be read: {in_words(error)}")

    await now_and_again(refresh, failed, _LOOK_S)


def _table(labels: dict[str, str], rows: list[dict[str, str]]) -> ui.table:
    columns = [
        {"name": name, "label": label, "field": name, "align": "left"}
        for name, label in labels.items()
    ]
    table = ui.table(rows=rows, columns=columns, row_key=next(iter(labels)), pagination=0)
    return table.props("flat dense wrap-cells hide-pagination").classes("g-table")
