"""Count the words of every text: one Python call per row."""

import sys

import lance
import pyarrow as pa

SCHEMA = pa.schema([pa.field("wc", pa.int64())])


def word_count(text: str) -> int:
    """Count the words."""
    return len(text.split())


def of_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Count the words of every row of a batch."""
    counts = [word_count(text) for text in batch["text"].to_pylist()]
    return pa.record_batch([pa.array(counts, pa.int64())], schema=SCHEMA)


if __name__ == "__main__":
    dataset = lance.dataset(f"{sys.argv[1]}/docs.lance")
    dataset.add_columns(lance.batch_udf(output_schema=SCHEMA)(of_batch), read_columns=["text"])
