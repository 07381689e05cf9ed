"""What a setting may be, and its value from the text of an environment variable.

A few lines instead of a library: whoever sets one variable should not wait a tenth of a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

_TRUTH = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a number.

    Attributes
    ----------
    above, least, most : float or None
        What it is greater than, its least and its greatest value.
    """

    above: float | None = None
    least: float | None = None
    most: float | None = None

    def hold(self, number: float) -> bool:
        """Say whether a number lies within them."""
        return (
            (self.above is None or number > self.above)
            and (self.least is None or number >= self.least)
            and (self.most is None or number <= self.most)
        )

    def __str__(self) -> str:
        if self.above is not None:
            return f" greater than {self.above:g}"
        upto = "on" if self.most is None else f"to {self.most:g}"
        return f" from {self.least:g} {upto}"


Positive = Annotated[float, Bounds(above=0)]
AtLeastOne = Annotated[int, Bounds(least=1)]
NotNegative = Annotated[int, Bounds(least=0)]
Port = Annotated[int, Bounds(least=0, most=65535)]


def setting_value(kind: Any, text: str) -> Any:
    """Return the value that a text stands for.

    Parameters
    ----------
    kind
        Type of the setting: ``bool``, a text, a ``Literal`` of texts, or a number with `Bounds`.
    text
        The variable's text.

    Raises
    ------
    ValueError
        It stands for none; the message says what was expected.

    Examples
    --------
    >>> setting_value(Positive, "2"), setting_value(bool, "off"), setting_value(str | None, "x")
    (2.0, False, 'x')
    >>> setting_value(Port, "66000")
    Traceback (most recent call last):
    ValueError: expected a whole number from 0 to 65535
    """
    if kind is bool:
        if text.strip().lower() not in _TRUTH:
            raise ValueError("expected true or false")
        return _TRUTH[text.strip().lower()]
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError("expected " + " or ".join(map(repr, get_args(kind))))
        return text
    if get_origin(kind) is Annotated:
        number, bounds = get_args(kind)
        what = "a whole number" if number is int else "a number"
        try:
            value = number(text)
        except ValueError:
            value = None
        if value is None or not bounds.hold(value):
            raise ValueError(f"expected {what}{bounds}")
        return value
    return text
