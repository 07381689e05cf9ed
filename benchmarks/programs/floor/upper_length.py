"""Length of every upper-cased text: one Arrow call per batch."""

import sys

import lance
import pyarrow as pa
import pyarrow.compute as pc

SCHEMA = pa.schema([pa.field("length", pa.int32())])


def upper_length(text: pa.Array) -> pa.Array:
    """Characters of each upper-cased text."""
    return pc.utf8_length(pc.utf8_upper(text))


def of_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Lengths of the rows of a batch."""
    return pa.record_batch([upper_length(batch["text"])], schema=SCHEMA)


if __name__ == "__main__":
    dataset = lance.dataset(f"{sys.argv[1]}/docs.lance")
    dataset.add_columns(lance.batch_udf(output_schema=SCHEMA)(of_batch), read_columns=["text"])
