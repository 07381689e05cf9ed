"""The pages of the documentation and the blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w*)\s*$")
_COMMENT = re.compile(r"^<!-- (\w+)(?:: (\w+))? -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes
    ----------
    page : Path
        File that holds it.
    line : int
        Line of its first line of text.
    language : str
        What stands behind the opening fence.
    text : str
        What stands between the fences.
    marks : dict of str to str
        The HTML comment in front of it: ``<!-- expect: UDFError -->`` is
        ``{"expect": "UDFError"}``.
    """

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str]


def pages() -> list[Path]:
    """Return all pages, README first."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*top, *sorted((ROOT / "docs").rglob("*.md"))]


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    found: list[Block] = []
    marks: dict[str, str] = {}
    language: str | None = None
    inside: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        fence = _FENCE.match(line)
        if language is not None:
            if fence is None:
                inside.append(line)
                continue
            first = number - len(inside)
            found.append(Block(page, first, language, "\n".join(inside) + "\n", marks))
            language, inside, marks = None, [], {}
        elif fence is not None:
            language = fence.group(1)
        elif (comment := _COMMENT.match(line)) is not None:
            marks = {comment.group(1): comment.group(2) or ""}
        elif line.strip():
            marks = {}
    assert language is None, f"{page_name(page)}: a block is not closed"
    return found


def table_rows(page: Path, first_heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this heading."""
    lines = page.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def code_spans(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return [span.replace("\\|", "|") for span in re.findall(r"`([^`]+)`", cell)]


def matches(expected: str, found: str) -> bool:
    """Compare two texts line by line; ``...`` in the expected one stands for anything."""
    pieces = [re.escape(piece) for piece in _stripped(expected).split("...")]
    return re.fullmatch(".*?".join(pieces), _stripped(found), flags=re.DOTALL) is not None


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
