"""Count the words of every text, watched in every way or in none.

``watched.py FOLDER on|off``. The product has no such switch: off, what records, shows and measures
a job does nothing. Both load the same modules at the same place.
"""

import sys

import geneva
from geneva.pipeline.journal import Journal
from geneva.pipeline.meter import ProgressMeter
from geneva.pipeline.record_keeper import RecordKeeper


@geneva.udf
def word_count(text: str) -> int:
    """Count the words."""
    return len(text.split())


def nothing(*_: object, **__: object) -> None:
    """Do nothing."""


if __name__ == "__main__":
    watched = sys.argv[2] == "on"
    if not watched:
        for kind, methods in {
            RecordKeeper: ("start", "wait_begun", "close"),
            Journal: ("show", "print", "end", "release_end"),
            ProgressMeter: ("update",),
        }.items():
            for method in methods:
                setattr(kind, method, nothing)
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"wc": word_count})
    table.backfill("wc", progress=watched)
