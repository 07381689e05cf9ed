"""Functions that a command names as ``module:name``, and the columns that they fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geneva.checkup.function import load_function
from geneva.errors import ColumnNotFoundError, GenevaError, InvalidArgumentError
from geneva.storage.dataset import open_dataset
from geneva.storage.definitions import check_computed
from geneva.storage.model import TableLocation
from geneva.table import Table
from geneva.transformer.udf import UDF
from geneva.transformer.unpacked import unpacked_of


def function_named(named: str) -> UDF:
    """Import a function.

    Raises
    ------
    InvalidArgumentError
        There is none of that name, or its module cannot be imported.
    """
    try:
        return load_function(named)
    except GenevaError:
        raise
    except Exception as error:
        module = named.partition(":")[0]
        raise InvalidArgumentError(
            f"--udf {named}: the module {module!r} cannot be imported: "
            f"{type(error).__name__}: {error}. The current folder is searched first."
        ) from error


def attach(table: Table, columns: Sequence[str], function: UDF, inputs: Sequence[str]) -> list[str]:
    """Let columns be computed by a function, and return their names.

    Columns that are not there are added. Columns that another function computes are given this one,
    as :meth:`Table.alter_columns` does, and it is said what changed. Ordinary columns are refused.

    Parameters
    ----------
    table, columns
        Where, and how they are named. A function that fills several columns names them itself.
    function, inputs
        The function, and what it reads; its parameters' names if that is empty.

    Raises
    ------
    InvalidArgumentError
        The function fills other columns, or more than one is named for one that fills one.
    NotComputedError
        A column is there and holds data of its own.
    """
    given: Any = (function, list(inputs)) if inputs else function
    together = function.is_multi_output
    names = _names_of(columns, function)
    dataset = open_dataset(TableLocation(table.uri))
    there = [name for name in names if name in dataset.schema.names]
    if not there:
        table.add_columns(given if together else {names[0]: given})
    elif there != names:
        absent = ", ".join(name for name in names if name not in there)
        raise ColumnNotFoundError(
            f"{function.name} fills {', '.join(names)}; table {table.name!r} has "
            f"{', '.join(there)}, but not {absent}. Drop what is there, or rename the fields."
        )
    else:
        for name in names:
            check_computed(dataset, name)
        if table.changes(names[0], udf=given):
            table.alter_columns({"path": names[0], "udf": given})
    return names


def _names_of(columns: Sequence[str], function: UDF) -> list[str]:
    if not function.is_multi_output:
        if len(columns) != 1:
            raise InvalidArgumentError(
                f"{function.name} fills one column; name the one it is to fill. "
                f"Named were: {', '.join(columns) or 'none'}."
            )
        return list(columns)
    unpacked, _ = unpacked_of(function)
    names = [] if unpacked is None else [field.output_column for field in unpacked.fields]
    others = [column for column in columns if column not in names]
    if others:
        raise InvalidArgumentError(
            f"{function.name} fills {', '.join(names)}, and not {', '.join(others)}. Leave the "
            "columns out: they have the names of its fields."
        )
    return names
