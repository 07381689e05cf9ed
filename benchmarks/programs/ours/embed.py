"""A vector of 384 float32 for every row: one Python call and one numpy array per row."""

import sys

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import geneva

BASE = np.linspace(0.0, 1.0, 384, dtype=np.float32)


@geneva.udf(data_type=pa.list_(pa.float32(), 384), input_columns=["id"])
def embed(row_id: int) -> npt.NDArray[np.float32]:
    """Vector of one row."""
    vector: npt.NDArray[np.float32] = np.sin(BASE * np.float32(row_id))
    unit: npt.NDArray[np.float32] = vector / np.float32(np.linalg.norm(vector) + 1e-6)
    return unit


if __name__ == "__main__":
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"vector": embed})
    table.backfill("vector", progress=False)
