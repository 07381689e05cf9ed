"""Ends calls of the function that take too long.

A thread looks at the calls that are running. One that is late is interrupted where it is, like by
Ctrl-C, and fails as a row. A call that does not come back then is blocked outside of Python, so the
process ends itself, and the rows that it computed are found as those of any dead worker. A function
that holds the interpreter lock stops this thread as well; the driver notices that.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from geneva.errors import RowTimeoutError
from geneva.pipeline.flight_recorder import FlightRecorder, Verdict

_EXIT_CODE = 75
_LOOK_S = 0.05
# For code that cleans up when it is interrupted.
_GRACE_S = 1.0


@dataclass(slots=True)
class _Call:
    began_s: float
    interrupted_s: float | None = None


class CallClock:
    """Bounds the time of single calls, in whatever threads they are made.

    Parameters
    ----------
    timeout_s
        Seconds that a call may take.
    recorder
        Notes why the process ends.

    Examples
    --------
    >>> def endless(n):
    ...     while True:
    ...         n += 1
    >>> clock = CallClock(0.1, FlightRecorder(None))
    >>> clock.bounded(endless)(1)
    Traceback (most recent call last):
    geneva.errors.RowTimeoutError: the call took longer than row_timeout, which is 0.1 s
    >>> clock.close()
    """

    def __init__(self, timeout_s: float, recorder: FlightRecorder) -> None:
        self._timeout_s = timeout_s
        self._recorder = recorder
        self._calls: dict[int, _Call] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="geneva-call-clock", daemon=True).start()

    def bounded(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same within the time, or raises RowTimeoutError."""

        @functools.wraps(func, updated=())
        def call(*args: Any) -> Any:
            thread = threading.get_ident()
            mine = _Call(time.monotonic())
            try:
                try:
                    self._calls[thread] = mine
                    return func(*args)
                finally:
                    self._end(thread, mine)
            except RowTimeoutError as interruption:
                # It may have arrived in the middle of the line above.
                self._end(thread, mine)
                raise _late(self._timeout_s).with_traceback(interruption.__traceback__) from None

        return call

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()

    def _end(self, thread: int, call: _Call) -> None:
        self._calls.pop(thread, None)
        with self._lock:
            # Nobody is about to interrupt it any more; what has not arrived must not arrive later.
            if call.interrupted_s is not None:
                _interrupt(thread, None)

    def _watch(self) -> None:
        while not self._closed.wait(min(_LOOK_S, self._timeout_s / 4)):
            now_s = time.monotonic()
            with self._lock:
                for thread, call in list(self._calls.items()):
                    if self._calls.get(thread) is not call:
                        continue
                    if call.interrupted_s is None:
                        if now_s - call.began_s > self._timeout_s:
                            call.interrupted_s = now_s
                            _interrupt(thread, RowTimeoutError)
                    elif now_s - call.interrupted_s > _GRACE_S:
                        self._recorder.condemn(Verdict.too_slow())
                        os._exit(_EXIT_CODE)


def bounded_async(
    timeout_s: float, func: Callable[..., Coroutine[Any, Any, Any]]
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return an async function that does the same within the time, or raises RowTimeoutError."""
    # Not for functions that are not async.
    import asyncio

    @functools.wraps(func, updated=())
    async def call(*args: Any) -> Any:
        task = asyncio.ensure_future(func(*args))
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout_s)
        finally:
            task.cancel()  # Of a call that has ended this does nothing.
        if not done:
            raise _late(timeout_s)
        return task.result()

    return call


def _late(timeout_s: float) -> RowTimeoutError:
    return RowTimeoutError(f"the call took longer than row_timeout, which is {timeout_s:g} s")


def _interrupt(thread: int, error: type[BaseException] | None) -> None:
    """Raise an error in another thread as soon as it runs Python again; None takes it back."""
    raised = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
