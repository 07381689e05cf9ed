"""The ``@udf`` decorator and the object it returns: what a function takes, gives and needs."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, overload

import attrs
import pyarrow as pa

from geneva.errors import InvalidArgumentError
from geneva.transformer.canonical import function_digest
from geneva.transformer.matchers import SkipLimit
from geneva.transformer.multi_output import is_multi_output
from geneva.transformer.needs import check_needs
from geneva.transformer.pieces import iterated
from geneva.transformer.policy import ErrorPolicy, OnError, policy_of
from geneva.transformer.records import resolve_records
from geneva.transformer.signature import (
    UDFArgType,
    arg_type_of,
    check_arity,
    check_form,
    code_of,
    is_async,
    positional_parameters,
    returned_type,
    type_hints,
)
from geneva.transformer.tenacity_config import ErrorHandlingConfig
from geneva.transformer.types import is_blob_file

if TYPE_CHECKING:
    from typing_extensions import Unpack

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


class _Options(TypedDict, total=False):
    """The keyword arguments of :func:`udf`, for type checkers."""

    data_type: pa.DataType | None
    version: str | None
    cuda: bool
    field_metadata: Mapping[str, str] | None
    input_columns: Sequence[str] | None
    num_cpus: float | None
    num_gpus: float | None
    memory: int | None
    resources: Mapping[str, float] | None
    label_selector: Mapping[str, str] | None
    accelerator_type: str | None
    batch_size: int | None
    checkpoint_size: int | None
    min_checkpoint_size: int
    max_checkpoint_size: int | None
    task_size: int | None
    on_error: OnError | None
    error_handling: ErrorHandlingConfig | None
    max_errors: float | None
    row_timeout: float | None
    timeout: float | None
    max_in_flight: int | None


class _Decorator(Protocol):
    @overload
    def __call__(self, func: type, /) -> Callable[..., UDF]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, func: Callable[..., Any], /) -> UDF: ...


@overload
def udf(func: type, /) -> Callable[..., UDF]: ...  # type: ignore[overload-overlap]
@overload
def udf(func: Callable[..., Any], /) -> UDF: ...
@overload
def udf(**options: Unpack[_Options]) -> _Decorator: ...
@overload
def udf(func: Callable[..., Any], /, **options: Unpack[_Options]) -> UDF: ...
def udf(
    func: Callable[..., Any] | type | None = None,
    /,
    *,
    data_type: pa.DataType | None = None,
    version: str | None = None,
    cuda: bool = False,
    field_metadata: Mapping[str, str] | None = None,
    input_columns: Sequence[str] | None = None,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    memory: int | None = None,
    resources: Mapping[str, float] | None = None,
    label_selector: Mapping[str, str] | None = None,
    accelerator_type: str | None = None,
    batch_size: int | None = None,
    checkpoint_size: int | None = None,
    min_checkpoint_size: int = 1,
    max_checkpoint_size: int | None = None,
    task_size: int | None = None,
    on_error: OnError | None = None,
    error_handling: ErrorHandlingConfig | None = None,
    max_errors: float | None = None,
    row_timeout: float | None = None,
    timeout: float | None = None,
    max_in_flight: int | None = None,
) -> Any:
    """Make a function, or a class with ``__call__``, usable as a computed column.

    The annotations decide how it is called. All parameters ``pa.Array``: once per batch with
    arrays. One parameter ``pa.RecordBatch``: once per batch with the whole batch. Anything else:
    once per row with Python values, None for null. ``async def`` has many calls in flight.

    A decorated class stays callable like the class; each call builds an instance. If it has a
    method ``setup()``, every worker calls it once before the first row: load models there. If it
    has a method ``teardown()``, every worker calls it once when it lets go of the function.

    Parameters
    ----------
    func
        The function, class, lambda or callable instance.
    data_type
        Arrow type of the column. Default: from the return annotation (``float`` is float64).
    version
        Name of this version of the behaviour. Default: a digest of the function, its closure and
        the local code that it uses.
    cuda
        Deprecated spelling of ``num_gpus=1``.
    field_metadata
        Metadata of the column's field. ``{"lance-encoding:blob": "true"}`` with ``data_type=
        pa.large_binary()`` stores the values as blobs.
    input_columns
        Columns to read, in the order of the parameters. Default: the names of the parameters.
        ``"info.width"`` reads a field of a struct column.
    num_cpus
        CPUs that each applier reserves. Default 1; fractions are fine.
    num_gpus
        GPUs that each applier reserves. Default 0.
    memory
        Bytes that each applier reserves. Default: none.
    resources
        Custom resources of a Ray cluster that each applier reserves: ``{"license": 1}``.
    label_selector
        Labels that an applier's node must have: ``{"pool": "gpu"}``. A value may be ``"!a"``,
        ``"in(a,b)"`` or ``"!in(a,b)"``.
    accelerator_type
        Kind of accelerator that an applier's node must have: ``"H100"``, as the node's label
        ``ray.io/accelerator-type`` names it.
    batch_size
        Rows per batch. Default: starts at 32 and grows while batches are fast and small.
    checkpoint_size
        Rows after which a part is made durable at the latest. Default: by time.
    min_checkpoint_size, max_checkpoint_size
        Bounds, in rows, of a part whose size is decided by time. Default: 1 and no bound.
    task_size
        Rows per task. Default: whole fragments, split when workers would be idle.
    on_error
        What becomes of rows that fail: :class:`Retry`, :class:`Skip` and :class:`Fail` in the order
        in which they are asked, or what :func:`retry_transient`, :func:`retry_all`,
        :func:`skip_on_error` and :func:`fail_fast` return. Default: the first row that fails ends
        the job.
    error_handling
        The same in the terms of tenacity; instead of ``on_error``.
    max_errors
        Most rows that may fail in a job: a whole number, or a share of its rows as a float. The
        job ends when more do. Default: as many as the policy skips.
    row_timeout
        Seconds that one call may take: for one row, or, of a function that takes batches, for one
        batch; a batch that takes longer is halved until a row stands alone. Default: any time.
    timeout
        The same as ``row_timeout``.
    max_in_flight
        Most calls of an async function that each applier has in flight. Default: 64.

    Returns
    -------
    UDF
        Or, for a class, a function that builds the instance and returns its UDF.

    Raises
    ------
    TypeHintError
        The return annotation is missing or has no Arrow type.
    InvalidArgumentError
        A value is out of range, or the function's form is not supported.

    Examples
    --------
    >>> import geneva
    >>> @geneva.udf
    ... def area(width: int, height: int) -> int:
    ...     return width * height
    >>> area(3, 4)
    12
    >>> area.data_type
    DataType(int64)
    >>> area.input_columns
    ['width', 'height']
    """
    if cuda:
        warnings.warn("udf(cuda=True) is num_gpus=1", DeprecationWarning, stacklevel=2)
        num_gpus = 1.0 if num_gpus is None else num_gpus
    options: dict[str, Any] = {
        "num_cpus": 1.0 if num_cpus is None else num_cpus,
        "num_gpus": 0.0 if num_gpus is None else num_gpus,
        "memory": memory,
        "resources": dict(resources or {}),
        "label_selector": dict(label_selector or {}),
        "accelerator_type": accelerator_type,
        "batch_size": batch_size,
        "checkpoint_size": checkpoint_size,
        "min_checkpoint_size": min_checkpoint_size,
        "max_checkpoint_size": max_checkpoint_size,
        "task_size": task_size,
        "on_error": on_error,
        "error_handling": error_handling,
        "max_errors": max_errors,
        "row_timeout": timeout if row_timeout is None else row_timeout,
        "max_in_flight": max_in_flight,
        "field_metadata": dict(field_metadata or {}),
    }

    def decorate(target: Callable[..., Any] | type) -> Any:
        if isinstance(target, UDF):
            raise InvalidArgumentError(f"{target.name} is a UDF already; decorate a function once.")
        if inspect.isclass(target):
            return _class_factory(target, data_type, version, input_columns, options)
        return _make(target, data_type, version, input_columns, options)

    return decorate if func is None else decorate(func)


def _class_factory(
    cls: type,
    data_type: pa.DataType | None,
    version: str | None,
    input_columns: Sequence[str] | None,
    options: dict[str, Any],
) -> Callable[..., UDF]:
    # getattr() would find the method with which the class itself is called.
    if "__call__" not in dir(cls):
        raise InvalidArgumentError(
            f"class {cls.__name__} has no method __call__, which is what computes the rows."
        )

    def build(*args: Any, **kwargs: Any) -> UDF:
        return _make(cls(*args, **kwargs), data_type, version, input_columns, options)

    build.__name__ = build.__qualname__ = cls.__name__
    build.__doc__ = cls.__doc__
    build.__module__ = cls.__module__
    build.__wrapped__ = cls  # type: ignore[attr-defined]
    return build


def _make(
    func: Callable[..., Any],
    data_type: pa.DataType | None,
    version: str | None,
    input_columns: Sequence[str] | None,
    options: dict[str, Any],
) -> UDF:
    if not callable(func):
        raise InvalidArgumentError(f"{func!r} is not callable, so it cannot compute a column.")
    name = getattr(func, "__name__", None) or type(func).__name__
    code = code_of(func)
    hints = type_hints(code)
    for hint in hints.values():
        resolve_records(hint)
    parameters = positional_parameters(func, name, bound=input_columns is not None)
    arg_type = arg_type_of(name, parameters, hints)
    check_form(name, func, arg_type, parameters, hints)
    inputs = list(input_columns) if input_columns is not None else None
    if inputs is None and arg_type is not UDFArgType.RECORD_BATCH:
        inputs = [p.name for p in parameters]
    if inputs == []:
        raise InvalidArgumentError(f"{name} reads no column; give it at least one parameter.")
    check_arity(name, arg_type, parameters, inputs)
    if data_type is None:
        data_type = returned_type(name, hints)
    return UDF(
        func=func,
        name=name,
        data_type=data_type,
        arg_type=arg_type,
        input_columns=inputs,
        is_multi_output=is_multi_output(name, hints.get("return"), data_type),
        hints=[hints.get(parameter.name) for parameter in parameters],
        version=version,
        **options,
    )


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
