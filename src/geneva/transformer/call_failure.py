"""How a failed call of a user's function is told, and who is asked what becomes of its row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pyarrow as pa

Recover: TypeAlias = "Callable[[int, BaseException, Callable[[], Any], Callable[[], str]], Any]"
"""Is asked about a row that failed: its place in the batch, the error, what calls the function for
it again, and what words its inputs. Returns the row's value, None for one that is left out, or
raises what ends the batch."""


class CallFailed(Exception):  # noqa: N818 - it reports a failure, the user sees a UDFError
    """The function raised, or what it returned does not fit; internal to the applier.

    Attributes
    ----------
    row : int or None
        Row of the batch that failed; None when the function takes whole batches.
    cause : BaseException
        The user's exception, or the mismatch.
    computed : pa.Array
        Values of the rows before the failing one.
    inputs : str
        What the function was called with, shortened.
    function : int
        Which one failed, of several that are called on the same rows.
    rest : tuple or None
        Of an async function, whose calls for the rows after the failing one have ended as well: the
        values of those rows, NULL where they failed, and for each that failed its row of the
        batch, its cause and its inputs. None where those rows were not computed.
    """

    def __init__(
        self,
        row: int | None,
        cause: BaseException,
        computed: pa.Array,
        inputs: str,
        rest: tuple[pa.Array, tuple[tuple[int, BaseException, str], ...]] | None = None,
    ) -> None:
        super().__init__(str(cause))
        self.row = row
        self.cause = cause
        self.computed = computed
        self.inputs = inputs
        self.function = 0
        self.rest = rest
