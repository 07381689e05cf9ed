"""Read what was given as the transform of a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geneva.errors import InvalidArgumentError
from geneva.transformer.udf import UDF


def function_of(name: str, transform: Any) -> tuple[UDF | None, Sequence[str] | None]:
    """Return the function, and the columns given with it, if a transform is one."""
    given: Sequence[str] | None = None
    if isinstance(transform, tuple) and len(transform) == 2:
        transform, given = transform
    if isinstance(transform, UDF):
        return transform, given
    if isinstance(transform, str) or not callable(transform):
        return None, None
    if hasattr(transform, "__wrapped__"):
        built = transform()
        if isinstance(built, UDF):
            return built, given
    described = getattr(transform, "__name__", repr(transform))
    raise InvalidArgumentError(
        f"Column {name!r}: {described} is not decorated. Put @geneva.udf above it, or write "
        f"geneva.udf({described})."
    )
