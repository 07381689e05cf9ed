"""Wait 50 ms for every row, as for a remote model: nothing to compute, everything to overlap."""

import sys
import time

import lance
import pyarrow as pa

SCHEMA = pa.schema([pa.field("answer", pa.int64())])


def answer(row_id: int) -> int:
    """Answer after 50 ms."""
    time.sleep(0.05)
    return row_id * 2


def of_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Answers of a batch, one after another."""
    answers = [answer(row_id) for row_id in batch["id"].to_pylist()]
    return pa.record_batch([pa.array(answers, pa.int64())], schema=SCHEMA)


if __name__ == "__main__":
    dataset = lance.dataset(f"{sys.argv[1]}/docs.lance")
    dataset.add_columns(lance.batch_udf(output_schema=SCHEMA)(of_batch), read_columns=["id"])
