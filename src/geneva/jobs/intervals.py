"""From values that were seen to those that will come, with bounds: Student's statistics. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Interval:
    """A value that is estimated, and between what it lies with a probability of 90 %.

    Attributes
    ----------
    value, low, high : float
        The estimate and the bounds.
    """

    value: float
    low: float
    high: float

    def scaled(self, factor: float, plus: float = 0.0) -> Interval:
        """Return the interval times a factor, moved by a constant.

        Examples
        --------
        >>> Interval(2.0, 1.0, 4.0).scaled(10, plus=1)
        Interval(value=21.0, low=11.0, high=41.0)
        """
        return Interval(*(x * factor + plus for x in (self.value, self.low, self.high)))


def student_t(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t distribution.

    Exact for one and two degrees of freedom. Beyond that the expansion around the normal quantile
    (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5), whose error is below 0.02
    for probabilities up to 0.975.

    Examples
    --------
    >>> [round(student_t(0.95, freedom), 2) for freedom in (1, 2, 5, 30)]
    [6.31, 2.92, 2.01, 1.7]
    """
    if freedom == 1:
        return math.tan(math.pi * (probability - 0.5))
    if freedom == 2:
        return (2 * probability - 1) * math.sqrt(2 / (4 * probability * (1 - probability)))
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return sum((term / float(freedom) ** power for power, term in enumerate(terms)), 0.0)


def total(sample: Sequence[float], number: float, level: float = LEVEL) -> Interval | None:
    r"""Estimate the sum of ``number`` further values like those of a sample.

    The prediction interval for the mean of m new values after n seen ones,
    :math:`\bar{x} \pm t_{n-1} s \sqrt{1/n + 1/m}`, times m (Hahn and Meeker, Statistical Intervals,
    section 4.7). It is exact for normal values, and close for others when n is 30 or more; with few
    values of a long tail it is too narrow.

    Parameters
    ----------
    sample
        What was seen.
    number
        How many values the sum has.
    level
        Probability that the sum lies within the bounds.

    Returns
    -------
    Interval or None
        Its lower bound is never below 0. None for fewer than two values, unless nothing else can
        come.

    Examples
    --------
    >>> total([1.0, 2.0, 3.0], 100).value
    200.0
    >>> total([8.0, 8.0], 100)
    Interval(value=800.0, low=800.0, high=800.0)
    """
    if len(sample) < 2 or number <= 0:
        return None
    mean = fmean(sample)
    spread = stdev(sample) * math.sqrt(1 / len(sample) + 1 / number)
    margin = student_t(0.5 + level / 2, len(sample) - 1) * spread
    return Interval(mean * number, max(0.0, mean - margin) * number, (mean + margin) * number)


def largest(sample: Sequence[float], level: float = LEVEL) -> Interval:
    r"""Estimate the largest value that comes, from a few that were seen.

    From the mean, through the largest seen, to the bound that one more value stays below with this
    probability, :math:`\bar{x} + t_{n-1} s \sqrt{1 + 1/n}` (Hahn and Meeker, section 4.7), if that
    is higher.

    Examples
    --------
    >>> largest([4.0, 4.0, 4.0])
    Interval(value=4.0, low=4.0, high=4.0)
    """
    mean, most = fmean(sample), max(sample)
    high = most
    if len(sample) > 1:
        margin = student_t(level, len(sample) - 1) * math.sqrt(1 + 1 / len(sample))
        high = max(most, mean + margin * stdev(sample))
    return Interval(most, mean, high)
