"""What a column file says of the function that computed it."""

from __future__ import annotations

import json

from geneva.storage.model import ComputedColumn

UDF_NAME_KEY = "geneva.udf_name"
UDF_VERSION_KEY = "geneva.udf_version"
PAYLOAD_KEY = "geneva.udf"
INPUTS_KEY = "geneva.inputs"


def authorship(column: ComputedColumn) -> dict[str, str]:
    """Return the schema metadata that name a column's function and its inputs."""
    return {
        UDF_NAME_KEY: column.udf_name,
        UDF_VERSION_KEY: column.udf_version,
        PAYLOAD_KEY: column.payload,
        INPUTS_KEY: json.dumps(column.input_columns),
    }
