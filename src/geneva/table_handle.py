"""What all methods of a table begin with: where it is, its dataset, and LanceDB's own object."""

from __future__ import annotations

import contextlib
from typing import Any

from geneva.errors import InvalidArgumentError
from geneva.storage import schema
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.definitions import computed_column, with_function
from geneva.storage.files import TableFiles
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.storage.overrides import note_override
from geneva.storage.packed_functions import pack_function, store_function
from geneva.transformer.udf import UDF
from geneva.transformer.unpacked import UnpackedUDF, packed_of, unpacked_type


class TableHandle:
    """A table's place, and LanceDB's table there, to which goes what is not defined here."""

    def __init__(self, connection: Any, location: TableLocation, opened: Any = None) -> None:
        self._connection = connection
        self._location = location
        self._opened = opened

    @property
    def name(self) -> str:
        """Name of the table."""
        return self._location.name

    @property
    def uri(self) -> str:
        """Path or URI of the table."""
        return self._location.uri

    # Not a property: an AttributeError inside one would be looked up in LanceDB again.
    def _lancedb(self) -> Any:
        """LanceDB's table. LanceDB takes over a second to load, so it is opened when needed."""
        if self._opened is None:
            self._opened = self._connection.open_lancedb_table(self.name)
        return self._opened

    def __getattr__(self, attribute: str) -> Any:
        # A notebook asks for many that LanceDB need not be loaded for.
        if attribute.startswith(("__", "_repr_", "_ipython_")):
            raise AttributeError(attribute)
        return getattr(self._lancedb(), attribute)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._lancedb())})

    def __len__(self) -> int:
        return int(self._lancedb().count_rows())

    def __repr__(self) -> str:
        return f"Table({self.name!r}, uri={self.uri!r})"

    def _dataset(self) -> Dataset:
        return open_dataset(self._location)

    def _follow(self) -> None:
        """Let LanceDB's handle see what was committed beside it."""
        if self._opened is not None:
            # If the table was dropped meanwhile, whoever uses the handle next will learn it.
            with contextlib.suppress(RuntimeError, ValueError, OSError):
                self._opened.checkout_latest()

    def _computed(
        self, dataset: Dataset, name: str, udf: UDF | UnpackedUDF | None
    ) -> ComputedColumn:
        schema.check_column(dataset, self.name, name)
        column = computed_column(dataset, name)
        if udf is None:
            return column
        function, given = packed_of(name, udf)
        if function is None:
            raise InvalidArgumentError(f"udf={udf!r}; expected a function decorated with @udf.")
        inputs = schema.resolve_inputs(dataset, self.name, name, function, given)
        self._check_type(column, function)
        packed = pack_function(function)
        files = TableFiles(self._location)
        store_function(files, packed)
        column = with_function(column, function, inputs, packed.path)
        note_override(files, column)
        return column

    def _check_type(self, column: ComputedColumn, function: UDF) -> None:
        returned = unpacked_type(function) if column.is_group else function.data_type
        if returned != column.data_type:
            raise InvalidArgumentError(
                f"{function.name} returns {function.data_type}, but column {column.name!r} of "
                f"{self.name!r} is {column.data_type}."
            )
