"""What says which errors are retried, skipped or the end of the job: matchers and limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from geneva.errors import FatalWorkerTransientError, InvalidArgumentError
from geneva.transformer.backoff import BACKOFFS

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
