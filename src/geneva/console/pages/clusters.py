"""The page of clusters: those that are defined, and where jobs ran."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

from nicegui import ui

from geneva.console.clusters import clusters_of
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
    used = _table({"where": "Where", "running": "Not ended", "ended": "Ended"}, [])
    used.add_slot(
        "body-cell-where",
        '<q-td :props="props"><a :href="props.row.href">{{ props.row.where }}</a></q-td>',
    )

    async def refresh() -> None:
        lines = await live.newest()
        said.set_text("" if lines else "No job is recorded.")
        counts = Counter((line.where, line.status.ended) for line in lines)
        places = sorted({place for place, _ in counts})
        used.rows = [
            {
                "where": place,
                "running": counts[place, False],
                "ended": counts[place, True],
                "href": f"/?text={quote(place)}",
            }
            for place in places
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
