"""What a column file says about itself: who computed its values, from what, and for which job."""

from __future__ import annotations

import json

from geneva.jobs.commands import JobContext


def file_metadata(context: JobContext) -> dict[str, str]:
    """Return the schema metadata of a column file written by a job."""
    column = context.column
    return {
        "geneva.udf_name": column.udf_name,
        "geneva.udf_version": column.udf_version,
        "geneva.udf": column.payload,
        "geneva.inputs": json.dumps(column.input_columns),
        "geneva.source_version": str(context.version),
        "geneva.job_id": context.job_id,
    }
