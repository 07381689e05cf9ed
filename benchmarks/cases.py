"""The cases as data: what runs on which table, what it must produce, and the goals.

Cases are pickled for the process that checks results, so what a row must hold is a function of a
module. Libraries are imported where they are used, see `benchmarks.aside`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.goals import Goal
from benchmarks.tables import TableSpec

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Side:
    """One measured program.

    Attributes
    ----------
    program
        Path below ``programs/``; its first argument is the folder that holds ``docs.lance``.
    table
        The table that it starts from.
    expected
        The value of the filled column, given the input columns of a row.
    nulls
        How many rows must stay null.
    arguments
        What follows the folder on the command line.
    once
        Measured once and without warm-up: a floor that is slow and known in advance.
    """

    program: str
    table: TableSpec
    expected: Callable[[Row], object]
    nulls: int = 0
    arguments: tuple[str, ...] = ()
    once: bool = False


@dataclass(frozen=True)
class Case:
    """A workload: the floor, our side, and what to hold against it.

    Attributes
    ----------
    column, inputs
        The column that both sides fill, and the columns that its values follow from.
    beside
        A second floor that is reported but has no goal.
    """

    name: str
    what: str
    column: str
    inputs: tuple[str, ...]
    ours: Side
    floor: Side | None = None
    beside: Side | None = None
    goals: tuple[Goal, ...] = ()


def word_count(row: Row) -> int:
    """Count the words of ``text``."""
    return len(row["text"].split())


def upper_length(row: Row) -> int:
    """Count the characters of the upper-cased ``text``."""
    return len(row["text"].upper())


def image_size(row: Row) -> dict[str, int]:
    """Read width and height of ``image``."""
    from PIL import Image

    width, height = Image.open(io.BytesIO(row["image"])).size
    return {"width": width, "height": height}


def embedding(row: Row) -> list[float]:
    """Compute the vector that belongs to ``id``."""
    import numpy as np

    base = np.linspace(0.0, 1.0, 384, dtype=np.float32)
    wave = np.sin(base * np.float32(row["id"]))
    vector: list[float] = (wave / np.float32(np.linalg.norm(wave) + 1e-6)).tolist()
    return vector


def answer(row: Row) -> int:
    """Double ``id``."""
    return int(row["id"]) * 2


def characters(row: Row) -> int:
    """Count the characters of ``text``."""
    return len(row["text"])


def word_count_of_every_tenth(row: Row) -> int | None:
    """Count the words where ``id`` is a multiple of ten."""
    return word_count(row) if row["id"] % 10 == 0 else None


def word_count_since(first_id: int, row: Row) -> int | None:
    """Count the words from ``first_id`` on."""
    return word_count(row) if row["id"] >= first_id else None


def word_count_case(name: str, what: str, table: TableSpec, goals: tuple[Goal, ...] = ()) -> Case:
    """Count words on a table; the curve measures this on many sizes."""
    return Case(
        name,
        what,
        "wc",
        ("text",),
        ours=Side("ours/word_count.py", table, word_count),
        floor=Side("floor/word_count.py", table, word_count),
        goals=goals,
    )


def define_cases(scale: float = 1.0) -> tuple[Case, ...]:
    """Make all cases.

    Parameters
    ----------
    scale
        Multiplies the numbers of rows; the goals are meant for 1.
    """
    small = TableSpec("docs", _rows(100_000, 4, scale), 4)
    large = TableSpec("docs", _rows(2_000_000, 8, scale), 8)
    return (
        word_count_case("W1", "100k rows, word count", small, goals=(Goal("wall_ratio", 2.5),)),
        word_count_case(
            "W2",
            "2M rows, word count",
            large,
            goals=(Goal("wall_ratio", 0.9), Goal("cpu_ratio", 1.5), Goal("rss_mb", 600)),
        ),
        Case(
            "W3",
            "2M rows, Arrow function",
            "length",
            ("text",),
            ours=Side("ours/upper_length.py", large, upper_length),
            floor=Side("floor/upper_length.py", large, upper_length),
            goals=(Goal("wall_ratio", 1.7),),
        ),
        _images(TableSpec("images", _rows(2_000, 4, scale), 4)),
        _embeddings(TableSpec("numbers", _rows(200_000, 4, scale), 4)),
        _sleeping(TableSpec("numbers", _rows(200, 1, scale), 1)),
        _filtered(large),
        _appended(large),
        Case(
            "warm",
            "second backfill of a session on W1's table, to its first row",
            "characters",
            ("text",),
            ours=Side("ours/warm.py", small, characters),
            goals=(Goal("first_batch", 0.2),),
        ),
        *_on_ray(small, large, scale),
    )


def _on_ray(small: TableSpec, large: TableSpec, scale: float) -> tuple[Case, ...]:
    """Make the cases of the Ray engine; beside them runs the embedded engine."""
    floor = partial(Side, "floor/word_count.py", expected=word_count)
    embedded = partial(Side, "ours/word_count.py", expected=word_count)
    session = partial(Side, "ray/session.py")
    numbers = TableSpec("numbers", _rows(200, 1, scale), 1)
    return (
        Case(
            "R1",
            "W1 on a private Ray cluster, from nothing",
            "wc",
            ("text",),
            ours=Side("ray/word_count.py", small, word_count),
            floor=floor(table=small),
            beside=embedded(table=small),
            goals=(Goal("wall", 7.0), Goal("cpu", 9.0)),
        ),
        Case(
            "R1w",
            "W1 in a Ray session that is up",
            "wc",
            ("text",),
            ours=session(table=small, expected=word_count, arguments=("wc", "ray")),
            beside=session(table=small, expected=word_count, arguments=("wc", "process")),
            goals=(Goal("job", 2.0),),
        ),
        Case(
            "R2w",
            "W2 in a Ray session that is up",
            "wc",
            ("text",),
            ours=session(table=large, expected=word_count, arguments=("wc", "ray")),
            floor=floor(table=large),
            beside=embedded(table=large),
            goals=(Goal("job_ratio", 1.3),),
        ),
        Case(
            "R6w",
            "W6 in a Ray session that is up (ideal 5.0 s)",
            "answer",
            ("id",),
            ours=session(table=numbers, expected=answer, arguments=("answer", "ray")),
            beside=Side("ours/sleep.py", numbers, answer),
            goals=(Goal("job", 6.5),),
        ),
        Case(
            "idle",
            "a running job besides its appliers, share of a core",
            "answer",
            ("id",),
            ours=Side("ray/idle.py", TableSpec("numbers", 40, 2), answer, once=True),
            goals=(Goal("idle", 0.03),),
        ),
        Case(
            "kills",
            "a job of 60 s with an applier killed every 5 s",
            "answer",
            ("id",),
            ours=Side(
                "ray/kills.py", TableSpec("numbers", _rows(2_400, 4, scale), 4), answer, once=True
            ),
            goals=(Goal("kill_ratio", 1.25),),
        ),
    )


def _rows(at_full_scale: int, fragments: int, scale: float) -> int:
    """Scale a number of rows and keep the fragments equal."""
    return max(1, int(at_full_scale * scale) // fragments) * fragments


def _images(table: TableSpec) -> Case:
    return Case(
        "W4",
        "2,000 JPEGs, decode, width and height",
        "size",
        ("image",),
        ours=Side("ours/image_size.py", table, image_size),
        floor=Side("floor/image_size.py", table, image_size),
        goals=(Goal("wall_ratio", 0.7), Goal("rss_mb", 700)),
    )


def _embeddings(table: TableSpec) -> Case:
    return Case(
        "W5",
        "200k rows, 384 float32 each",
        "vector",
        ("id",),
        ours=Side("ours/embed.py", table, embedding),
        floor=Side("floor/embed.py", table, embedding),
        goals=(Goal("wall_ratio", 1.2),),
    )


def _sleeping(table: TableSpec) -> Case:
    """Make the case with an absolute goal: the ideal is 5 s and the floor is known, 10 s."""
    return Case(
        "W6",
        "200 rows of 50 ms, concurrency 2 (ideal 5.0 s)",
        "answer",
        ("id",),
        ours=Side("ours/sleep.py", table, answer),
        floor=Side("floor/sleep.py", table, answer, once=True),
        goals=(Goal("wall", 6.5),),
    )


def _filtered(table: TableSpec) -> Case:
    nulls = table.rows - (table.rows + 9) // 10
    return Case(
        "W7",
        "2M rows, word count where id % 10 = 0",
        "wc",
        ("id", "text"),
        ours=Side("ours/word_count_where.py", table, word_count_of_every_tenth, nulls),
        floor=Side("floor/word_count_where.py", table, word_count_of_every_tenth, nulls),
        goals=(Goal("wall_ratio", 1.7),),
    )


def _appended(filled: TableSpec) -> Case:
    """Make the case in which 1 % is appended to a filled table; the floor must read every row.

    The floor beside is given what no user has, a table of only the new rows.
    """
    old, new = filled.rows, max(1, filled.rows // 100)

    only_new = partial(word_count_since, old)
    plain = TableSpec("docs", old, filled.fragments, appended=new)
    ours = TableSpec("docs", old, filled.fragments, appended=new, filled_by="ours/word_count.py")
    return Case(
        "W8",
        "2M filled rows, 20k appended, backfill again",
        "wc",
        ("id", "text"),
        ours=Side("ours/backfill_again.py", ours, word_count),
        floor=Side("floor/word_count_since.py", plain, only_new, old, (str(old),)),
        beside=Side("floor/word_count.py", TableSpec("docs", new, 1, old), word_count),
        goals=(Goal("wall_ratio", 1.7),),
    )
