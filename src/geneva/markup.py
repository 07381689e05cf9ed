"""Small pieces of HTML for notebooks: inline styles only, no scripts, for light and dark."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from geneva.html import Html, escaped

MOST_ROWS = 100
_LONGEST = 400
_LINE = "rgba(128,128,128,.35)"
# Each is readable on white and on black.
_TONES = {"good": "#2b9348", "bad": "#d64545", "busy": "#3d82d6", "care": "#b7791f", "": "#808080"}


def text(value: object, longest: int = _LONGEST) -> Html:
    """Write text that users chose, shortened.

    Examples
    --------
    >>> text("<script>"), text("abcdef", 3), text(text("<"))
    ('&lt;script&gt;', 'ab…', '&lt;')
    """
    if isinstance(value, Html):
        return value
    words = str(value)
    return Html(escaped(words if len(words) <= longest else f"{words[: longest - 1]}…"))


def number(value: int | None) -> str:
    """Write a count; nothing where there is none."""
    return "" if value is None else f"{value:,}"


def badge(word: str, tone: str = "") -> Html:
    """Write a state so that it is seen.

    Parameters
    ----------
    word
        The state.
    tone
        "good", "bad", "busy" or "care".
    """
    color = _TONES[tone]
    style = f"color:{color};border:1px solid {color};border-radius:3px;padding:0 4px"
    return Html(f'<span style="{style}">{text(word)}</span>')


def bar(done: int, total: int, tone: str = "busy") -> Html:
    """Draw how much of something is done.

    Examples
    --------
    >>> "width:50%" in bar(1, 2), "width:0%" in bar(0, 0)
    (True, True)
    """
    share = min(100, 100 * done // total) if total else 0
    outer = f"display:inline-block;width:12em;height:.7em;background:{_LINE};border-radius:3px"
    inner = f"width:{share}%;height:100%;background:{_TONES[tone]};border-radius:3px"
    return Html(f'<span style="{outer}"><span style="display:block;{inner}"></span></span>')


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    numbers: Collection[int] = (),
) -> Html:
    """Write a table, not more than a hundred rows of it.

    Parameters
    ----------
    head
        Names of the columns.
    rows
        Their cells.
    numbers
        Columns that are set to the right.

    Examples
    --------
    >>> cells = table(["n"], [["<b>"]])
    >>> "&lt;b&gt;" in cells, "<b>" in cells
    (True, False)
    """
    lines = [_row("th", head, numbers)] if any(head) else []
    lines += [_row("td", row, numbers) for row in rows[:MOST_ROWS]]
    left = len(rows) - MOST_ROWS
    more = f"<div>and {left:,} more</div>" if left > 0 else ""
    return Html(f'<table style="border-collapse:collapse">{"".join(lines)}</table>{more}')


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Write what is known of something; what is empty is left out."""
    rows = [(Html(f"<b>{text(name)}</b>"), value) for name, value in pairs if value]
    return table(("", ""), rows)


def folded(title: str, content: str) -> Html:
    """Write long text that is shown when somebody asks for it."""
    inside = f'<pre style="white-space:pre-wrap">{text(content, 20_000)}</pre>'
    return Html(f"<details><summary>{text(title)}</summary>{inside}</details>")


def block(title: object, *parts: object) -> str:
    """Write something with its title.

    Examples
    --------
    >>> block("docs", "2 rows")
    '<div><div><b>docs</b></div><div>2 rows</div></div>'
    """
    inside = "".join(f"<div>{text(part)}</div>" for part in parts if part)
    return f"<div><div><b>{text(title)}</b></div>{inside}</div>"


def worded(said: object) -> str:
    r"""Write what is said in lines, the first as its title.

    Examples
    --------
    >>> worded("docs\n  a < b")
    '<div><div><b>docs</b></div><div><pre>  a &lt; b</pre></div></div>'
    """
    title, _, rest = str(said).partition("\n")
    return block(title, Html(f"<pre>{text(rest, 20_000)}</pre>") if rest else "")


class Told(str):
    """A text that a notebook shows as one, and not in quotes."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return f"<div>{text(self, 20_000)}</div>"


def _row(tag: str, cells: Sequence[object], numbers: Collection[int]) -> str:
    line = f"border-bottom:1px solid {_LINE};padding:2px 8px;vertical-align:top;text-align:"
    written = (
        f'<{tag} style="{line}{"right" if i in numbers else "left"}">{text(cell)}</{tag}>'
        for i, cell in enumerate(cells)
    )
    return f"<tr>{''.join(written)}</tr>"
