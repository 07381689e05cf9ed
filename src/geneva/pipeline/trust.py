"""Before a stored function runs: refuse it, or say whose it is."""

from __future__ import annotations

from collections.abc import Callable

from geneva.config import signing_key
from geneva.storage.author import this_author
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.storage.signatures import check_signature, said

# What was said once need not be said with every backfill of a session.
_named: set[tuple[str, str]] = set()


def check_trust(
    location: TableLocation, column: ComputedColumn, warn: Callable[[str], None]
) -> None:
    """See that a column's function may run, before a job of it begins.

    With a key, only what is signed with it may. Without one, a function that somebody else stored
    is named once in a session.

    Parameters
    ----------
    location, column
        The table and the column.
    warn
        Takes the warning.

    Raises
    ------
    UntrustedFunctionError
        There is a key, and the definition is not signed with it.
    """
    key = signing_key()
    if key is not None:
        check_signature(column, key, location.name)
        return
    known = (f"{location.uri}#{column.name}", column.payload)
    if column.stored_by == this_author() or known in _named:
        return
    _named.add(known)
    warn(
        f"This runs code that was not stored here: {said(column, location.name)} is run as "
        f"{this_author()}. Set GENEVA_UDF_SIGNING_KEY to accept only signed functions."
    )
