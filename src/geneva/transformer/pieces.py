"""Batch functions that yield: pieces of values that together have a value per row.

A function that takes an iterator of batches is begun once per thread and kept: it is given the next
batch when it asks for it, so what it made before its loop serves all batches. The pieces of one
batch come before it asks for the next, which is what makes each batch durable, and repeatable, on
its own.
"""

from __future__ import annotations

import collections.abc
import contextlib
import threading
import typing
from collections.abc import Callable, Iterator
from typing import Any

_ITERATORS = (collections.abc.Iterator, collections.abc.Iterable)
_YIELDED = (*_ITERATORS, collections.abc.Generator)


class WrongPieces(Exception):  # noqa: N818 - becomes the mismatch that the user reads
    """The pieces do not go with the rows of the batch."""


def iterated(hint: Any) -> Any:
    """Return what an iterator in a parameter's annotation gives; None for other annotations.

    Examples
    --------
    >>> iterated(Iterator[int]), iterated(list[int])
    (<class 'int'>, None)
    """
    return _item(hint, _ITERATORS)


def yielded(hint: Any) -> Any:
    """Return what an iterator or generator in a return annotation gives; None for others."""
    return _item(hint, _YIELDED)


def _item(hint: Any, origins: tuple[Any, ...]) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) in origins else None


def gathered(pieces: Iterator[Any], rows: int, size_of: Callable[[Any], int]) -> list[Any]:
    """Take all pieces of one batch.

    Raises
    ------
    WrongPieces
        They have more or fewer values than the batch has rows.
    """
    found = taken(pieces, rows, size_of)
    for piece in pieces:
        if more := size_of(piece):
            raise WrongPieces(f"{_wanted(rows)}, got at least {rows + more}")
    return found


def taken(pieces: Iterator[Any], rows: int, size_of: Callable[[Any], int]) -> list[Any]:
    """Take pieces until they have a value for each row.

    Raises
    ------
    WrongPieces
        They have more or fewer values than the batch has rows.
    """
    found: list[Any] = []
    got = 0
    while got < rows:
        try:
            piece = next(pieces)
        except StopIteration:
            raise WrongPieces(f"{_wanted(rows)}, got {got} in {_pieces(len(found))}") from None
        found.append(piece)
        got += size_of(piece)
        if got > rows:
            raise WrongPieces(f"{_wanted(rows)}, got {got} in {_pieces(len(found))}")
    return found


class _ReturnedError(Exception):
    """A function returned before it asked for the batch."""


class Streams:
    """The running calls of a function that takes an iterator of batches, one per thread.

    Parameters
    ----------
    func
        The function.

    Examples
    --------
    >>> def doubled(batches):
    ...     for batch in batches:
    ...         yield [2 * x for x in batch]
    >>> streams = Streams(doubled)
    >>> streams.pieces([1, 2], 2, len), streams.pieces([3], 1, len)
    ([[2, 4]], [[6]])
    >>> streams.close()
    """

    def __init__(self, func: Callable[[Iterator[Any]], Any]) -> None:
        self._func = func
        self._by_thread: dict[int, _Stream] = {}

    def pieces(self, batch: Any, rows: int, size_of: Callable[[Any], int]) -> list[Any]:
        """Give the calling thread's call a batch, and return what it yields for it.

        Raises
        ------
        WrongPieces
            They have more or fewer values than the batch has rows, or the function asked for the
            next batch before it had yielded all values of this one.
        """
        thread = threading.get_ident()
        stream = self._by_thread.get(thread)
        try:
            if stream is not None:
                with contextlib.suppress(_ReturnedError):  # It takes a few batches, or one.
                    return stream.pieces(batch, rows, size_of)
            stream = self._by_thread[thread] = _Stream(self._func)
            return stream.pieces(batch, rows, size_of)
        except _ReturnedError:
            del self._by_thread[thread]
            raise WrongPieces(f"{_wanted(rows)}, got none: it returned without a batch") from None
        except BaseException:
            # A generator that raised is over; the next batch begins another one.
            del self._by_thread[thread]
            raise

    def close(self) -> None:
        """Let the functions' loops end, so that what follows them is run.

        Raises
        ------
        Exception
            What a function raises there.
        """
        streams, self._by_thread = list(self._by_thread.values()), {}
        for stream in streams:
            stream.finish()


class _Stream:
    """One call of the function and the batches that it is given."""

    def __init__(self, func: Callable[[Iterator[Any]], Any]) -> None:
        self._batches = _Batches()
        self._pieces = iter(func(self._batches))

    def pieces(self, batch: Any, rows: int, size_of: Callable[[Any], int]) -> list[Any]:
        self._batches.next_batch = batch
        try:
            return taken(self._checked(size_of), rows, size_of)
        except WrongPieces as wrong:
            if self._batches.asked_early:
                raise WrongPieces(f"{wrong}, before it asked for the next batch") from None
            raise

    def _checked(self, size_of: Callable[[Any], int]) -> Iterator[Any]:
        for piece in self._pieces:
            if self._batches.next_batch is not None and (more := size_of(piece)):
                raise WrongPieces(f"got {more} more values after those of the batch before")
            yield piece
        if self._batches.next_batch is not None:
            raise _ReturnedError

    def finish(self) -> None:
        self._batches.over = True
        if any(True for _ in self._pieces):
            raise WrongPieces("got more values after those of the last batch")


class _Batches(Iterator[Any]):
    """Gives the batch that is there; ends when there is none."""

    def __init__(self) -> None:
        self.next_batch: Any = None
        self.asked_early = self.over = False

    def __next__(self) -> Any:
        batch, self.next_batch = self.next_batch, None
        if batch is None:
            self.asked_early = not self.over
            raise StopIteration
        return batch


def _wanted(rows: int) -> str:
    return f"expected {rows} values, one per row of the batch"


def _pieces(count: int) -> str:
    return f"{count} piece{'' if count == 1 else 's'}"
