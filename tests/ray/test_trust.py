"""Signed functions on Ray: workers check them with the key of the cluster's own environment."""

from __future__ import annotations

import json
from pathlib import Path

import lance
import pyarrow as pa
import pytest
import ray._private.worker

import geneva
from geneva import errors
from tests.conftest import values

SECRET = "0f3b-of-this-test"  # noqa: S105 - nobody else's


def test_workers_check_signatures_and_keep_the_key_to_themselves(db, monkeypatch):
    monkeypatch.setenv("GENEVA_UDF_SIGNING_KEY", SECRET)
    table = db.create_table("docs", pa.table({"id": range(40), "other": range(40)}))
    table.add_columns({"out": geneva.udf(lambda id: 2 * id, data_type=pa.int64())})
    with db.local_ray_context():
        table.backfill("out", runner="ray", progress=False)
        assert values(table, "out") == {i: 2 * i for i in range(40)}
        # What the caller has not noticed is refused all the same.
        changed = {"virtual_column.udf_inputs": json.dumps(["other"])}
        lance.dataset(table.uri).update_field_metadata({"out": changed})
        monkeypatch.setattr("geneva.job.check_trust", lambda *_: None)
        with pytest.raises(errors.UntrustedFunctionError, match="altered"):
            table.backfill("out", runner="ray", progress=False, force=True)
        logs = Path(ray._private.worker._global_node.get_session_dir_path())
    for folder in (logs, Path(db.uri)):
        written = [path for path in folder.rglob("*") if path.is_file()]
        assert written, folder
        assert not [path for path in written if SECRET.encode() in path.read_bytes()]
