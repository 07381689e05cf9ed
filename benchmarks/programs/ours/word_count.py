"""Count the words of every text."""

import sys

import geneva


@geneva.udf
def word_count(text: str) -> int:
    """Count the words."""
    return len(text.split())


if __name__ == "__main__":
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"wc": word_count})
    table.backfill("wc", progress=False)
