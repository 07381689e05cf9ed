"""Parts in another folder or bucket than their table."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from lance.file import LanceFileSession

import geneva
from geneva import errors
from geneva.config import settings
from tests.conftest import values


def failing(mended: Path):
    @geneva.udf(data_type=pa.int64(), batch_size=5)
    def out(id: int) -> int:
        if id == 17 and not mended.exists():
            raise ValueError("not yet")
        return id + 1

    return out


CALL = {"concurrency": 1, "progress": False, "checkpoint_size": 5}


@pytest.mark.parametrize("said", ["setting", "argument"])
@pytest.mark.parametrize("kind", ["inline", "process"])
def test_workers_resume_and_removal_use_the_other_folder(tmp_path, monkeypatch, said, kind):
    mended, beside = tmp_path / "mended", tmp_path / "beside"
    if said == "setting":
        monkeypatch.setenv("GENEVA_CHECKPOINT_URI", str(beside))
    settings.cache_clear()
    given = {"checkpoint": beside} if said == "argument" else {}
    try:
        db = geneva.connect(tmp_path / "db", **given)
        table = db.create_table("docs", pa.table({"id": range(30)}))
        table.add_columns({"out": failing(mended)})
        with pytest.raises(errors.UDFError):
            table.backfill("out", runner=kind, **CALL)
        assert not list(Path(table.uri).rglob("*.arrow"))
        assert len(list(beside.rglob("*.arrow"))) == 4
        assert [p.name.partition("-")[0] for p in beside.iterdir()] == ["docs"]
        # Elsewhere nobody knows of them.
        alone = geneva.connect(tmp_path / "db", checkpoint=tmp_path / "nothing")
        assert alone.open_table("docs").plan_backfill("out").total_rows_pending == 30
        mended.touch()
        again = geneva.connect(tmp_path / "db", **given).open_table("docs")
        assert again.backfill("out", runner=kind, **CALL).columns["out"].rows_processed == 13
        assert values(table, "out") == {i: i + 1 for i in range(30)}
        assert not list(beside.rglob("*.arrow"))
    finally:
        settings.cache_clear()


def test_tables_do_not_share_a_folder_and_a_dropped_one_leaves_nothing(tmp_path):
    beside = tmp_path / "beside"
    dbs = [geneva.connect(tmp_path / name, checkpoint=beside) for name in ("a", "b")]
    for db in dbs:
        table = db.create_table("docs", pa.table({"id": range(30)}))
        table.add_columns({"out": failing(tmp_path / "mended")})
        with pytest.raises(errors.UDFError):
            table.backfill("out", runner="inline", **CALL)
    assert len(list(beside.iterdir())) == 2
    for left, db in zip((4, 0), dbs, strict=True):
        db.drop_table("docs")
        assert len(list(beside.rglob("*.arrow"))) == left


def test_another_bucket(store, tmp_path):
    mended = tmp_path / "mended"
    given = {"storage_options": store, "checkpoint": "s3://bucket/scratch/"}
    table = geneva.connect("s3://bucket/with-scratch", **given).create_table(
        "docs", pa.table({"id": range(30)})
    )
    table.add_columns({"out": failing(mended)})
    with pytest.raises(errors.UDFError):
        table.backfill("out", runner="process", **CALL)

    def parts(uri: str) -> list[str]:
        found = LanceFileSession(uri, storage_options=store).list()
        return [path for path in found if path.endswith(".arrow")]

    assert (len(parts("s3://bucket/scratch")), parts(table.uri)) == (4, [])
    mended.touch()
    assert table.backfill("out", runner="process", **CALL).columns["out"].rows_processed == 13
    assert parts("s3://bucket/scratch") == []
