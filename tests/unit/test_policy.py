"""Policies for rows that fail: what they accept, and what they decide."""

from __future__ import annotations

import pickle

import pytest
import tenacity

from geneva import errors
from geneva.pipeline.attempts import Attempts, Interrupted
from geneva.transformer.backoff import wait_s
from geneva.transformer.matchers import (
    Fail,
    Retry,
    Skip,
    SkipLimit,
    fail_fast,
    retry_all,
    retry_transient,
    skip_on_error,
)
from geneva.transformer.policy import Again, ErrorPolicy, Skipped, policy_of
from geneva.transformer.tenacity_config import ErrorHandlingConfig, FaultIsolation, UDFRetryConfig


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Retry("ValueError"),
        lambda: Retry(ValueError()),
        lambda: Retry(ValueError, match="("),
        lambda: Retry(ValueError, match=3),
        lambda: Retry(ValueError, max_attempts=0),
        lambda: Retry(ValueError, max_attempts=True),
        lambda: Retry(ValueError, backoff="quadratic"),
        lambda: Skip(ValueError, max_skip_count=-1),
        lambda: Skip(ValueError, max_skip_count=1.5),
        lambda: Skip(ValueError, max_skip_fraction=2),
        lambda: Skip(ValueError, max_skip_fraction=True),
        lambda: SkipLimit.of("many"),
        lambda: SkipLimit.of(-1),
        lambda: SkipLimit.of(1.5),
        lambda: policy_of("skip", None, "udf f"),
        lambda: policy_of([ValueError], None, "udf f"),
        lambda: policy_of([], ErrorHandlingConfig(), "udf f"),
        lambda: policy_of(None, "skip", "udf f"),
    ],
)
def test_what_cannot_be_used_is_refused(wrong):
    with pytest.raises(errors.InvalidArgumentError, match=r"expected|not both"):
        wrong()


def test_matchers_are_asked_in_order_and_exhausted_retries_pass_on():
    policy = ErrorPolicy(
        (
            Fail(ValueError, match="schema"),
            Retry(ConnectionError, max_attempts=3, backoff="fixed"),
            Skip(ConnectionError, ValueError),
        )
    )
    assert policy.verdict(ValueError("wrong schema"), 1) is None
    assert policy.verdict(ConnectionError(), 1, jitter=0) == Again(1.0)
    assert policy.verdict(ConnectionError(), 3) == Skipped(2)
    assert policy.verdict(ValueError("other"), 1) == Skipped(2)
    assert policy.verdict(KeyError(), 1) is None
    assert ErrorPolicy(tuple(fail_fast())).verdict(KeyError(), 1) is None
    assert ErrorPolicy(tuple(retry_all(2))).verdict(KeyError(), 1) is not None
    assert ErrorPolicy(tuple(skip_on_error())).verdict(SystemExit(), 1) == Skipped(0)


@pytest.mark.parametrize("backoff", ["exponential", "linear", "fixed"])
def test_waits_grow_as_they_say_and_stay_within_a_minute_and_a_half(backoff):
    waits = [wait_s(backoff, n, jitter=0.0) for n in range(1, 100)]
    assert waits == sorted(waits)
    assert max(waits) == (1.0 if backoff == "fixed" else 60.0)
    assert max(wait_s(backoff, n, jitter=1.0) for n in range(1, 100)) <= 90


class _HTTPError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status_code = status


class _ElsewhereError(Exception):
    """Like an error of a client that has no useful base class."""


_ElsewhereError.__module__, _ElsewhereError.__qualname__ = "httpx", "TransportError"


def test_transient_errors_are_known_also_where_clients_have_their_own_classes():
    [transient] = retry_transient()
    matched = (TimeoutError(), ConnectionResetError(), _HTTPError(503), _HTTPError(429))
    assert all(map(transient.matches, (*matched, _ElsewhereError())))
    assert not any(map(transient.matches, (_HTTPError(404), ValueError(), OSError("disk full"))))


