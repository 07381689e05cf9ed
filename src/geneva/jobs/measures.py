"""Short texts of times and sizes, from very small ones on."""

from __future__ import annotations

_SIZES = ("bytes", "KiB", "MiB", "GiB", "TiB")


def duration(seconds: float) -> str:
    """Write a time with two or three digits.

    Examples
    --------
    >>> [duration(s) for s in (0.0000123, 0.0456, 7.25, 95, 5400, 200_000)]
    ['12 µs', '46 ms', '7.2 s', '95 s', '1.5 h', '2.3 days']
    """
    for factor, unit, most in ((1e6, "µs", 1e-3), (1e3, "ms", 1.0), (1.0, "s", 120.0)):
        if seconds < most:
            return f"{_digits(seconds * factor)} {unit}"
    for factor, unit, most in ((60.0, "min", 5400.0), (3600.0, "h", 172_800.0)):
        if seconds < most:
            return f"{_digits(seconds / factor)} {unit}"
    return f"{_digits(seconds / 86_400)} days"


def amount(number: float) -> str:
    """Write a number of bytes in the unit that suits it.

    Examples
    --------
    >>> [amount(n) for n in (8, 1536, 5 << 20, 3 << 40)]
    ['8 bytes', '1.5 KiB', '5.0 MiB', '3.0 TiB']
    """
    for unit in _SIZES:
        if number < 1024 or unit == _SIZES[-1]:
            break
        number /= 1024
    return f"{number:,.0f} {unit}" if unit == "bytes" else f"{_digits(number)} {unit}"


def _digits(number: float) -> str:
    return f"{number:.1f}" if number < 10 else f"{number:,.0f}"
