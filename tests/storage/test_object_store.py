"""The same engine on an object store: a real S3 server process."""

from __future__ import annotations

import lance
import pyarrow as pa
import pytest

import geneva
from geneva import errors


@pytest.mark.parametrize("name", ["inline", "process"])
def test_backfill_resume_and_search(store, name, tmp_path):
    db = geneva.connect(f"s3://bucket/{name}", storage_options=store)
    ids = pa.table({"id": range(60)})
    table = db.create_table("docs", ids.slice(0, 30))
    table.add(ids.slice(30))
    mended = tmp_path / "mended"

    @geneva.udf(data_type=pa.list_(pa.float32(), 2), batch_size=5)
    def vector(id: int) -> list[float]:
        if id == 47 and not mended.exists():
            raise ValueError("not yet")
        return [float(id), 0.0]

    table.add_columns({"vector": vector})
    sizes = {"checkpoint_size": 10, "runner": name, "progress": False}
    with pytest.raises(errors.UDFError, match="not yet"):
        table.backfill("vector", concurrency=1, **sizes)
    left = table.plan_backfill("vector").total_rows_pending
    assert left == 60 - 47
    mended.touch()
    again = geneva.connect(f"s3://bucket/{name}", storage_options=store).open_table("docs")
    assert again.backfill("vector", **sizes).columns["vector"].rows_processed == left
    assert table.search([13.0, 0.0], "vector").limit(1).to_list()[0]["id"] == 13
    found = lance.dataset(table.uri, storage_options=store).to_table()
    assert found["vector"].to_pylist() == [[float(i), 0.0] for i in found["id"].to_pylist()]
    files = lance.file.LanceFileSession(table.uri, storage_options=store).list()
    assert not [f for f in files if f.endswith(".arrow")]
    assert sorted(db.table_names()) == ["docs"]
    db.drop_table("docs")
    with pytest.raises(errors.TableNotFoundError):
        db.open_table("docs")
