"""What is computed of columns, as HTML: a chip for the state, a bar and words for the rows."""

from __future__ import annotations

from geneva.html import Html, joined, tag
from geneva.overview import ColumnLine

# Each has a sign and a word beside its colour, for those who do not see colours.
SIGNS = {
    "fresh": "✓",
    "stale": "↻",
    "missing": "◌",
    "failed": "✕",
    "unreadable": "!",
    "unknown": "?",
}
WORDS = {
    "missing": "not computed",
    "unreadable": "cannot be read",
    "unknown": "of another program",
}
_COUNTS = ("fresh", "stale", "failed", "missing")


def chip(state: str, text: str = "", *, title: str | None = None) -> Html:
    """Return a state as a chip.

    Examples
    --------
    >>> chip("stale")
    '<span class="gv-chip gv-stale"><span aria-hidden="true">↻</span> stale</span>'
    """
    sign = tag("span", SIGNS.get(state, "?"), aria_hidden="true")
    words = f" {text or WORDS.get(state, state)}"
    return tag("span", sign, words, class_=f"gv-chip gv-{state}", title=title)


def counts_of(line: ColumnLine) -> dict[str, int]:
    """Return the rows in each state that has some.

    Examples
    --------
    >>> counts_of(ColumnLine("docs", "c", "int64", "missing", rows=9, fresh=4, missing=5, stale=0))
    {'fresh': 4, 'missing': 5}
    """
    return {state: rows for state in _COUNTS if (rows := getattr(line, state))}


def counts_words(counts: dict[str, int]) -> str:
    """Return rows in each state in words.

    Examples
    --------
    >>> counts_words({"fresh": 1200, "missing": 5})
    '1,200 fresh, 5 not computed'
    """
    return ", ".join(f"{rows:,} {WORDS.get(state, state)}" for state, rows in counts.items())


def state_cell(line: ColumnLine) -> Html:
    """Return the state of a column: chip, bar, rows in each state, and why."""
    if line.state == "data":
        return tag("span", "data", class_="gv-quiet gv-data")
    pieces: list[str] = [chip(line.state)]
    counts = counts_of(line)
    if counts:
        words = counts_words(counts)
        pieces += [_bar(counts, words), tag("span", words, class_="gv-counts")]
    pieces += [tag("div", f"{rows:,} {why}", class_="gv-quiet") for why, rows in line.why.items()]
    if line.error:
        pieces.append(tag("div", line.error, class_="gv-error"))
    return joined(*pieces)


def _bar(counts: dict[str, int], words: str) -> Html:
    parts = (
        tag("span", class_=f"gv-{state}", style=f"flex-grow:{rows}")
        for state, rows in counts.items()
    )
    return tag("span", *parts, class_="gv-bar", role="img", aria_label=words)
