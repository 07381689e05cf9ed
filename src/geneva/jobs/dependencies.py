"""Which computed column is computed from which, and the order that follows. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from geneva.errors import InvalidArgumentError
from geneva.storage.model import ComputedColumn


def reads_of(columns: Sequence[ComputedColumn]) -> dict[str, tuple[str, ...]]:
    """Return what each computed column reads of the others, by name; groups by their columns' name.

    A group stands there under the name that its definition was asked for.
    """
    owner = {output: column.name for column in columns for output in column.output_names}
    return {
        column.name: tuple(
            dict.fromkeys(
                owner[top]
                for top in (read.split(".")[0] for read in column.input_columns)
                if top in owner
            )
        )
        for column in columns
    }


def levels(reads: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return columns in the order in which they can be computed: a level reads earlier ones only.

    Parameters
    ----------
    reads
        The columns that each column reads; those that have no entry are there already.

    Raises
    ------
    InvalidArgumentError
        A column is computed from itself; the path of the circle.

    Examples
    --------
    >>> levels({"c": ["b", "text"], "a": ["text"], "b": ["a"], "d": ["a"]})
    (('a',), ('b', 'd'), ('c',))
    >>> levels({"a": ["c"], "b": ["a"], "c": ["b"], "d": ["a"]})
    Traceback (most recent call last):
    geneva.errors.InvalidArgumentError: Column 'a' is computed from itself: a reads c, which reads \
b, which reads a. Give one of them other inputs with alter_columns(..., input_columns=[...]).
    """
    left = {name: [r for r in read if r in reads] for name, read in reads.items()}
    found: list[tuple[str, ...]] = []
    while left:
        ready = tuple(name for name, read in left.items() if not any(r in left for r in read))
        if not ready:
            raise _circle(left)
        found.append(ready)
        for name in ready:
            del left[name]
    return tuple(found)


def in_order(columns: Sequence[ComputedColumn]) -> tuple[ComputedColumn, ...]:
    """Return columns in the order in which they can be computed, without doubles.

    Columns of one group are one computation, whose name is the one that comes first.

    Raises
    ------
    InvalidArgumentError
        One is computed from itself.
    """
    distinct: dict[int, ComputedColumn] = {}
    for column in columns:
        distinct.setdefault(column.field_id, column)
    named = {column.name: column for column in distinct.values()}
    order = levels(reads_of(list(distinct.values())))
    return tuple(named[name] for level in order for name in level)


def check_acyclic(columns: Sequence[ComputedColumn], changed: str, inputs: Sequence[str]) -> None:
    """Refuse inputs for a column, computed so far or not, if it would be computed from itself.

    Raises
    ------
    InvalidArgumentError
        The path of the circle.
    """
    after = [
        replace(column, input_columns=tuple(inputs)) if changed in column.output_names else column
        for column in columns
    ]
    if not any(changed in column.output_names for column in columns):
        after.append(ComputedColumn(changed, -1, pa.null(), False, "", "", "", tuple(inputs)))
    levels(reads_of(after))


def reached(reads: Mapping[str, Sequence[str]], changed: Collection[str]) -> set[str]:
    """Return the columns that change when some do: these, and what is computed from them.

    Examples
    --------
    >>> sorted(reached({"a": [], "b": ["a"], "c": ["b"], "d": []}, ["b"]))
    ['b', 'c']
    """
    found = set(changed)
    for level in levels(reads):
        found.update(name for name in level if found.intersection(reads[name]))
    return found


def _circle(left: Mapping[str, Sequence[str]]) -> InvalidArgumentError:
    """Return the error for columns that all read one of each other."""
    # Whoever follows the readers comes by a column twice.
    path = [next(iter(left))]
    while path.count(path[-1]) == 1:
        path.append(next(read for read in left[path[-1]] if read in left))
    circle = path[path.index(path[-1]) :]
    steps = f"{circle[0]} reads " + ", which reads ".join(circle[1:])
    return InvalidArgumentError(
        f"Column {circle[0]!r} is computed from itself: {steps}. Give one of them other inputs "
        "with alter_columns(..., input_columns=[...])."
    )
