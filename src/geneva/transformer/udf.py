"""What :func:`geneva.udf` returns: a function, with what it takes, gives and needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pyarrow as pa

from geneva.transformer.canonical import function_digest
from geneva.transformer.matchers import SkipLimit
from geneva.transformer.needs import check_needs
from geneva.transformer.pieces import iterated
from geneva.transformer.policy import ErrorPolicy, OnError, policy_of
from geneva.transformer.signature import UDFArgType, is_async
from geneva.transformer.tenacity_config import ErrorHandlingConfig
from geneva.transformer.types import is_blob_file

BLOB_METADATA_KEY = "lance-encoding:blob"


@attrs.frozen(kw_only=True, eq=False)
class UDF:
    """A Python function that can compute a column. Made by :func:`udf`.

    ``attrs.evolve(my_udf, num_cpus=2)`` gives a copy with other settings.

    Attributes
    ----------
    func : callable
        The user's function, or an instance of a class with ``__call__``.
    name : str
        Name of the function or class.
    data_type : pa.DataType
        Type of the computed column.
    arg_type : UDFArgType
        Whether the function takes values, arrays or a record batch.
    input_columns : list of str or None
        Columns given to the function, in the order of its parameters; dotted names reach struct
        fields. None for a record-batch function that reads all columns.
    num_cpus, num_gpus : float
        CPUs (default 1) and GPUs (default 0) that each applier reserves.
    memory : int or None
        Bytes of memory that each applier reserves; None reserves none.
    resources : dict of str to float
        Custom resources of a cluster that each applier reserves.
    label_selector : dict of str to str
        Labels that an applier's node must have.
    accelerator_type : str or None
        Kind of accelerator that an applier's node must have.
    batch_size : int or None
        Rows per call or per read; None adapts it to the function's speed.
    checkpoint_size : int or None
        Rows after which a part is written at the latest; None decides by time alone.
    min_checkpoint_size, max_checkpoint_size : int or None
        Bounds in rows of a part whose size is decided by time.
    task_size : int or None
        Rows per task; None plans whole fragments.
    on_error : list of Retry, Skip and Fail, or None
        What becomes of rows that fail.
    error_handling : ErrorHandlingConfig or None
        The same in the terms of tenacity.
    max_errors : int, float or None
        Most rows that may fail in a job, or their share of its rows.
    row_timeout : float or None
        Seconds that a call for one row, or for one batch, may take.
    max_in_flight : int or None
        Most calls of an async function that each applier has in flight; None is 64.
    version : str
        Identity of the function's behaviour: a column computed by another version is stale.
        Default: a digest of the function and of all local code that it uses.
    field_metadata : dict of str to str
        Metadata added to the column's field.
    is_multi_output : bool
        Whether the return annotation is :class:`Columns`: a column for each field of the struct.
    hints : list
        Annotation of each parameter, None where there is none. Resolved when it is decorated: what
        only annotations name does not travel to workers.
    """

    func: Callable[..., Any]
    name: str
    data_type: pa.DataType
    arg_type: UDFArgType
    input_columns: list[str] | None = None
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    memory: int | None = None
    resources: dict[str, float] = attrs.field(factory=dict)
    label_selector: dict[str, str] = attrs.field(factory=dict)
    accelerator_type: str | None = None
    batch_size: int | None = None
    checkpoint_size: int | None = None
    min_checkpoint_size: int = 1
    max_checkpoint_size: int | None = None
    task_size: int | None = None
    on_error: OnError | None = None
    error_handling: ErrorHandlingConfig | None = None
    max_errors: float | None = None
    row_timeout: float | None = None
    max_in_flight: int | None = None
    field_metadata: dict[str, str] = attrs.field(factory=dict)
    is_multi_output: bool = False
    hints: list[Any] = attrs.field(factory=list, repr=False)
    _version: str | None = attrs.field(default=None, alias="version")

    def __attrs_post_init__(self) -> None:
        check_needs(self)
        policy_of(self.on_error, self.error_handling, f"udf {self.name}")
        SkipLimit.of(self.max_errors)

    @property
    def policy(self) -> ErrorPolicy:
        """What becomes of rows that fail."""
        return policy_of(self.on_error, self.error_handling, f"udf {self.name}")

    @property
    def failure_rules(self) -> dict[str, Any]:
        """What a driver has to know of the policy, which does not load the function."""
        return {**self.policy.rules(), "by_row": self.calls_rows}

    @property
    def calls_rows(self) -> bool:
        """Whether it is called for one row after the other."""
        return self.arg_type is UDFArgType.SCALAR and not self.is_async

    @property
    def shares_pass(self) -> bool:
        """Whether it may be called on rows that were read for another function as well."""
        lazy = self.lazy_columns(self.input_columns or [])
        return not (self.is_async or self.takes_batches or lazy)

    @property
    def timeout(self) -> float | None:
        """The same as ``row_timeout``."""
        return self.row_timeout

    @property
    def version(self) -> str:
        """Identity of the function's behaviour."""
        # Not taken when it is decorated: helpers that it calls may be defined further down.
        return self._version or function_digest(self.func)

    @property
    def is_blob(self) -> bool:
        """Whether the column is stored as blobs, read lazily."""
        return self.field_metadata.get(BLOB_METADATA_KEY) == "true"

    @property
    def is_async(self) -> bool:
        """Whether calls return awaitables, many of which can be in flight."""
        return is_async(self.func)

    @property
    def takes_batches(self) -> bool:
        """Whether it takes an iterator of batches instead of one."""
        return self.arg_type is not UDFArgType.SCALAR and iterated(self.hints[0]) is not None

    def lazy_columns(self, columns: Sequence[str]) -> list[str]:
        """Return those of its input columns that it is given as files, read when it asks."""
        pairs = zip(columns, self.hints, strict=False)
        scalar = self.arg_type is UDFArgType.SCALAR
        return [name for name, hint in pairs if scalar and is_blob_file(hint)]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function in this process.

        Plain values go straight to the function. A record batch, or arrays for all arguments, give
        an array of the column's type, whatever the function itself takes.
        """
        from geneva.transformer.binding import bind

        whole_batch = len(args) == 1 and isinstance(args[0], pa.RecordBatch)
        arrays = bool(args) and all(isinstance(a, pa.Array) for a in args)
        if kwargs or not (whole_batch or arrays):
            if self.is_async:
                return _set_up_and_call(self.func, args, kwargs)
            _set_up_once(self.func)
            return self.func(*args, **kwargs)
        columns = self.input_columns or (
            list(args[0].schema.names) if whole_batch else [f"arg{i}" for i in range(len(args))]
        )
        batch = (
            args[0].select(columns) if whole_batch else pa.record_batch(list(args), names=columns)
        )
        bound = bind(self, columns)
        if not (self.is_async or self.takes_batches):
            _set_up_once(self.func)
            return bound.compute(batch)
        bound.set_up()
        try:
            return bound.compute(batch)
        finally:
            bound.tear_down()


_SET_UP = "_geneva_set_up"


def _set_up_once(func: Callable[..., Any]) -> None:
    """Call ``setup()`` of a stateful function before its first direct call."""
    setup = getattr(func, "setup", None)
    if inspect.isroutine(func) or not callable(setup) or getattr(func, _SET_UP, False):
        return
    setup()
    setattr(func, _SET_UP, True)


async def _set_up_and_call(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call an async function in the caller's loop, after its ``setup()``."""
    setup = getattr(func, "setup", None)
    if not inspect.isroutine(func) and callable(setup) and not getattr(func, _SET_UP, False):
        done = setup()
        if inspect.isawaitable(done):
            await done
        setattr(func, _SET_UP, True)
    return await func(*args, **kwargs)
