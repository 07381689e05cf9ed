"""A table whose columns can be computed by Python functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from geneva.errors import InvalidArgumentError
from geneva.jobs.dependencies import check_acyclic
from geneva.storage import schema
from geneva.storage.dataset import Dataset
from geneva.storage.definitions import computed_columns, distinct_columns
from geneva.table_backfill import TableBackfill
from geneva.table_inspection import TableInspection
from geneva.table_trial import TableTrial
from geneva.transformer.transform import function_of
from geneva.transformer.unpacked import UnpackedUDF, check_single, packed_of, unpacked_of

_KEEP_ALL = timedelta(days=100 * 365)


class Table(TableBackfill, TableTrial, TableInspection):
    """A LanceDB table with computed columns.

    Everything that a LanceDB table does, this one does too: ``search``, ``add``, ``update``,
    ``delete``, ``merge_insert``, ``to_arrow``, ``create_index``, ``optimize`` and the rest. Made by
    :meth:`Connection.create_table` and :meth:`Connection.open_table`.
    """

    def add_columns(self, transforms: Any, **kwargs: Any) -> None:
        """Add columns.

        Parameters
        ----------
        transforms : dict, UDF, UnpackedUDF, or what LanceDB takes
            By name of the new column: a UDF; a pair ``(udf, input_columns)``; or an SQL expression,
            which is computed at once. Columns of functions are NULL until :meth:`backfill`. In
            place of the dict, a function that returns :class:`Columns`, an :class:`UnpackedUDF`, or
            a pair of one and its input columns: it names its columns itself.
        **kwargs
            Passed on to LanceDB.

        Raises
        ------
        ColumnNotFoundError
            A function reads a column that the table does not have.
        InputTypeError
            A column cannot be given to the parameter that it is bound to.
        InvalidArgumentError
            A column of that name exists, or a function that fills several stands under one name.
        UnpicklableFunctionError
            A function captures an object that cannot be sent to workers.
        """
        if not isinstance(transforms, Mapping):
            unpacked, given = unpacked_of(transforms)
            if unpacked is None:
                self._lancedb().add_columns(transforms, **kwargs)
            else:
                self._add_group(unpacked, given)
            return
        functions, others = {}, {}
        dataset = self._dataset()
        for name, transform in transforms.items():
            check_single(name, transform)
            function, given = function_of(name, transform)
            if function is None:
                others[name] = transform
            else:
                inputs = schema.resolve_inputs(dataset, self.name, name, function, given)
                functions[name] = (function, inputs)
        if functions:
            schema.declare_columns(dataset, self._location, functions)
            self._follow()
        if others:
            self._lancedb().add_columns(others, **kwargs)

    def alter_columns(self, *alterations: dict[str, Any], **kwargs: Any) -> None:
        """Change columns.

        What is different about a new function is said in a line on stderr, or logged by the logger
        ``geneva`` at INFO where that is set up. :meth:`changes` says it before.

        Parameters
        ----------
        *alterations : dict
            ``{"path": column, "udf": new_function}``, optionally with ``"input_columns"``, gives a
            column another function: its values stay until the next :meth:`backfill`, which computes
            them again. Of columns that one function fills, each stands for all. Everything else
            (``rename``, ``nullable``, ``data_type``) is LanceDB's.
        **kwargs
            Passed on to LanceDB.

        Raises
        ------
        InvalidArgumentError
            The function returns another type than the column has, or a computed column is to
            change its type.
        """
        dataset = self._dataset()
        for alteration in alterations:
            if "path" not in alteration:
                raise InvalidArgumentError(f"{alteration!r} has no 'path', the column to change.")
            column = alteration["path"]
            schema.check_column(dataset, self.name, column.split(".")[0])
            if "udf" in alteration:
                self._repoint(dataset, alteration)
                continue
            schema.check_alteration(dataset, self.name, alteration)
            self._lancedb().alter_columns(alteration, **kwargs)
            if "rename" in alteration:
                dataset = self._dataset()
                schema.rename_inputs(dataset, column, alteration["rename"])
        self._follow()

    def drop_columns(self, columns: Sequence[str]) -> None:
        """Drop columns.

        Raises
        ------
        ColumnNotFoundError
            A column does not exist.
        InvalidArgumentError
            A computed column that stays reads one of them, or is computed together with one.
        """
        names = [columns] if isinstance(columns, str) else list(columns)
        dataset = self._dataset()
        for name in names:
            schema.check_column(dataset, self.name, name.split(".")[0])
        schema.check_droppable(dataset, self.name, names)
        self._lancedb().drop_columns(names)

    def optimize(self, *, cleanup_older_than: timedelta | None = None, **kwargs: Any) -> None:
        """Compact small fragments, remove old versions and update indices, as LanceDB does.

        A compaction makes nothing stale: what is known of the rows is followed into the new
        fragments, and noted before the versions that tell it are removed.

        Parameters
        ----------
        cleanup_older_than
            Age of the versions to remove. Default: LanceDB's, 7 days.
        **kwargs
            Passed on to LanceDB.
        """
        self._follow()  # Otherwise what others compacted meanwhile is in its way.
        if computed_columns(self._dataset()):
            from geneva.storage.snapshot import note_lineage

            self._lancedb().optimize(cleanup_older_than=_KEEP_ALL, **kwargs)
            note_lineage(self._dataset(), self._location)
        self._lancedb().optimize(cleanup_older_than=cleanup_older_than, **kwargs)

    def _add_group(self, unpacked: UnpackedUDF, given: Sequence[str] | None) -> None:
        dataset = self._dataset()
        name = unpacked.fields[0].output_column
        inputs = schema.resolve_inputs(dataset, self.name, name, unpacked.udf, given)
        schema.declare_group(dataset, self._location, unpacked, inputs)
        self._follow()

    def _repoint(self, dataset: Dataset, alteration: dict[str, Any]) -> None:
        name = alteration["path"]
        function, given = packed_of(name, alteration["udf"])
        if function is None:
            raise InvalidArgumentError(
                f"{alteration['udf']!r} is not a function decorated with @udf."
            )
        given = alteration.get("input_columns", given)
        inputs = schema.resolve_inputs(dataset, self.name, name, function, given)
        check_acyclic(distinct_columns(dataset), name, inputs)
        changes = schema.repoint_column(dataset, self._location, name, function, inputs)
        if changes is not None:
            from geneva.progress.display import say

            say(str(changes))
