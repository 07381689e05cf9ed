"""The JSON API of tables: what they hold, pages of rows, and single values.

Routes are plain functions, which run in threads: reading waits for disks and object stores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Response

from geneva.console.answers import ERRORS, ErrorAnswer, SaysErrors
from geneva.console.content import Content, part_of, read_content
from geneva.console.rows import MOST_ROWS, RowsPage, read_rows
from geneva.errors import (
    InvalidArgumentError,
)
from geneva.overview import ColumnLine, TableLine, columns_of, location_of, table_of, tables_of

_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class TableList:
    """The tables of a database, sorted by name."""

    tables: list[TableLine]


@dataclass(frozen=True, slots=True)
class ColumnList:
    """The columns of a table, in its order."""

    columns: list[ColumnLine]


def content_path(table: str, address: int, column: str, version: int) -> str:
    """Return where a value is served, below the API's own place.

    Examples
    --------
    >>> content_path("docs", 3, "a/b c", 7)
    '/tables/docs/rows/3/a%2Fb%20c/content?version=7'
    """
    names = quote(table, safe=""), quote(column, safe="")
    return f"/tables/{names[0]}/rows/{address}/{names[1]}/content?version={version}"


def tables_router(uri: str) -> APIRouter:
    """Return the routes that say what is in the tables of a database.

    Parameters
    ----------
    uri
        The database.
    """
    router = APIRouter(route_class=SaysErrors, tags=["tables"], responses=ERRORS)

    @router.get("/tables", summary="The tables of the database")
    def tables() -> TableList:
        return TableList(tables_of(uri))

    @router.get("/tables/{table}", summary="A table in short")
    def table(table: str) -> TableLine:
        return table_of(uri, table)

    @router.get("/tables/{table}/columns", summary="A table's columns, with the state of each")
    def columns(table: str) -> ColumnList:
        location_of(uri, table)
        return ColumnList(columns_of(uri, table))

    @router.get("/tables/{table}/rows", summary="A page of rows")
    def rows(
        table: str,
        offset: Annotated[int, Query(ge=0, le=_LARGEST, description="The first row.")] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS, description="How many rows.")] = 20,
        columns: Annotated[list[str] | None, Query(description="Columns; default: all.")] = None,
        version: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None,
    ) -> RowsPage:
        return read_rows(uri, table, offset=offset, limit=limit, columns=columns, version=version)

    @router.get(
        "/tables/{table}/rows/{address}/{column:path}/content",
        summary="A binary value or a text in full",
        response_class=Response,
        responses={413: {"model": ErrorAnswer}, 206: {"description": "The range asked for."}},
    )
    def content(
        table: str,
        address: int,
        column: str,
        version: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None,
        asked: Annotated[str | None, Header(alias="Range")] = None,
    ) -> Response:
        if not 0 <= address <= _LARGEST:
            raise InvalidArgumentError(f"address: expected a row address, found {address}")
        found = read_content(uri, table, address, column, version)
        return _answer(found, asked, pinned=version is not None)

    return router


def _answer(found: Content, asked: str | None, *, pinned: bool) -> Response:
    headers = {
        # A value is somebody's data: it is never run, never framed, never guessed at.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'; img-src 'self'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Disposition": "inline" if found.is_shown else "attachment",
        "Accept-Ranges": "bytes",
        # What a version holds at an address never changes.
        "Cache-Control": "private, max-age=86400, immutable" if pinned else "no-cache",
    }
    part = part_of(asked, len(found.data))
    if part is None:
        return Response(found.data, 200, headers, found.content_type)
    first, last = part
    headers["Content-Range"] = f"bytes {first}-{last}/{len(found.data)}"
    return Response(found.data[first : last + 1], 206, headers, found.content_type)
