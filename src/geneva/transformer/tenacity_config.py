"""What becomes of rows that fail, in the terms of tenacity."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import attrs

from geneva.transformer.matchers import retry_transient


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
