"""Count the words of every text on a private Ray cluster, from nothing."""

import sys

import geneva


@geneva.udf
def word_count(text: str) -> int:
    """Count the words."""
    return len(text.split())


if __name__ == "__main__":
    db = geneva.connect(sys.argv[1])
    table = db.open_table("docs")
    table.add_columns({"wc": word_count})
    with db.local_ray_context():
        table.backfill("wc", progress=False)
