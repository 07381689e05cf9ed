"""Where things are on the console."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from geneva.console.table_api import content_path

API = "/api"
"""Where the JSON API is."""


def table_link(table: str) -> str:
    """Return where a table's page is.

    Examples
    --------
    >>> table_link("a b/c")
    '/tables/a%20b%2Fc'
    """
    return f"/tables/{quote(table, safe='')}"


def jobs_link(table: str, column: str = "") -> str:
    """Return where the jobs of a table, or of one of its columns, are listed.

    Examples
    --------
    >>> jobs_link("docs", "a&b")
    '/?table=docs&column=a%26b'
    """
    return "/?" + urlencode({"table": table, **({"column": column} if column else {})})


def content_link(table: str, address: int, column: str, version: int) -> str:
    """Return where a single value is served."""
    return API + content_path(table, address, column, version)
