"""What a column file says about itself: who computed its values, from what, and for which job."""

from __future__ import annotations

import json

from geneva.jobs.commands import JobContext

UDF_NAME_KEY = "geneva.udf_name"
UDF_VERSION_KEY = "geneva.udf_version"
PAYLOAD_KEY = "geneva.udf"
INPUTS_KEY = "geneva.inputs"
SOURCE_VERSION_KEY = "geneva.source_version"
JOB_ID_KEY = "geneva.job_id"


def file_metadata(context: JobContext) -> dict[str, str]:
    """Return the schema metadata of a column file written by a job."""
    column = context.column
    return {
        UDF_NAME_KEY: column.udf_name,
        UDF_VERSION_KEY: column.udf_version,
        PAYLOAD_KEY: column.payload,
        INPUTS_KEY: json.dumps(column.input_columns),
        SOURCE_VERSION_KEY: str(context.version),
        JOB_ID_KEY: context.job_id,
    }
