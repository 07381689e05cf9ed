"""Connect to a database: a folder, or a prefix in an object store, with Lance tables."""

from __future__ import annotations

import os
from abc import ABCMeta
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from geneva.config import checkpoint_uri
from geneva.db_clusters import DatabaseClusters
from geneva.db_jobs import DatabaseJobs
from geneva.errors import InvalidArgumentError, TableNotFoundError
from geneva.storage.dataset import open_dataset
from geneva.storage.files import PARTS_FOLDER, TableFiles
from geneva.storage.model import TableLocation
from geneva.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

_STABLE_ROW_IDS = {"new_table_enable_stable_row_ids": "true"}


class Connection(DatabaseClusters, DatabaseJobs):
    """A connection to a LanceDB database whose tables can have computed columns.

    Everything that a LanceDB connection does, this one does too. Made by :func:`connect`; works as
    a context manager.
    """

    # Not a property: an AttributeError inside one would be looked up in LanceDB again.
    def _lancedb(self) -> Any:
        """LanceDB's connection, opened when it is needed: LanceDB takes over a second to load."""
        if self._opened is None:
            import lancedb

            _register(lancedb.table.Table, Table)
            _register(lancedb.DBConnection, Connection)
            self._opened = lancedb.connect(
                self._uri, storage_options=self._storage_options or None, **self._options
            )
        return self._opened

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(self._lancedb(), attribute)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Connection({self._uri!r})"

    def close(self) -> None:
        """Let go of LanceDB's connection; the object can still be used."""
        self._opened = None

    def create_table(
        self,
        name: str,
        data: Any = None,
        schema: Any = None,
        mode: str = "create",
        exist_ok: bool = False,
        on_bad_vectors: str = "error",
        fill_value: float = 0.0,
        storage_options: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Table:
        """Create a table with stable row ids.

        Parameters
        ----------
        name
            Name of the table.
        data
            Rows: a list of dict, an Arrow table or batches, a pandas or polars data frame.
        schema
            Arrow schema; needed if there is no data.
        mode
            ``"create"`` refuses an existing table, ``"overwrite"`` replaces it.
        exist_ok
            Open the table if it exists.
        on_bad_vectors, fill_value, **kwargs
            As in LanceDB.
        storage_options
            Options of the object store and of the new table; they win over the connection's.

        Returns
        -------
        Table
            The new table.
        """
        opened = self._lancedb().create_table(
            name,
            data=data,
            schema=schema,
            mode=mode,
            exist_ok=exist_ok,
            on_bad_vectors=on_bad_vectors,
            fill_value=fill_value,
            storage_options={
                **_STABLE_ROW_IDS,
                **self._storage_options,
                **dict(storage_options or {}),
            },
            **kwargs,
        )
        return Table(self, self._location(name), opened)

    def open_table(
        self, name: str, storage_options: Mapping[str, str] | None = None, **kwargs: Any
    ) -> Table:
        """Open a table.

        Raises
        ------
        TableNotFoundError
            There is no such table; the message names those that are there.
        """
        location = self._location(name, storage_options)
        try:
            open_dataset(location)
        except TableNotFoundError:
            names = ", ".join(sorted(self.table_names())) or "none"
            raise TableNotFoundError(
                f"Table {name!r} was not found in {self._uri}. Its tables: {names}."
            ) from None
        opened = self.open_lancedb_table(name, storage_options, **kwargs) if kwargs else None
        return Table(self, location, opened)

    def open_lancedb_table(
        self, name: str, storage_options: Mapping[str, str] | None = None, **kwargs: Any
    ) -> Any:
        """Open LanceDB's own table object."""
        if storage_options:
            kwargs["storage_options"] = {**self._storage_options, **storage_options}
        return self._lancedb().open_table(name, **kwargs)

    def table_names(self, page_token: str | None = None, limit: int | None = None) -> list[str]:
        """Return the names of the tables.

        Parameters
        ----------
        page_token
            Name after which to begin.
        limit
            Most names to return; None returns all.
        """
        names: list[str] = []
        while limit is None or len(names) < limit:
            wanted = None if limit is None else limit - len(names)
            page = self._lancedb().list_tables(page_token=page_token, limit=wanted)
            names += page.tables
            page_token = page.page_token
            if not page_token:
                break
        return names

    def drop_table(self, name: str, **kwargs: Any) -> None:
        """Drop a table with everything that belongs to it.

        Raises
        ------
        TableNotFoundError
            There is no such table.
        """
        self.open_table(name)
        files = TableFiles(self._location(name))
        self._lancedb().drop_table(name, **kwargs)
        for path in files.list(PARTS_FOLDER):  # They may be elsewhere.
            files.delete(path)

    def list_errors(
        self,
        table_name: str | None = None,
        column_name: str | None = None,
        *,
        job_id: str | None = None,
        error_type: str | None = None,
    ) -> pa.Table:
        """List the rows for which functions failed and that have no value since.

        Parameters
        ----------
        table_name, column_name
            Only those of a table, of a column. Default: of all.
        job_id, error_type
            Only those of a job, of a class such as ``"ValueError"``.

        Returns
        -------
        pa.Table
            See :meth:`Table.errors`.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        from geneva.storage.failed_rows import empty_failures

        names = sorted(self.table_names()) if table_name is None else [table_name]
        tables = [self.open_table(name) for name in names]
        if table_name is None and column_name is not None:
            tables = [table for table in tables if column_name in table.schema.names]
        rows = pa.concat_tables([empty_failures(), *(t.errors(column_name) for t in tables)])
        for column, wanted in (("job_id", job_id), ("error_type", error_type)):
            if wanted is not None:
                rows = rows.filter(pc.equal(rows[column], wanted))
        return rows

    def _location(
        self, name: str, storage_options: Mapping[str, str] | None = None
    ) -> TableLocation:
        if not name or "/" in name:
            raise InvalidArgumentError(f"{name!r} is not a table name.")
        options = {**self._storage_options, **dict(storage_options or {})}
        location = TableLocation(f"{self._uri}/{name}.lance", tuple(sorted(options.items())))
        checkpoint = self._checkpoint or checkpoint_uri()
        return location.with_parts_below(_absolute(checkpoint)) if checkpoint else location


def _register(base: type, ours: type) -> None:
    """Let ``isinstance`` see one of ours as LanceDB's, where LanceDB's class allows it."""
    if isinstance(base, ABCMeta):  # On Python 3.12 and later its connection is not.
        base.register(ours)


def connect(
    uri: str | Path,
    *,
    storage_options: Mapping[str, str] | None = None,
    checkpoint: str | Path | None = None,
    **kwargs: Any,
) -> Connection:
    """Connect to a database.

    Parameters
    ----------
    uri
        A folder, or an object-store URI such as ``s3://bucket/prefix``. It need not exist.
    storage_options
        Options of the object store: credentials, region, endpoint.
    checkpoint
        Folder or object-store URI below which parts are kept, in place of each table's own folder;
        it is reached with the same options. Default: ``GENEVA_CHECKPOINT_URI``.
    **kwargs
        Passed on to ``lancedb.connect``, for example ``read_consistency_interval``.

    Returns
    -------
    Connection
        The connection; nothing is opened or written yet.

    Raises
    ------
    InvalidArgumentError
        The URI is of a hosted service.

    Examples
    --------
    >>> import geneva, tempfile
    >>> db = geneva.connect(tempfile.mkdtemp())
    >>> table = db.create_table("docs", [{"text": "to be"}, {"text": "or not to be"}])
    >>> @geneva.udf
    ... def words(text: str) -> int:
    ...     return len(text.split())
    >>> table.add_columns({"words": words})
    >>> table.backfill("words", progress=False).columns["words"].rows_processed
    2
    >>> table.to_arrow()["words"].to_pylist()
    [2, 4]
    """
    text = os.fspath(uri)
    if text.startswith("db://"):
        raise InvalidArgumentError(
            f"{text!r} is a hosted database. Computed columns run on storage that you can reach: a "
            "folder, or s3://, gs:// or az://."
        )
    beside = None if checkpoint is None else os.fspath(checkpoint)
    return Connection(_absolute(text), storage_options or {}, kwargs, beside)


def _absolute(uri: str) -> str:
    """Return a folder or URI in the form in which its tables are named."""
    if "://" not in uri or uri.startswith("file://"):
        uri = str(Path(uri.removeprefix("file://")).expanduser().absolute())
    return uri.rstrip("/")
