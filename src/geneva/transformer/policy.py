"""What becomes of a row whose computation fails: retried, skipped, or the end of the job.

A policy is a list of matchers. They are asked in order; the first that matches an error decides. A
:class:`Retry` whose attempts are used up passes the error on to the matchers after it, and what
nobody matches fails the job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from geneva.errors import (
    FatalWorkerCrashError,
    FatalWorkerError,
    FatalWorkerExitError,
    FatalWorkerOOMError,
    InvalidArgumentError,
    RowTimeoutError,
)
from geneva.transformer.backoff import wait_s
from geneva.transformer.matchers import Matcher, Retry, Skip, SkipLimit
from geneva.transformer.tenacity_config import ErrorHandlingConfig, FaultIsolation

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
