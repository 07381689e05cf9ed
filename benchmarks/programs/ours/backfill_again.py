"""Fill a computed column again after rows were appended; the table knows its function."""

import sys

import geneva

if __name__ == "__main__":
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.backfill("wc", progress=False)
