"""What becomes of a row whose computation fails: retried, skipped, or the end of the job.

A policy is a list of matchers. They are asked in order; the first that matches an error decides. A
:class:`Retry` whose attempts are used up passes the error on to the matchers after it, and what
nobody matches fails the job.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, TypeAlias

import attrs

from geneva.errors import (
    FatalWorkerCrashError,
    FatalWorkerError,
    FatalWorkerExitError,
    FatalWorkerOOMError,
    FatalWorkerTransientError,
    InvalidArgumentError,
    RowTimeoutError,
)
from geneva.transformer.backoff import BACKOFFS, wait_s

_ERRORS = (Exception, SystemExit)
# Clients raise these for what heals by itself, and share no base class that would say so.
_TRANSIENT_ELSEWHERE = {
    "aiohttp.client_exceptions.ClientConnectionError",
    "aiohttp.client_exceptions.ClientPayloadError",
    "anthropic.APIConnectionError",
    "botocore.exceptions.EndpointConnectionError",
    "botocore.exceptions.HTTPClientError",
    "httpx.TransportError",
    "openai.APIConnectionError",
    "requests.exceptions.ConnectionError",
    "requests.exceptions.Timeout",
    "requests.exceptions.ChunkedEncodingError",
    "urllib3.exceptions.HTTPError",
}
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}


class Matcher:
    """Matches errors by class and by a pattern in their text.

    Parameters
    ----------
    *exceptions
        Classes of exceptions; none matches all.
    match
        Regular expression that is searched in ``str(error)``.

    Raises
    ------
    InvalidArgumentError
        What is given is no class of exceptions, or no regular expression.
    """

    action: ClassVar[str] = ""

    def __init__(self, *exceptions: type[BaseException], match: str | None = None) -> None:
        kinds: tuple[Any, ...] = exceptions
        for given in kinds:
            if not (isinstance(given, type) and issubclass(given, BaseException)):
                raise InvalidArgumentError(
                    f"{type(self).__name__}({given!r}); expected classes of exceptions."
                )
        try:
            self._pattern = None if match is None else re.compile(match)
        except (re.error, TypeError) as error:
            raise InvalidArgumentError(
                f"{type(self).__name__}(match={match!r}); expected a regular expression: {error}."
            ) from None
        self.exceptions = exceptions
        self.match = match

    def matches(self, error: BaseException) -> bool:
        """Say whether this matcher decides about an error."""
        if not isinstance(error, self.exceptions or _ERRORS):
            return False
        return self._pattern is None or self._pattern.search(str(error)) is not None

    def _values(self) -> tuple[object, ...]:
        return (self.exceptions, self.match)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        names = [kind.__name__ for kind in self.exceptions]
        names += [] if self.match is None else [f"match={self.match!r}"]
        return f"{type(self).__name__}({', '.join(names + self._options())})"

    def _options(self) -> list[str]:
        return []


class Retry(Matcher):
    """Call the function again for a row, or a batch, whose error matches.

    Parameters
    ----------
    *exceptions, match
        See :class:`Matcher`.
    max_attempts : int
        Calls in all, the first one included. Default 3.
    backoff : str
        Seconds before the next call: ``"exponential"`` 1, 2, 4 …, ``"linear"`` 1, 2, 3 …, both up
        to 60, or ``"fixed"`` 1; all with jitter.

    Examples
    --------
    >>> Retry(ConnectionError, match="reset", max_attempts=5)
    Retry(ConnectionError, match='reset', max_attempts=5)
    >>> Retry(ValueError).matches(ConnectionError())
    False
    """

    action = "retry"

    def __init__(
        self,
        *exceptions: type[BaseException],
        match: str | None = None,
        max_attempts: int = 3,
        backoff: str = "exponential",
    ) -> None:
        super().__init__(*exceptions, match=match)
        if type(max_attempts) is not int or max_attempts < 1:
            raise InvalidArgumentError(
                f"Retry(max_attempts={max_attempts!r}); expected a whole number of at least 1."
            )
        if backoff not in BACKOFFS:
            raise InvalidArgumentError(
                f"Retry(backoff={backoff!r}); expected one of {', '.join(BACKOFFS)}."
            )
        self.max_attempts = max_attempts
        self.backoff = backoff

    def _values(self) -> tuple[object, ...]:
        return (*super()._values(), self.max_attempts, self.backoff)

    def _options(self) -> list[str]:
        backoff = [] if self.backoff == "exponential" else [f"backoff={self.backoff!r}"]
        return [f"max_attempts={self.max_attempts}", *backoff]


class Skip(Matcher):
    """Leave a row NULL whose error matches, and record it in the table's errors.

    Parameters
    ----------
    *exceptions, match
        See :class:`Matcher`.
    max_skip_count : int or None
        Most rows to skip because of this matcher; the job fails with the next one.
    max_skip_fraction : float or None
        The same as a share of the rows that the job computes, between 0 and 1.

    Examples
    --------
    >>> Skip(ValueError, max_skip_fraction=0.01)
    Skip(ValueError, max_skip_fraction=0.01)
    """

    action = "skip"

    def __init__(
        self,
        *exceptions: type[BaseException],
        match: str | None = None,
        max_skip_count: int | None = None,
        max_skip_fraction: float | None = None,
    ) -> None:
        super().__init__(*exceptions, match=match)
        self.limit = SkipLimit(max_skip_count, max_skip_fraction)
        self.max_skip_count = max_skip_count
        self.max_skip_fraction = max_skip_fraction

    def _values(self) -> tuple[object, ...]:
        return (*super()._values(), self.limit)

    def _options(self) -> list[str]:
        names = ("max_skip_count", "max_skip_fraction")
        given = [(name, getattr(self, name)) for name in names]
        return [f"{name}={value}" for name, value in given if value is not None]


class Fail(Matcher):
    """End the job when an error matches, whatever the matchers after this one say.

    Parameters
    ----------
    *exceptions, match
        See :class:`Matcher`.

    Examples
    --------
    >>> Fail(ValueError, match="schema")
    Fail(ValueError, match='schema')
    """

    action = "fail"


@dataclass(frozen=True, slots=True)
class SkipLimit:
    """Most rows that may fail in a job.

    Attributes
    ----------
    count : int or None
        As a number of rows.
    fraction : float or None
        As a share of the rows that the job computes.

    Examples
    --------
    >>> SkipLimit(count=10, fraction=0.5).rows_of(1000), SkipLimit().rows_of(1000)
    (10, None)
    """

    count: int | None = None
    fraction: float | None = None

    def __post_init__(self) -> None:
        count, fraction = self.count, self.fraction
        if count is not None and (type(count) is not int or count < 0):
            raise InvalidArgumentError(
                f"max_skip_count={count!r}; expected a whole number of at least 0, or None."
            )
        number = isinstance(fraction, (int, float)) and not isinstance(fraction, bool)
        if fraction is not None and not (number and 0 <= fraction <= 1):
            raise InvalidArgumentError(
                f"max_skip_fraction={fraction!r}; expected a number from 0 to 1, or None."
            )

    @classmethod
    def of(cls, max_errors: float | None) -> SkipLimit:
        """Return what ``max_errors=`` says: a number of rows, or a share of them as a float.

        Raises
        ------
        InvalidArgumentError
            It is neither.
        """
        count = type(max_errors) is int
        try:
            return cls(max_errors, None) if count else cls(None, max_errors)  # type: ignore[arg-type]
        except InvalidArgumentError:
            raise InvalidArgumentError(
                f"max_errors={max_errors!r}; expected a number of rows, or their share of all rows "
                "as a float from 0.0 to 1.0, or None."
            ) from None

    def rows_of(self, total: int) -> int | None:
        """Return how many of so many rows may fail; None for any number."""
        bounds = [] if self.count is None else [self.count]
        if self.fraction is not None:
            bounds.append(int(self.fraction * total))
        return min(bounds, default=None)


class _Transient(Retry):
    """Matches what heals by itself, also as the usual clients of services raise it."""

    def matches(self, error: BaseException) -> bool:
        if super().matches(error):
            return True
        names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
        return bool(names & _TRANSIENT_ELSEWHERE) or _status(error) in _TRANSIENT_STATUS


def _status(error: BaseException) -> object:
    """Return the HTTP status that an error of a client carries, wherever that client puts it."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            found = getattr(holder, name, None)
            if isinstance(found, int):
                return found
    return None


