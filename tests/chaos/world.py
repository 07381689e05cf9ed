"""A table that others write to while it is backfilled, and what it must hold in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import lancedb
import pyarrow as pa
import pyarrow.compute as pc

import geneva

TABLE = "docs"


def value_of(key: int, a: int) -> int | None:
    """Return what the function computes: sometimes nothing, which is a value as well."""
    return None if a % 7 == 5 else 1000 * a + key


def rows_of(keys: range, a: int = 0) -> pa.Table:
    """Return rows as they are appended."""
    return pa.table(
        {
            "key": pa.array(keys, pa.int64()),
            "a": pa.array([(a + key) % 10 for key in keys], pa.int64()),
            "b": [f"text {key}" for key in keys],
        }
    )


def append(table: Any, number: int) -> None:
    """Append a few rows with new keys."""
    start = 1000 * (number + 1)
    table.add(rows_of(range(start, start + 5)))


def delete(table: Any, number: int) -> None:
    """Delete every fifth row."""
    table.delete(f"key % 5 = {number % 5}")


def update_input(table: Any, number: int) -> None:
    """Change an input of every third row."""
    table.update(where=f"key % 3 = {number % 3}", values_sql={"a": "a + 1"})


def update_other(table: Any, number: int) -> None:
    """Change a column that the function does not read, of every third row."""
    table.update(where=f"key % 3 = {number % 3}", values={"b": f"new {number}"})


def merge(table: Any, number: int) -> None:
    """Change the inputs of some rows, and append others, in one commit."""
    start = 1000 * (number + 1)
    rows = pa.concat_tables([rows_of(range(4, 9), 3), rows_of(range(start, start + 3))])
    table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(rows)


def replace_input(table: Any, number: int) -> list[int]:
    """Change an input of all rows of one fragment where they are; return their keys."""
    dataset = lance.dataset(table.uri)
    fragments = dataset.get_fragments()
    if not fragments:
        return []
    fragment = fragments[number % len(fragments)]
    rows = fragment.to_table(columns=["key", "a"], with_row_id=True)
    changed = pa.table({"_rowid": rows["_rowid"], "a": pc.add(rows["a"], 1)})
    made, fields = fragment.update_columns(changed, left_on="_rowid", right_on="_rowid")
    operation = lance.LanceOperation.Update(
        updated_fragments=[made], fields_modified=fields, update_mode="rewrite_columns"
    )
    lance.LanceDataset.commit(dataset, operation, read_version=dataset.version)
    keys: list[int] = rows["key"].to_pylist()
    return keys


def compact(table: Any, number: int) -> None:
    """Join fragments and forget deleted rows."""
    lance.dataset(table.to_lance().uri).optimize.compact_files(
        target_rows_per_fragment=(12, 25, 1000)[number % 3], materialize_deletions_threshold=0.0
    )


def index(table: Any, number: int) -> None:
    """Build an index."""
    table.create_scalar_index("key", replace=True)


def add_column(table: Any, number: int) -> None:
    """Add another column."""
    name = f"extra_{number}"
    if name not in table.schema.names:
        table.add_columns({name: "a + 1"})


def drop_column(table: Any, number: int) -> None:
    """Drop a column that nobody computes from."""
    extra = [name for name in table.schema.names if name.startswith("extra_")]
    if extra:
        table.drop_columns(extra[:1])


def backfill_other(table: Any, number: int) -> None:
    """Compute another column of the same table."""
    geneva.connect(Path(table.uri).parent).open_table(TABLE).backfill(
        "other", runner="inline", progress=False
    )


def backfill_same(table: Any, number: int) -> None:
    """Try to compute the column that is being computed."""
    try:
        geneva.connect(Path(table.uri).parent).open_table(TABLE).backfill(
            "out", runner="inline", progress=False
        )
    except geneva.errors.ColumnBusyError:
        return
    raise AssertionError("two jobs computed the same column at the same time")


OPERATIONS: dict[str, Callable[[Any, int], list[int] | None]] = {
    operation.__name__: operation
    for operation in (
        append, delete, update_input, update_other, merge, compact, index, add_column,
        replace_input, drop_column, backfill_other, backfill_same,
    )
}  # fmt: skip


def operate(folder: Path, name: str) -> None:
    """Do one operation as another program would, and note it."""
    log = folder / "operations"
    number = len(log.read_text().splitlines()) if log.exists() else 0
    table = lancedb.connect(folder / "db").open_table(TABLE)
    keys = OPERATIONS[name](table, number) or []
    with log.open("a") as file:
        file.write(f"{name} {number} {' '.join(map(str, keys))}\n")


def expected_inputs(folder: Path, rows: int) -> dict[int, int]:
    """Return the inputs that the table must hold after all that was noted, by key."""
    inputs = {key: key % 10 for key in range(rows)}
    log = folder / "operations"
    for line in log.read_text().splitlines() if log.exists() else ():
        name, number, *keys = line.split()
        n = int(number)
        new = range(1000 * (n + 1), 1000 * (n + 1) + (5 if name == "append" else 3))
        if name == "append":
            inputs |= {key: key % 10 for key in new}
        elif name == "delete":
            inputs = {key: a for key, a in inputs.items() if key % 5 != n % 5}
        elif name == "update_input":
            inputs |= {key: a + 1 for key, a in inputs.items() if key % 3 == n % 3}
        elif name == "replace_input":
            inputs |= {int(key): inputs[int(key)] + 1 for key in keys}
        elif name == "merge":
            inputs |= {key: (3 + key) % 10 for key in range(4, 9)}
            inputs |= {key: key % 10 for key in new}
    return inputs
