"""Length of every upper-cased text: one Arrow call per batch."""

import sys

import pyarrow as pa
import pyarrow.compute as pc

import geneva


@geneva.udf(data_type=pa.int32())
def upper_length(text: pa.Array) -> pa.Array:
    """Characters of each upper-cased text."""
    return pc.utf8_length(pc.utf8_upper(text))


if __name__ == "__main__":
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"length": upper_length})
    table.backfill("length", progress=False)