def retry_transient(max_attempts: int = 3, backoff: str = "exponential") -> list[Matcher]:
    """Return matchers that retry what heals by itself: lost connections, timeouts, busy servers.

    Examples
    --------
    >>> [transient] = retry_transient(max_attempts=5)
    >>> transient.matches(ConnectionResetError()), transient.matches(ValueError())
    (True, False)
    """
    kinds = (ConnectionError, TimeoutError, InterruptedError, FatalWorkerTransientError)
    return [_Transient(*kinds, max_attempts=max_attempts, backoff=backoff)]


def retry_all(max_attempts: int = 3, backoff: str = "exponential") -> list[Matcher]:
    """Return matchers that retry every error."""
    return [Retry(Exception, max_attempts=max_attempts, backoff=backoff)]


def skip_on_error(
    max_skip_count: int | None = None, max_skip_fraction: float | None = None
) -> list[Matcher]:
    """Return matchers that skip every row that fails, one that kills its process included."""
    limits = {"max_skip_count": max_skip_count, "max_skip_fraction": max_skip_fraction}
    return [Skip(*_ERRORS, **limits)]  # type: ignore[arg-type]


def fail_fast() -> list[Matcher]:
    """Return no matchers: the first row that fails ends the job. This is the default."""
    return []


class FaultIsolation(Enum):
    """What becomes of rows that fail in spite of all attempts."""

    FAIL_BATCH = "fail_batch"
    """They end the job."""

    SKIP_ROWS = "skip_rows"
    """They are left NULL and recorded."""


