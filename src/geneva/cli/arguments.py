"""What several commands take, and what the shell completes it with.

Only what is cheap is completed: names in a folder of this machine. A store would be asked at every
press of the key.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer


def _database(context: typer.Context) -> Path | None:
    uri = str(context.params.get("uri") or "").removeprefix("file://")
    return None if not uri or "://" in uri else Path(uri).expanduser()


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return []


def tables_here(context: typer.Context, incomplete: str) -> list[str]:
    """Return the tables of a folder whose names begin so."""
    database = _database(context)
    found = [] if database is None else _names(database)
    names = [name.removesuffix(".lance") for name in found if name.endswith(".lance")]
    return [name for name in names if name.startswith(incomplete)]


def jobs_here(context: typer.Context, incomplete: str) -> list[str]:
    """Return the recorded jobs of a folder whose ids begin so."""
    database = _database(context)
    names = [] if database is None else _names(database / "_geneva" / "jobs")
    # Ids that cannot be a folder's name are stored under another.
    return [name for name in names if name.startswith(incomplete) and not name.startswith("=")]


def columns_here(context: typer.Context, incomplete: str) -> list[str]:
    """Return the computed columns of a folder's table whose names begin so."""
    database, table = _database(context), context.params.get("table")
    if database is None or not table or not (database / f"{table}.lance").is_dir():
        return []
    from geneva.storage.dataset import open_dataset
    from geneva.storage.definitions import computed_columns
    from geneva.storage.model import TableLocation

    try:
        dataset = open_dataset(TableLocation(str((database / f"{table}.lance").absolute())))
    except (ValueError, OSError):
        return []
    return [name for name in computed_columns(dataset) if name.startswith(incomplete)]


def _completed(complete: Callable[[typer.Context, str], list[str]], words: str) -> object:
    return typer.Argument(help=words, autocompletion=complete)


Uri = Annotated[str, typer.Argument(help="The database: a folder or an object-store URI.")]
TableName = Annotated[str, _completed(tables_here, "The table.")]
MaybeTable = Annotated[str | None, _completed(tables_here, "The table. Default: all.")]
ColumnName = Annotated[str, _completed(columns_here, "The computed column.")]
MaybeColumn = Annotated[
    str | None, _completed(columns_here, "The computed column. Default: all of the table.")
]
JobId = Annotated[str, _completed(jobs_here, "The job, or how its id begins.")]
Where = Annotated[str | None, typer.Option(help="SQL filter: only rows that match.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