def test_policies_travel_and_compare():
    matchers = [Retry(OSError, match="x"), Skip(max_skip_fraction=0.5), Fail(ValueError)]
    assert pickle.loads(pickle.dumps(matchers)) == matchers
    assert Retry(OSError) != Retry(OSError, max_attempts=4)
    assert len({Retry(OSError), Retry(OSError), Skip(OSError)}) == 2
    assert repr(matchers[0]) == "Retry(OSError, match='x', max_attempts=3)"


def test_the_driver_learns_what_becomes_of_rows_that_kill_their_worker():
    losses = ErrorPolicy(
        (Retry(errors.FatalWorkerOOMError, max_attempts=2), Skip(errors.FatalWorkerError))
    ).losses()
    assert losses["FatalWorkerOOMError"] == (2, 1)
    assert losses["FatalWorkerCrashError"] == (1, 1)
    assert ErrorPolicy().losses()["RowTimeoutError"] == (1, None)
    assert ErrorPolicy(tuple(skip_on_error())).losses()["FatalWorkerExitError"] == (1, 0)


def flaky(times: int, error: type[Exception] = ConnectionError):
    calls = []

    def call():
        calls.append(1)
        if len(calls) < times:
            raise error(f"call {len(calls)}")
        return len(calls)

    return call


def settle(policy: ErrorPolicy, again, waits: list[float] | None = None):
    def pause(seconds: float) -> bool:
        if waits is not None:
            waits.append(seconds)
        return True

    attempts = Attempts(policy, pause)
    try:
        again()
    except Exception as error:  # noqa: BLE001 - as the applier does
        return attempts.settle(error, again)
    raise AssertionError("it was to fail")


def test_attempts_end_with_a_value_a_skip_or_the_last_error():
    waits: list[float] = []
    policy = ErrorPolicy((Retry(ConnectionError, max_attempts=4),))
    settled = settle(policy, flaky(3), waits)
    assert (settled.value, settled.calls, len(waits)) == (3, 3, 2)
    assert 1 <= waits[0] <= 1.5 <= 2 <= waits[1] <= 3
    with pytest.raises(ConnectionError, match="call 4"):
        settle(policy, flaky(9))
    skipping = ErrorPolicy((*policy.matchers, Skip(ConnectionError)))
    assert settle(skipping, flaky(9)).rule == 1
    with pytest.raises(ValueError, match="call 1"):
        settle(policy, flaky(9, ValueError))


def test_a_task_that_is_to_stop_waits_for_no_attempt():
    attempts = Attempts(ErrorPolicy(tuple(retry_all())), lambda seconds: False)
    with pytest.raises(Interrupted):
        attempts.settle(ValueError(), lambda: 1)


@pytest.mark.parametrize("isolation", FaultIsolation)
def test_tenacity_decides_when_it_is_asked(isolation, capsys):
    seen = []
    retry = UDFRetryConfig(
        retry=tenacity.retry_if_exception_type(ConnectionError),
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_fixed(7),
        before_sleep=seen.append,
    )
    policy = policy_of(
        None,
        ErrorHandlingConfig(retry_config=retry, fault_isolation=isolation, log_retry_attempts=True),
        "udf f",
    )
    waits: list[float] = []
    settled = settle(policy, flaky(3), waits)
    assert (settled.value, settled.calls, waits, len(seen)) == (3, 3, [7.0, 7.0], 2)
    assert "attempt 1 failed: ConnectionError('call 1')" in capsys.readouterr().out
    for again, error, calls in ((flaky(9), ConnectionError, 3), (flaky(9, KeyError), KeyError, 1)):
        if isolation is FaultIsolation.SKIP_ROWS:
            settled = settle(policy, again)
            assert (settled.rule, type(settled.error), settled.calls) == (0, error, calls)
        else:
            with pytest.raises(error):
                settle(policy, again)


def test_the_ready_made_configuration_retries_what_heals():
    config = UDFRetryConfig.retry_transient(max_attempts=2)
    policy = policy_of(None, ErrorHandlingConfig(retry_config=config), "udf f")
    assert settle(policy, flaky(2)).value == 2
    with pytest.raises(ValueError, match="call 1"):
        settle(policy, flaky(2, ValueError))
    none = policy_of(None, ErrorHandlingConfig(), "udf f")
    with pytest.raises(ConnectionError):
        settle(none, flaky(2))
