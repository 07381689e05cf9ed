"""Calls a function again as a policy says, and says what becomes of its error in the end."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geneva.transformer.policy import Again, ErrorPolicy, Skipped
from geneva.transformer.tenacity_config import UDFRetryConfig

if TYPE_CHECKING:
    from tenacity import Retrying

# An error that is skipped when all attempts are used up.
_ALL_USED = sys.maxsize

Pause = Callable[[float], bool]
"""Waits so many seconds; returns False, as soon as it is known, if the task is to stop instead."""


class Interrupted(Exception):  # noqa: N818 - the task ends before the call, which is no failure
    """The task was asked to stop while a call waited for its next attempt."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How a call that failed ended.

    Attributes
    ----------
    calls : int
        How often the function was called.
    value : object
        What it returned in the end.
    rule : int or None
        The matcher that leaves its rows out; None if there is a value.
    error : BaseException or None
        What was raised last, if there is no value.
    """

    calls: int
    value: Any = None
    rule: int | None = None
    error: BaseException | None = None


class Attempts:
    """Decides about errors of one function.

    Parameters
    ----------
    policy
        What becomes of errors.
    pause
        Waits between attempts.

    Attributes
    ----------
    calls : int
        How often the function was called for what was settled last.

    Examples
    --------
    >>> from geneva.transformer.matchers import Retry, Skip
    >>> policy = ErrorPolicy((Retry(OSError, max_attempts=2), Skip(OSError)))
    >>> attempts = Attempts(policy, pause=lambda seconds: True)
    >>> attempts.settle(OSError("busy"), lambda: 7).value
    7
    """

    def __init__(self, policy: ErrorPolicy, pause: Pause) -> None:
        self.policy = policy
        self.calls = 1
        self._pause = pause

    @property
    def by_tenacity(self) -> bool:
        """Whether tenacity decides when a call is repeated."""
        config = self.policy.config
        return config is not None and config.retry_config.retry is not None

    def verdict(self, error: BaseException, calls: int, jitter: float) -> Again | Skipped | None:
        """Decide about an error after so many calls; None ends the job."""
        return self.policy.verdict(error, calls, jitter)

    def wait(self, seconds: float) -> bool:
        """Wait before a next attempt; return False if the task is to stop instead."""
        return self._pause(seconds)

    def settle(
        self, error: BaseException, again: Callable[[], Any], made: int = 1, *, patient: bool = True
    ) -> Settled:
        """Call again until there is a value, or the error is one to skip.

        Parameters
        ----------
        error
            What the call raised.
        again
            Repeats it.
        made
            Calls so far.
        patient
            False does not call again where the error is one to skip in the end.

        Raises
        ------
        BaseException
            The last error, if it ends the job.
        Interrupted
            The task is to stop.
        """
        self.calls = made
        last = self.policy.verdict(error, _ALL_USED)
        if not patient and isinstance(last, Skipped):
            return Settled(made, rule=last.rule, error=error)
        config = self.policy.config
        if config is not None and self.by_tenacity:
            return self._by_tenacity(
                _retrying(config.retry_config, log=config.log_retry_attempts), error, again
            )
        while True:
            verdict = self.policy.verdict(error, self.calls, random.random())  # noqa: S311
            if isinstance(verdict, Skipped):
                return Settled(self.calls, rule=verdict.rule, error=error)
            if verdict is None:
                raise error
            self._wait(verdict)
            self.calls += 1
            try:
                return Settled(self.calls, again())
            except (Exception, SystemExit) as raised:  # noqa: BLE001 - user code
                error = raised

    def _wait(self, verdict: Again) -> None:
        if not self._pause(verdict.wait_s):
            raise Interrupted

    def _by_tenacity(
        self, retrying: Retrying, error: BaseException, again: Callable[[], Any]
    ) -> Settled:
        """Let tenacity decide about calls after a first one that has failed already."""
        from tenacity import DoAttempt, DoSleep, RetryCallState

        state = RetryCallState(retrying, fn=None, args=(), kwargs={})
        retrying.begin()
        state.set_exception((type(error), error, error.__traceback__))
        while True:
            try:
                step = retrying.iter(state)
            except (Exception, SystemExit) as raised:
                # Its own, when it gives up.
                outcome = state.outcome
                if outcome is None or outcome.exception() is not raised:
                    raise
                verdict = self.policy.verdict(raised, _ALL_USED)
                if isinstance(verdict, Skipped):
                    return Settled(self.calls, rule=verdict.rule, error=raised)
                raise
            if isinstance(step, DoSleep):
                self._wait(Again(float(step)))
                state.prepare_for_next_attempt()
            elif isinstance(step, DoAttempt):
                self.calls += 1
                try:
                    state.set_result(again())
                except (Exception, SystemExit) as raised:  # noqa: BLE001 - user code
                    state.set_exception((type(raised), raised, raised.__traceback__))
            else:
                return Settled(self.calls, step)


def _retrying(config: UDFRetryConfig, *, log: bool) -> Retrying:
    import tenacity

    def after(state: Any) -> None:
        if log:
            print(f"attempt {state.attempt_number} failed: {state.outcome.exception()!r}")  # noqa: T201
        if config.after_attempt is not None:
            config.after_attempt(state)

    return tenacity.Retrying(
        retry=config.retry,
        stop=config.stop or tenacity.stop_after_attempt(3),
        wait=config.wait or tenacity.wait_none(),
        before_sleep=config.before_sleep,
        after=after,
        reraise=True,
    )