@attrs.frozen(kw_only=True)
class UDFRetryConfig:
    """When and how often the function is called again, in the terms of tenacity.

    Attributes
    ----------
    retry, stop, wait : callable or None
        tenacity's ``retry_*``, ``stop_*`` and ``wait_*`` objects. Without ``retry`` nothing is
        retried.
    before_sleep, after_attempt : callable or None
        Called with tenacity's ``RetryCallState``, in the worker.
    reraise : bool
        Has no effect: the function's own error is always the one that is told.
    """

    retry: Any = None
    stop: Any = None
    wait: Any = None
    before_sleep: Callable[[Any], None] | None = None
    after_attempt: Callable[[Any], None] | None = None
    reraise: bool = True

    @classmethod
    def no_retry(cls) -> UDFRetryConfig:
        """Return a configuration that retries nothing."""
        return cls()

    @classmethod
    def retry_transient(cls, max_attempts: int = 3) -> UDFRetryConfig:
        """Return a configuration that retries what heals by itself."""
        import tenacity

        [transient] = retry_transient(max_attempts)
        return cls(
            retry=tenacity.retry_if_exception(transient.matches),
            stop=tenacity.stop_after_attempt(max_attempts),
            wait=tenacity.wait_exponential_jitter(initial=1, max=60),
        )


@attrs.frozen(kw_only=True)
class ErrorHandlingConfig:
    """A policy in the terms of tenacity, for what matchers cannot say.

    Attributes
    ----------
    retry_config : UDFRetryConfig
        When the function is called again.
    fault_isolation : FaultIsolation
        What becomes of rows that still fail.
    log_errors : bool
        Has no effect: failed rows are always recorded.
    log_retry_attempts : bool
        Print each attempt that fails where the function prints.
    max_skip_count, max_skip_fraction
        Bounds of ``SKIP_ROWS``, see :class:`Skip`.
    """

    retry_config: UDFRetryConfig = attrs.field(factory=UDFRetryConfig.no_retry)
    fault_isolation: FaultIsolation = FaultIsolation.FAIL_BATCH
    log_errors: bool = True
    log_retry_attempts: bool = False
    max_skip_count: int | None = None
    max_skip_fraction: float | None = None


