"""HTML out of values: what is not made here is escaped, whatever it holds."""

from __future__ import annotations

_VOID = {"img", "polyline", "line"}


class Html(str):
    """Text that is HTML already; all other text is escaped where it is put into it."""

    __slots__ = ()


def tag(name: str, *content: str, **attributes: str | int | bool | None) -> Html:
    """Return an element.

    Parameters
    ----------
    name
        Its name.
    *content
        What is in it; texts are escaped, :class:`Html` is not.
    **attributes
        Its attributes, without those that are None or False; ``True`` gives one without a value.
        Of names, a ``_`` at the end is left out, and others are ``-``.

    Examples
    --------
    >>> tag("td", "a < b", tag("b", "&"), class_="x", title='"', hidden=False)
    '<td class="x" title="&quot;">a &lt; b<b>&amp;</b></td>'
    """
    said = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escaped(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{said}>")
    return Html(f"<{name}{said}>{joined(*content)}</{name}>")


def joined(*content: str) -> Html:
    """Return pieces one after the other; texts are escaped.

    Examples
    --------
    >>> joined("<", tag("i", "x"))
    '&lt;<i>x</i>'
    """
    return Html("".join(one if isinstance(one, Html) else escaped(one) for one in content))


def escaped(text: str) -> str:
    """Return text as HTML that shows it."""
    # Not loaded by jobs, whose results can show themselves but hardly ever do.
    from html import escape

    return escape(text)
