"""Cells as HTML: pictures, players and lines where a value is not words."""

from __future__ import annotations

from collections.abc import Callable

from geneva.console.cells import Cell
from geneva.console.pages.states import chip
from geneva.console.vectors import VectorSummary
from geneva.html import Html, joined, tag

_PREVIEW = 90
_UNITS = ("bytes", "kB", "MB", "GB")
_HEIGHT, _WIDTH = 24, 128


def cell_html(cell: Cell, link: str) -> Html:
    """Return what a cell shows.

    Parameters
    ----------
    cell
        The cell.
    link
        Where its value is served in full.
    """
    shown = _SHOWN.get(cell.kind, _words)(cell, link)
    if cell.state == "stale" and cell.kind != "null":
        return joined(shown, " ", chip("stale", title=cell.why))
    if cell.state == "stale":
        return chip("stale", "NULL, stale", title=cell.why)
    if cell.state == "failed" and cell.kind != "failed":
        return joined(shown, " ", _failed(cell, link))
    return shown


def size_words(size_bytes: int) -> str:
    """Return a size for people.

    Examples
    --------
    >>> size_words(1), size_words(1536), size_words(32 << 20)
    ('1 byte', '1.5 kB', '34 MB')
    """
    if size_bytes == 1:
        return "1 byte"
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 10 else f"{size:.1f} {_UNITS[unit]}"


def _words(cell: Cell, _link: str) -> Html:
    return tag("span", cell.text, class_=f"gv-{cell.kind}")


def _text(cell: Cell, link: str) -> Html:
    if len(cell.text) <= _PREVIEW and not cell.cut:
        return tag("span", cell.text, class_="gv-text")
    preview = " ".join(cell.text[:_PREVIEW].split())
    inside: list[str] = [tag("div", cell.text + ("…" if cell.cut else ""), class_="gv-whole")]
    if cell.cut and cell.kind == "text":
        inside.append(tag("a", f"all {cell.length:,} characters", href=link))
    return _folded(tag("span", f"{preview}…"), *inside)


def _null(_cell: Cell, _link: str) -> Html:
    return tag("span", "NULL", class_="gv-null")


def _missing(cell: Cell, _link: str) -> Html:
    return chip("missing", title=cell.why)


def _failed(cell: Cell, _link: str) -> Html:
    return _folded(chip("failed"), tag("div", cell.why, class_="gv-whole gv-error"))


def _unreadable(cell: Cell, _link: str) -> Html:
    return _folded(chip("unreadable"), tag("div", cell.why, class_="gv-whole gv-error"))


def _image(cell: Cell, link: str) -> Html:
    media = cell.media
    assert media is not None  # noqa: S101 - cells.py makes all of these with one
    size = f", {media.width} x {media.height}" if media.width else ""
    words = f"{_name(media.content_type)}{size}, {size_words(media.size_bytes)}"
    picture = tag("img", src=link, alt=words, loading="lazy", decoding="async", class_="gv-image")
    return joined(tag("a", picture, href=link, title="The whole picture"), _note(words))


def _audio(cell: Cell, link: str) -> Html:
    media = cell.media
    assert media is not None  # noqa: S101
    plays = "" if media.seconds is None else f", {media.seconds:.1f} s"
    words = f"{_name(media.content_type)}{plays}, {size_words(media.size_bytes)}"
    player = tag("audio", controls=True, preload="none", src=link, aria_label=words)
    return joined(player, _note(words))


def _video(cell: Cell, link: str) -> Html:
    media = cell.media
    assert media is not None  # noqa: S101
    words = f"{_name(media.content_type)}, {size_words(media.size_bytes)}"
    player = tag(
        "video", controls=True, preload="none", src=link, aria_label=words, class_="gv-video"
    )
    return joined(player, _note(words))


def _file(cell: Cell, link: str) -> Html:
    if cell.media is None:  # Kept outside of the table.
        return tag("span", cell.text, class_="gv-quiet")
    kind = "PDF" if cell.kind == "document" else "binary"
    words = f"{kind}, {size_words(cell.media.size_bytes)}"
    begin = tag("code", cell.media.head_hex, class_="gv-hex") if cell.media.head_hex else Html()
    return joined(tag("a", words, href=link, class_="gv-file"), begin)


def _vector(cell: Cell, _link: str) -> Html:
    vector = cell.vector
    assert vector is not None  # noqa: S101
    facts = [f"{vector.dimension:,} dimensions"]
    if vector.norm is not None:
        facts.append(f"norm {vector.norm:.4g}")
    if vector.minimum is not None:
        facts.append(f"{vector.minimum:.3g} to {vector.maximum:.3g}")
    if vector.not_finite:
        facts.append(f"{vector.not_finite:,} not finite")
    numbers = tag("div", f"[{cell.text}{', …' if cell.cut else ''}]", class_="gv-whole")
    return _folded(joined(_line(vector), _note(", ".join(facts))), numbers)


def _line(vector: VectorSummary) -> Html:
    """Return a vector as a small line, broken where a number is not finite."""
    points, low, high = vector.points, vector.minimum, vector.maximum
    if low is None or high is None or len(points) < 2:
        return Html()
    runs: list[list[str]] = [[]]
    for at, value in enumerate(points):
        if value is None:
            runs.append([])
            continue
        # Halves, for the difference of the largest numbers is not a number any more.
        span = high / 2 - low / 2
        share = 0.5 if not span else (value / 2 - low / 2) / span
        x = at * _WIDTH / (len(points) - 1)
        runs[-1].append(f"{x:.1f},{1 + (1 - share) * (_HEIGHT - 2):.1f}")
    lines = (tag("polyline", points=" ".join(run)) for run in runs if len(run) > 1)
    return tag(
        "svg", *lines, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_="gv-line", aria_hidden="true"
    )


def _note(words: str) -> Html:
    return tag("div", words, class_="gv-note")


def _folded(summary: str, *inside: str) -> Html:
    return tag("details", tag("summary", summary), *inside)


def _name(content_type: str) -> str:
    return content_type.partition("/")[2].upper()


_SHOWN: dict[str, Callable[[Cell, str], Html]] = {
    "text": _text,
    "nested": _text,
    "null": _null,
    "missing": _missing,
    "failed": _failed,
    "unreadable": _unreadable,
    "image": _image,
    "audio": _audio,
    "video": _video,
    "document": _file,
    "binary": _file,
    "vector": _vector,
}
