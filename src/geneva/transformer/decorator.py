"""The ``@udf`` decorator: from a function or class, its annotations and settings to a UDF."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, overload

import pyarrow as pa

from geneva.errors import InvalidArgumentError
from geneva.transformer.multi_output import is_multi_output
from geneva.transformer.policy import OnError
from geneva.transformer.records import resolve_records
from geneva.transformer.signature import (
    UDFArgType,
    arg_type_of,
    check_arity,
    check_form,
    code_of,
    positional_parameters,
    returned_type,
    type_hints,
)
from geneva.transformer.tenacity_config import ErrorHandlingConfig
from geneva.transformer.udf import UDF

if TYPE_CHECKING:
    from typing_extensions import Unpack


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
