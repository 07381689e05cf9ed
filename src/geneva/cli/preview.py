"""`geneva preview`: run a function on a few rows of a table."""

from __future__ import annotations

from typing import Any

from geneva.cli.functions import function_named
from geneva.db import connect
from geneva.errors import InvalidArgumentError
from geneva.jobs.preview import Preview
from geneva.runners.select import connect_to_ray


def preview(
    uri: str, table: str, column: str | None, udf: str | None, *, ray: bool, **arguments: Any
) -> Preview:
    """Preview a computed column, or a function that is named as ``module:name``."""
    if (column is None) == (udf is None):
        raise InvalidArgumentError("Name a computed column, or a function with --udf module:name.")
    opened = connect(uri).open_table(table)
    what = column if udf is None else function_named(udf)
    if ray:
        connect_to_ray()
    return opened.preview(what or "", **arguments)
