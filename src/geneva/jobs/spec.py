"""What a caller asks of a backfill: validated, complete and picklable."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from geneva.errors import InvalidArgumentError
from geneva.jobs.failure_rules import FailureRules
from geneva.storage.model import ComputedColumn
from geneva.transformer.matchers import SkipLimit
from geneva.transformer.policy import ErrorPolicy, OnError, policy_of


@dataclass(frozen=True, slots=True)
class BackfillSpec:
    """A validated request to compute a column.

    Attributes
    ----------
    column : str
        Name of the computed column.
    where : str or None
        Filter that restricts which rows are computed.
    force : bool
        Compute rows again that are computed already.
    concurrency : int
        Most appliers at work at once.
    intra_applier_concurrency : int
        Threads per applier.
    batch_size : int or None
        Rows per batch; None adapts it.
    checkpoint_size : int or None
        Most rows of a part and of a batch; None decides by time alone.
    min_checkpoint_size : int
        Fewest rows of a part that is written because of time.
    checkpoint_interval_s : float or None
        Seconds of compute at risk before a part is written; None takes the setting.
    task_size : int or None
        Rows per task; None plans whole fragments.
    num_frags : int or None
        Most fragments to compute in this call.
    skip_frags : int
        Fragments to pass over first.
    commit_granularity : int or None
        Fragments per commit; None commits once, at the end.
    timeout_s : float or None
        Seconds until the job is stopped.
    stall_timeout_s : float or None
        Seconds without progress after which the job fails; None takes the setting.
    num_cpus, num_gpus : float
        CPUs and GPUs of one applier, all its threads together.
    memory_bytes : int
        Memory of one applier; 0 asks for none.
    resources : tuple of (str, float)
        Custom resources of one applier.
    labels : tuple of (str, str)
        Labels that its node must have.
    accelerator_type : str or None
        Kind of accelerator that its node must have.
    admission_check, admission_strict : bool or None
        Whether it is looked at what the job asks for, and whether it is then refused; None leaves
        it to the settings.
    only : str or None
        "errors" computes only rows that failed before.
    row_timeout_s : float or None
        Seconds that one call of the function may take.
    policy : ErrorPolicy or None
        What becomes of rows that fail, if the call says so; None leaves it to the function.
    failure_rules : FailureRules
        What follows from the policy for rows that kill their process, and for the job.
    """

    column: str
    where: str | None
    force: bool
    concurrency: int
    intra_applier_concurrency: int
    batch_size: int | None
    checkpoint_size: int | None
    min_checkpoint_size: int
    checkpoint_interval_s: float | None
    task_size: int | None
    num_frags: int | None
    skip_frags: int
    commit_granularity: int | None
    timeout_s: float | None
    stall_timeout_s: float | None
    num_cpus: float
    num_gpus: float
    memory_bytes: int
    resources: tuple[tuple[str, float], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    accelerator_type: str | None = None
    admission_check: bool | None = None
    admission_strict: bool | None = None
    only: str | None = None
    row_timeout_s: float | None = None
    policy: ErrorPolicy | None = None
    failure_rules: FailureRules = field(default_factory=FailureRules)


@dataclass(frozen=True, slots=True)
class BackfillArguments:
    """The keyword arguments of ``backfill()`` as they were given; None where they were not."""

    where: str | None = None
    only: str | None = None
    force: bool = False
    concurrency: int = 8
    intra_applier_concurrency: int = 1
    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    batch_size: int | None = None
    checkpoint_size: int | None = None
    min_checkpoint_size: int | None = None
    max_checkpoint_size: int | None = None
    checkpoint_interval_seconds: float | None = None
    task_size: int | None = None
    num_frags: int | None = None
    skip_frags: int = 0
    commit_granularity: int | None = 64
    timeout: timedelta | float | None = None
    stall_timeout: timedelta | float | None = None
    on_error: OnError | None = None
    max_errors: float | None = None
    row_timeout: timedelta | float | None = None
    _admission_check: bool | None = None
    _admission_strict: bool | None = None


def check_arguments(arguments: BackfillArguments) -> None:
    """Refuse values that cannot be used, before anything else happens.

    Raises
    ------
    InvalidArgumentError
        Which argument, what was expected and what was found.
    """
    for name in ("concurrency", "intra_applier_concurrency"):
        _positive(name, getattr(arguments, name))
    for name in (
        "memory",
        "batch_size",
        "checkpoint_size",
        "min_checkpoint_size",
        "max_checkpoint_size",
        "task_size",
        "num_frags",
        "commit_granularity",
    ):
        value = getattr(arguments, name)
        if value is not None:
            _positive(name, value)
    if type(arguments.skip_frags) is not int or arguments.skip_frags < 0:
        _refuse("skip_frags", arguments.skip_frags, "a whole number of at least 0")
    for name in ("num_cpus", "num_gpus"):
        value = getattr(arguments, name)
        if value is not None and not (_is_number(value) and value >= 0):
            _refuse(name, value, "a number of at least 0")
    _check_checkpoints(arguments)
    where = arguments.where
    if where is not None and not str(where).strip():
        _refuse("where", where, 'SQL such as "id > 10", or None')
    _check_admission(arguments)
    _duration("timeout", arguments.timeout)
    _duration("stall_timeout", arguments.stall_timeout)
    _duration("row_timeout", arguments.row_timeout)
    _check_errors(arguments)


def _check_checkpoints(arguments: BackfillArguments) -> None:
    low, size = arguments.min_checkpoint_size, arguments.checkpoint_size
    high, every_s = arguments.max_checkpoint_size, arguments.checkpoint_interval_seconds
    if size is not None and high is not None and size > high:
        _refuse("checkpoint_size", size, f"at most max_checkpoint_size ({high})")
    for name, bound in (("checkpoint_size", size), ("max_checkpoint_size", high)):
        if low is not None and bound is not None and low > bound:
            _refuse("min_checkpoint_size", low, f"at most {name} ({bound})")
    if every_s is not None and not (_is_number(every_s) and every_s > 0):
        _refuse("checkpoint_interval_seconds", every_s, "a number of seconds greater than 0")


def _check_errors(arguments: BackfillArguments) -> None:
    policy_of(arguments.on_error, None, "backfill")
    SkipLimit.of(arguments.max_errors)
    if arguments.only not in (None, "errors"):
        _refuse("only", arguments.only, '"errors" or None')
    if arguments.only is not None and arguments.force:
        _refuse("force", True, 'False with only="errors": rows that failed are not computed yet')


def _check_admission(arguments: BackfillArguments) -> None:
    for name in ("_admission_check", "_admission_strict"):
        value = getattr(arguments, name)
        if value is not None and not isinstance(value, bool):
            _refuse(name, value, "True, False or None")


def backfill_spec(column: ComputedColumn, arguments: BackfillArguments) -> BackfillSpec:
    """Complete the call's arguments with what the function asks for.

    What is given in the call wins over what the function says.

    Raises
    ------
    InvalidArgumentError
        What the call says cannot be joined with what the function says.
    """
    options: dict[str, Any] = column.options

    def chosen(name: str) -> Any:
        value = getattr(arguments, name)
        return options.get(name) if value is None else value

    largest, smallest = _part_sizes(column, arguments)
    policy = None
    rules: dict[str, Any] = options.get("failure_rules") or {}
    if arguments.on_error is not None:
        policy = policy_of(arguments.on_error, None, "backfill")
        rules = {**rules, **policy.rules()}
    batch_size = chosen("batch_size")
    return BackfillSpec(
        column=column.name,
        where=arguments.where,
        force=arguments.force,
        concurrency=arguments.concurrency,
        intra_applier_concurrency=arguments.intra_applier_concurrency,
        # What is computed at once is at risk at once.
        batch_size=batch_size and min(batch_size, largest or batch_size),
        checkpoint_size=largest,
        min_checkpoint_size=smallest,
        checkpoint_interval_s=arguments.checkpoint_interval_seconds,
        task_size=chosen("task_size"),
        num_frags=arguments.num_frags,
        skip_frags=arguments.skip_frags,
        commit_granularity=arguments.commit_granularity,
        timeout_s=_seconds(arguments.timeout),
        stall_timeout_s=_seconds(arguments.stall_timeout),
        # Threads of one applier run at the same time, each with the function's CPUs.
        num_cpus=chosen("num_cpus") * arguments.intra_applier_concurrency,
        num_gpus=chosen("num_gpus"),
        memory_bytes=chosen("memory") or 0,
        resources=_items(options.get("resources")),
        labels=_items(options.get("label_selector")),
        accelerator_type=options.get("accelerator_type"),
        admission_check=arguments._admission_check,  # noqa: SLF001 - an argument of backfill()
        admission_strict=arguments._admission_strict,  # noqa: SLF001
        only=arguments.only,
        row_timeout_s=_seconds(chosen("row_timeout")),
        policy=policy,
        failure_rules=FailureRules.from_json(rules, SkipLimit.of(chosen("max_errors"))),
    )


def _part_sizes(column: ComputedColumn, arguments: BackfillArguments) -> tuple[int | None, int]:
    """Return the most rows of a part, and the fewest of one that is written because of time."""
    options: dict[str, Any] = column.options
    asked = [n for n in (arguments.checkpoint_size, arguments.max_checkpoint_size) if n]
    own = [n for n in (options.get("checkpoint_size"), options.get("max_checkpoint_size")) if n]
    # A size in the call is meant to be used; a bound in the call only narrows the function's size.
    largest = min(asked if arguments.checkpoint_size else [*asked, *own], default=None)
    smallest = arguments.min_checkpoint_size
    if smallest is None:
        smallest = options.get("min_checkpoint_size") or 1
        return largest, min(smallest, largest or smallest)
    if largest is not None and smallest > largest:
        _refuse(
            "min_checkpoint_size",
            smallest,
            f"at most the {largest} rows that {column.udf_name} allows in a part; or give "
            "max_checkpoint_size= in the call as well",
        )
    return largest, smallest


def _items(given: dict[str, Any] | None) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((given or {}).items()))


def _seconds(timeout: timedelta | float | None) -> float | None:
    return timeout.total_seconds() if isinstance(timeout, timedelta) else timeout


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _positive(name: str, value: object) -> None:
    if type(value) is not int or value < 1:
        _refuse(name, value, "a whole number of at least 1")


def _duration(name: str, given: timedelta | float | None) -> None:
    if given is not None and not isinstance(given, timedelta) and not _is_number(given):
        _refuse(name, given, "seconds, a timedelta or None")
    seconds = _seconds(given)
    if seconds is not None and seconds <= 0:
        _refuse(name, given, "more than 0 seconds")


def _refuse(name: str, value: object, expected: str) -> None:
    raise InvalidArgumentError(f"{name}={value!r}; expected {expected}.")
