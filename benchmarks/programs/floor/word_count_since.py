"""Count the words from a given id on; ``add_columns`` cannot skip the fragments before it."""

import sys

import lance
import pyarrow as pa
import pyarrow.compute as pc

SCHEMA = pa.schema([pa.field("wc", pa.int64())])
FIRST_NEW_ID = int(sys.argv[2])


def word_count(text: str) -> int:
    """Count the words."""
    return len(text.split())


def of_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Count the words of the new rows. Only their texts become Python strings."""
    new = pc.greater_equal(batch["id"], FIRST_NEW_ID)
    counts = [word_count(text) for text in batch["text"].filter(new).to_pylist()]
    nulls = pa.nulls(batch.num_rows, pa.int64())
    column = pc.replace_with_mask(nulls, new, pa.array(counts, pa.int64()))
    return pa.record_batch([column], schema=SCHEMA)


if __name__ == "__main__":
    dataset = lance.dataset(f"{sys.argv[1]}/docs.lance")
    udf = lance.batch_udf(output_schema=SCHEMA)(of_batch)
    dataset.add_columns(udf, read_columns=["id", "text"])
