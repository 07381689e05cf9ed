"""`geneva backfill`: compute columns, here or on a cluster."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import attrs

from geneva.cli.functions import attach, function_named
from geneva.db import connect
from geneva.errors import InvalidArgumentError
from geneva.jobs.result import BackfillJobResult
from geneva.runners.select import chosen_runner, connect_to_ray
from geneva.table import Table


def backfill(
    uri: str,
    table: str,
    columns: Sequence[str],
    udf: str | None,
    inputs: Sequence[str],
    *,
    metrics_port: int | None,
    **arguments: Any,
) -> BackfillJobResult:
    """Attach a function if one is named, and compute columns.

    What functions print goes to stderr: stdout is the command's answer.
    """
    if metrics_port is not None:
        from geneva.progress.metrics_server import serve_metrics

        serve_metrics(metrics_port)
    with contextlib.redirect_stdout(sys.stderr):
        opened, wanted = _prepared(uri, table, columns, udf, inputs)
        return opened.backfill(wanted or None, **arguments)


def begin(
    uri: str,
    table: str,
    columns: Sequence[str],
    udf: str | None,
    inputs: Sequence[str],
    **arguments: Any,
) -> str:
    """Begin the same on a cluster and return the job's id.

    Raises
    ------
    InvalidArgumentError
        No cluster is known: the job would end with the command.
    """
    if chosen_runner(arguments.get("runner")) != "ray":
        raise InvalidArgumentError(
            "--background needs a cluster: without one, the workers end with the command. Set "
            "RAY_ADDRESS, or let the shell run the command in the background."
        )
    connect_to_ray()
    with contextlib.redirect_stdout(sys.stderr):
        opened, wanted = _prepared(uri, table, columns, udf, inputs)
        return opened.backfill_async(wanted or None, **arguments).job_id


def _prepared(
    uri: str, table: str, columns: Sequence[str], udf: str | None, inputs: Sequence[str]
) -> tuple[Table, list[str]]:
    if inputs and udf is None:
        raise InvalidArgumentError("--input says what the function of --udf reads; name that too.")
    function = None if udf is None else function_named(udf)
    opened = connect(uri).open_table(table)
    if function is None:
        return opened, list(columns)
    return opened, attach(opened, columns, function, inputs)


def most_errors(given: str | None) -> float | None:
    """Read what may fail: a whole number of rows, or a share of them.

    Examples
    --------
    >>> most_errors("10"), most_errors("0.01"), most_errors("5%"), most_errors(None)
    (10, 0.01, 0.05, None)

    Raises
    ------
    InvalidArgumentError
        It is neither.
    """
    if given is None:
        return None
    number, percent, _ = given.partition("%")
    try:
        return float(number) / 100 if percent else int(number)
    except ValueError:
        pass
    try:
        return float(given)
    except ValueError:
        raise InvalidArgumentError(
            f"--max-errors {given}: expected a number of rows, such as 10, or a share of them, "
            "such as 0.01 or 1%."
        ) from None


def as_json(result: BackfillJobResult) -> str:
    """Return a result as JSON."""
    return json.dumps(attrs.asdict(result), indent=2, default=lambda time: time.isoformat())
