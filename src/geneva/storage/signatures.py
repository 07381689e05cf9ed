"""Sign definitions of computed columns, so that only functions of those who have the key run.

The signature covers all that decides what runs and on what: the column's name and type, the
function with its inputs and options, and its pickle, by the digest that is the pickle's name. It
does not cover the table: a copy of a table goes on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import MISSING, fields, replace
from typing import Any

from geneva.errors import UntrustedFunctionError
from geneva.storage.model import ComputedColumn

_SCHEME = "hmac-sha256:"
# The id is given when the column is declared, and whether values may be another function's decides
# nothing about what runs.
_NOT_SIGNED = frozenset(["field_id", "repointed", "signature", "outputs", "targets"])


def signature_of(column: ComputedColumn, key: str) -> str:
    """Return the signature of a definition.

    Examples
    --------
    >>> import pyarrow as pa
    >>> column = ComputedColumn("c", 3, pa.int8(), False, "f", "1", "_udfs/0f", ("a",))
    >>> signature_of(column, "secret") == signature_of(replace(column, field_id=4), "secret")
    True
    >>> altered = replace(column, payload="_udfs/1a")
    >>> signature_of(column, "secret") == signature_of(altered, "secret")
    False
    """
    return _SCHEME + hmac.new(key.encode(), _text(column).encode(), hashlib.sha256).hexdigest()


def is_signed(column: ComputedColumn, key: str) -> bool:
    """Say whether a definition is signed with a key, and as it was signed."""
    return hmac.compare_digest(column.signature.encode(), signature_of(column, key).encode())


def signed(column: ComputedColumn, key: str | None) -> ComputedColumn:
    """Return a definition with its signature; without one if there is no key."""
    return replace(column, signature="" if key is None else signature_of(column, key))


def check_signature(column: ComputedColumn, key: str, table: str) -> None:
    """Refuse a function that is not signed.

    Raises
    ------
    UntrustedFunctionError
        Which function of which column, who is said to have stored it, and what is wrong with it.
    """
    if is_signed(column, key):
        return
    wrong = "is not signed"
    if column.signature:
        wrong = "is signed with another key, or was altered after it was signed"
    raise UntrustedFunctionError(
        f"The function {said(column, table)} {wrong}. It was not loaded. If you trust it, attach "
        "it again from its source, in a process that has the key: "
        f"alter_columns({{'path': {column.name!r}, 'udf': {column.udf_name}}})."
    )


def said(column: ComputedColumn, table: str) -> str:
    """Name a stored function: what it is, of which column, and who is said to have stored it."""
    by = f"by {column.stored_by}" if column.stored_by else "by somebody who is not named"
    at = f" on {column.stored_at[:10]}" if column.stored_at else ""
    version = column.udf_version
    short = f"{version[:8]}…" if len(version) > 16 else version
    return f"{column.udf_name} (version {short}) of {table}.{column.name}, stored {by}{at},"


def _text(column: ComputedColumn) -> str:
    """Return all that is signed, the same for equal definitions and for no others."""
    given: dict[str, Any] = {}
    for field in fields(column):
        value = getattr(column, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        # What a later release adds and a definition does not use leaves its signature as it is.
        if field.name not in _NOT_SIGNED and value != default:
            given[field.name] = value
    return json.dumps(given, sort_keys=True, default=str)
