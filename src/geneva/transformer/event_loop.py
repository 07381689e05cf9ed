"""An event loop for one async function: many calls in flight, results by row.

The loop runs in a thread of its own for as long as the function is in use. So calls go on while
rows are read and values are written, what ``setup()`` opened stays usable, and it works where the
calling thread has a loop already, as in notebooks.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

DEFAULT_IN_FLIGHT = 64
_LOOK_S = 0.05


@attrs.frozen
class Failed:
    """The outcome of a call that raised."""

    cause: BaseException


_PENDING: Any = object()


class Calls:
    """The calls for the rows of one batch.

    Attributes
    ----------
    arguments : list of list
        The arguments, one list per parameter.
    outcomes : list
        What each call returned, or :class:`Failed`.
    """

    def __init__(self, arguments: list[list[Any]]) -> None:
        self.arguments = arguments
        self.outcomes: list[Any] = [_PENDING] * len(arguments[0])
        self.pending = len(self.outcomes)
        self.tasks: set[asyncio.Task[Any]] = set()

    @property
    def done(self) -> bool:
        """Whether every call has ended."""
        return self.pending == 0

    def first(self, rows: int) -> Calls:
        """Return the calls of the first rows, which have ended."""
        part = Calls([column[:rows] for column in self.arguments])
        part.outcomes = self.outcomes[:rows]
        part.pending = 0
        return part

    def ended_before(self) -> int:
        """Return how many rows from the first on have ended, without a gap."""
        return next((i for i, o in enumerate(self.outcomes) if o is _PENDING), len(self.outcomes))


class EventLoop:
    """Calls one async function for many rows at a time.

    Parameters
    ----------
    most
        Most calls in flight.

    Examples
    --------
    >>> async def double(x):
    ...     return 2 * x
    >>> loop = EventLoop(most=8)
    >>> calls = loop.start(double, [[1, 2, 3]])
    >>> loop.wait(calls)
    >>> calls.outcomes
    [2, 4, 6]
    >>> loop.close()
    """

    def __init__(self, most: int = DEFAULT_IN_FLIGHT) -> None:
        self.most = most
        self._loop = asyncio.new_event_loop()
        self._queue: deque[tuple[Callable[..., Any], Calls, int]] = deque()
        self._running = 0
        # Each is written by one thread only: rows that were given, and those begun or dropped.
        self._given = self._taken = 0
        # Set whenever a batch has ended, or there is room for another one.
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="geneva-async", daemon=True)
        self._thread.start()

    @property
    def hungry(self) -> bool:
        """Whether calls may soon be fewer than there could be, because rows are missing."""
        return self._given - self._taken < self.most

    @property
    def busy(self) -> bool:
        """Whether any call is in flight."""
        return self._running > 0

    def call(self, func: Callable[[], Any], timeout_s: float | None = None) -> Any:
        """Call a function in the loop's thread, wait for its end if it is async, and return.

        Raises
        ------
        TimeoutError
            It did not end in time.
        """
        outcome: list[Any] = []
        ended = threading.Event()

        async def run() -> None:
            try:
                result = func()
                outcome.append(await result if inspect.isawaitable(result) else result)
            except BaseException as cause:  # noqa: BLE001 - it is the caller's, not the loop's
                outcome.append(Failed(cause))
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(run(), self._loop)
        try:
            if not ended.wait(timeout_s):
                raise TimeoutError(f"it did not end within {timeout_s:g} seconds")
        finally:
            if not ended.is_set():
                future.cancel()
        if isinstance(outcome[0], Failed):
            raise outcome[0].cause
        return outcome[0]

    def start(self, func: Callable[..., Any], arguments: list[list[Any]]) -> Calls:
        """Queue a call per row, after those that are queued already."""
        calls = Calls(arguments)
        self._given += calls.pending
        self._loop.call_soon_threadsafe(self._enqueue, func, calls)
        return calls

    def wait(self, calls: Calls) -> None:
        """Wait until all calls of a batch have ended; those of others go on meanwhile."""
        while not calls.done:
            self.look()

    def look(self) -> None:
        """Wait until a batch has ended or there is room for another one, but not for long."""
        self._changed.wait(_LOOK_S)
        self._changed.clear()

    def drop_queued(self) -> None:
        """Begin no more of the calls that are queued."""
        self.call(self._clear)

    def cancel(self, calls: Calls) -> None:
        """Cancel the calls of a batch that have not ended, and wait for nothing."""
        with contextlib.suppress(RuntimeError):  # The loop is closed, and its calls with it.
            self._loop.call_soon_threadsafe(self._cancel, calls)

    def close(self, timeout_s: float = 1.0) -> None:
        """Cancel what is left and end the thread."""
        with contextlib.suppress(RuntimeError):  # It was closed before.
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout_s)

    # -- in the loop's thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=0.5))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _enqueue(self, func: Callable[..., Any], calls: Calls) -> None:
        self._queue.extend((func, calls, row) for row in range(len(calls.outcomes)))
        self._refill()

    def _refill(self) -> None:
        while self._running < self.most and self._queue:
            func, calls, row = self._queue.popleft()
            self._taken += 1
            self._running += 1
            task = self._loop.create_task(_one(func, calls, row))
            calls.tasks.add(task)
            task.add_done_callback(partial(self._ended, calls, row))
        if self.hungry:
            self._changed.set()

    def _ended(self, calls: Calls, row: int, task: asyncio.Task[Any]) -> None:
        calls.tasks.discard(task)
        # One that was cancelled before it began has run no line of _one().
        outcome = Failed(asyncio.CancelledError()) if task.cancelled() else task.result()
        calls.outcomes[row] = outcome
        calls.pending -= 1
        self._running -= 1
        if calls.done:
            self._changed.set()
        self._refill()

    def _clear(self) -> None:
        self._taken += len(self._queue)
        self._queue.clear()

    def _cancel(self, calls: Calls) -> None:
        before = len(self._queue)
        self._queue = deque(entry for entry in self._queue if entry[1] is not calls)
        self._taken += before - len(self._queue)
        for task in list(calls.tasks):
            task.cancel()


async def _one(func: Callable[..., Any], calls: Calls, row: int) -> Any:
    try:
        return await func(*[column[row] for column in calls.arguments])
    except BaseException as cause:  # noqa: BLE001 - also what would end the loop
        return Failed(cause)
