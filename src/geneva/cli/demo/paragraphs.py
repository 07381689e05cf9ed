"""The texts of the demo: scikit-learn's descriptions of its data sets, by paragraph."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from geneva.cli.demo.photos import package_file

if TYPE_CHECKING:
    from collections.abc import Iterator

# Any one of the descriptions; their folder is what is wanted.
LANDMARK = "datasets/descr/iris.rst"
FEWEST_WORDS = 12

SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("number", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)

_BLANK_LINES = re.compile(r"\n\s*\n")
# Tables, field lists, doctests, directives and bullets: markup or data, not prose.
_NOT_PROSE = re.compile(r"\s*(={3,}|-{3,}|>>>|\.\. |:[A-Z]|\||- |\* |\[)")


def text_table() -> pa.Table:
    """Read the paragraphs of all descriptions.

    Returns
    -------
    pyarrow.Table
        One row per paragraph of at least 12 words: the data set it describes, its number within
        the description, and the text on one line.
    """
    landmark = package_file("sklearn", LANDMARK)
    rows = []
    if landmark is not None:
        for file in sorted(landmark.parent.glob("*.rst")):
            for number, text in enumerate(prose(file.read_text(encoding="utf-8"))):
                rows.append({"source": file.stem, "number": number, "text": text})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def prose(document: str) -> Iterator[str]:
    r"""Give the paragraphs of a reStructuredText document that are running text.

    Examples
    --------
    >>> list(prose("Title\n-----\n\n>>> code()\n\n" + "word " * 6 + "\n" + "more " * 6))
    ['word word word word word word more more more more more more']
    """
    for block in _BLANK_LINES.split(document):
        text = " ".join(block.split())
        if not _NOT_PROSE.match(block) and len(text.split()) >= FEWEST_WORDS:
            yield text