OnError: TypeAlias = "Sequence[Matcher] | Matcher"


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """What becomes of rows that fail, as one object that workers and the driver ask.

    Attributes
    ----------
    matchers : tuple of Matcher
        In the order in which they are asked.
    config : ErrorHandlingConfig or None
        Asked instead of the matchers, if there is one.

    Examples
    --------
    >>> policy = ErrorPolicy((Retry(OSError, max_attempts=2), Skip(OSError)))
    >>> policy.verdict(OSError(), attempts=1, jitter=0.0)
    Again(wait_s=1.0)
    >>> policy.verdict(OSError(), attempts=2), policy.verdict(ValueError(), attempts=1)
    (Skipped(rule=1), None)
    """

    matchers: tuple[Matcher, ...] = ()
    config: ErrorHandlingConfig | None = None

    def verdict(
        self, error: BaseException, attempts: int, jitter: float = 0.5
    ) -> Again | Skipped | None:
        """Decide about an error after so many attempts; None ends the job.

        Parameters
        ----------
        error
            What was raised last.
        attempts
            Calls so far.
        jitter
            A random number from 0 to 1, for the wait.
        """
        if self.config is not None:
            isolated = self.config.fault_isolation is FaultIsolation.SKIP_ROWS
            return Skipped(0) if isolated else None
        for rule, matcher in enumerate(self.matchers):
            if not matcher.matches(error):
                continue
            if isinstance(matcher, Retry):
                if attempts < matcher.max_attempts:
                    return Again(wait_s(matcher.backoff, attempts, jitter))
            else:
                return Skipped(rule) if isinstance(matcher, Skip) else None
        return None

    @property
    def skips(self) -> bool:
        """Whether any row may be skipped."""
        if self.config is not None:
            return self.config.fault_isolation is FaultIsolation.SKIP_ROWS
        return any(isinstance(matcher, Skip) for matcher in self.matchers)

    @property
    def limits(self) -> tuple[SkipLimit, ...]:
        """The limit of each rule that a :class:`Skipped` may name."""
        if self.config is not None:
            return (SkipLimit(self.config.max_skip_count, self.config.max_skip_fraction),)
        return tuple(getattr(matcher, "limit", SkipLimit()) for matcher in self.matchers)

    def losses(self) -> dict[str, tuple[int, int | None]]:
        """Return what becomes of a row that kills its process, by name of the error.

        The driver acts on it, and does not load the function: how often the row is tried, and the
        rule that skips it, or None where it ends the job.
        """
        return {kind.__name__: self._loss_verdict(kind(kind.__name__)) for kind in LOSSES}

    def rules(self) -> dict[str, Any]:
        """Return what a driver has to know, as JSON takes it."""
        return {
            "losses": self.losses(),
            "limits": [[limit.count, limit.fraction] for limit in self.limits],
        }

    def _loss_verdict(self, error: BaseException) -> tuple[int, int | None]:
        attempts = 1
        while isinstance(self.verdict(error, attempts), Again):
            attempts += 1
        verdict = self.verdict(error, attempts)
        return attempts, verdict.rule if isinstance(verdict, Skipped) else None


LOSSES: tuple[type[FatalWorkerError], ...] = (
    FatalWorkerCrashError,
    FatalWorkerExitError,
    FatalWorkerOOMError,
    RowTimeoutError,
)
"""The errors of rows that kill their process."""


@dataclass(frozen=True, slots=True)
class Again:
    """Call the function again, after so many seconds."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class Skipped:
    """Leave the row NULL, because of the matcher at this place in the policy."""

    rule: int


def policy_of(
    on_error: OnError | None, error_handling: ErrorHandlingConfig | None, what: str
) -> ErrorPolicy:
    """Check what the user said about errors and return it as a policy.

    Raises
    ------
    InvalidArgumentError
        Both were given, or something that is no matcher.
    """
    if on_error is not None and error_handling is not None:
        raise InvalidArgumentError(f"{what}: give on_error= or error_handling=, not both.")
    if error_handling is not None:
        if not isinstance(error_handling, ErrorHandlingConfig):
            raise InvalidArgumentError(
                f"{what}: error_handling={error_handling!r}; expected an ErrorHandlingConfig."
            )
        SkipLimit(error_handling.max_skip_count, error_handling.max_skip_fraction)
        return ErrorPolicy(config=error_handling)
    given = [on_error] if isinstance(on_error, Matcher) else on_error
    known = isinstance(given, (list, tuple)) and all(isinstance(m, Matcher) for m in given)
    if given is not None and not known:
        raise InvalidArgumentError(
            f"{what}: on_error={on_error!r}; expected a list of Retry, Skip and Fail, or what "
            "retry_transient(), retry_all(), skip_on_error() and fail_fast() return."
        )
    return ErrorPolicy(tuple(given or ()))
