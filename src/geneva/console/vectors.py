"""What is worth knowing of a vector that nobody reads number by number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

_FIRST = 8
_MOST_POINTS = 64


@dataclass(frozen=True, slots=True)
class VectorSummary:
    """A vector in short. Numbers that JSON does not know are None in it.

    Attributes
    ----------
    dimension : int
        How many numbers it has.
    not_finite : int
        How many of them are NULL, NaN or infinite; the rest says nothing of these.
    norm, minimum, maximum : float or None
        Its Euclidean length, least and greatest number.
    first : tuple of float or None
        Its first numbers.
    points : tuple of float or None
        At most 64 numbers for a line: of each stretch the one that is farthest from zero.
    """

    dimension: int
    not_finite: int
    norm: float | None
    minimum: float | None
    maximum: float | None
    first: tuple[float | None, ...]
    points: tuple[float | None, ...]


def summary_of(values: pa.Array) -> VectorSummary:
    """Summarise a vector.

    Examples
    --------
    >>> found = summary_of(pa.array([3.0, -4.0, float("nan")]))
    >>> found.dimension, found.not_finite, found.norm, found.minimum
    (3, 1, 5.0, -4.0)
    >>> found.points
    (3.0, -4.0, None)
    """
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        norm = minimum = maximum = None
    else:
        with np.errstate(over="ignore"):
            norm = _finite(float(np.linalg.norm(finite)))
        minimum, maximum = float(finite.min()), float(finite.max())
    return VectorSummary(
        dimension=len(numbers),
        not_finite=len(numbers) - len(finite),
        norm=norm,
        minimum=minimum,
        maximum=maximum,
        first=tuple(_finite(float(one)) for one in numbers[:_FIRST]),
        points=_points(numbers),
    )


def _points(numbers: np.ndarray) -> tuple[float | None, ...]:
    stretches = np.array_split(numbers, _MOST_POINTS) if len(numbers) > _MOST_POINTS else None
    if stretches is None:
        return tuple(_finite(float(one)) for one in numbers)
    return tuple(_farthest(stretch[np.isfinite(stretch)]) for stretch in stretches)


def _farthest(stretch: np.ndarray) -> float | None:
    return float(stretch[np.argmax(np.abs(stretch))]) if len(stretch) else None


def _finite(value: float) -> float | None:
    # Six digits are enough for a line and a look, and make a page of vectors half as large.
    return float(f"{value:.6g}") if np.isfinite(value) else None
