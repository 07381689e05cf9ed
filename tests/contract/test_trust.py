"""Functions run only when they are meant to, and with a key only those that are signed."""

from __future__ import annotations

import json
import logging
import pickle
import re
import warnings
from pathlib import Path

import lance
import pyarrow as pa
import pytest

import geneva
from geneva import config, errors
from geneva.pipeline import trust
from tests.conftest import values
from tests.trap import Trap, lay_trap

KEY = "GENEVA_UDF_SIGNING_KEY"
SECRET = "0f3a-of-this-test"  # noqa: S105 - nobody else's


@geneva.udf
def double(id: int) -> int:
    return 2 * id


@pytest.fixture(params=["inline", "process"])
def kind(request) -> str:
    """Runners whose driver is this process, which has the key."""
    return request.param


@pytest.fixture
def table(make_table):
    return make_table(40, 20)


def set_metadata(table, **changes: str) -> None:
    entries = {f"virtual_column.{key}": value for key, value in changes.items()}
    lance.dataset(table.uri).update_field_metadata({"out": entries})


def run(table, **arguments) -> None:
    table.backfill("out", progress=False, **arguments)


@pytest.mark.local_files
def test_only_running_a_function_unpickles_it(db, table, tmp_path):
    table.add_columns({"out": double})
    run(table, runner="inline", num_frags=1)
    sprung = tmp_path / "sprung"
    lay_trap(table, sprung, "out")
    elsewhere = geneva.connect(db.uri)
    assert "docs" in elsewhere.table_names()
    opened = elsewhere.open_table("docs")
    assert opened.schema.names
    assert len(opened.to_arrow()) == 40
    assert opened.search().where("id < 5").to_list()
    assert str(opened.plan_backfill("out"))
    assert str(opened.column_status("out"))
    opened.verify(deep=True)
    opened.add([{"id": 1000, "text": "x"}])
    opened.delete("id = 1000")
    opened.update(where="id = 1", values={"text": "y"})
    opened.optimize()
    opened.cleanup_checkpoints(dry_run=True)
    assert opened.changes("out", udf=double) is not None
    assert str(opened.diff("out", udf=double))
    opened.alter_columns({"path": "text", "rename": "words"})
    assert not sprung.exists()
    with pytest.raises(errors.UnpicklableFunctionError, match="NoneType, not a UDF"):
        run(opened, runner="inline")
    assert sprung.exists()  # So the trap works.


def test_a_signed_function_runs_and_a_worker_checks_it_too(table, kind, monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    table.add_columns({"out": double})
    run(table, runner=kind)
    assert values(table, "out") == {i: 2 * i for i in range(40)}
    said = lance.dataset(table.uri).schema.field("out").metadata[b"virtual_column.signature"]
    assert re.fullmatch(rb"hmac-sha256:[0-9a-f]{64}", said)


TYPES = {
    "number": pa.float32(),
    "text": pa.string(),
    "vector": pa.list_(pa.float32(), 4),
    "list": pa.list_(pa.string()),
    "struct": pa.struct([pa.field("a", pa.int8()), pa.field("b", pa.list_(pa.int64()))]),
    "map": pa.map_(pa.string(), pa.int64()),
    "time": pa.timestamp("us", "UTC"),
    "decimal": pa.decimal128(10, 2),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "bytes": pa.large_binary(),
    "blob": "blob",
}


@pytest.mark.parametrize("name", TYPES)
def test_columns_of_every_type_are_signed(table, monkeypatch, name):
    monkeypatch.setenv(KEY, SECRET)
    blob = name == "blob"
    metadata = {"lance-encoding:blob": "true"} if blob else None
    nothing = geneva.udf(
        lambda id: None,
        data_type=pa.large_binary() if blob else TYPES[name],
        field_metadata=metadata,
    )
    table.add_columns({"out": nothing})
    run(table, runner="inline")
    table.alter_columns({"path": "out", "udf": nothing})
    run(table, runner="inline", force=True)


ALTERED = {
    "udf_name": "other",
    "udf_version": "0",
    "udf_inputs": json.dumps(["text"]),
    "udf_options": json.dumps({"num_cpus": 1, "num_gpus": 0, "batch_size": 1}),
    "stored_by": "somebody@else",
    "stored_at": "2020-01-01T00:00:00+00:00",
    "parts": "[]",
    "changed": "nothing",
    "signature": "hmac-sha256:" + "0" * 64,
}


@pytest.mark.parametrize("key", ALTERED)
def test_an_altered_definition_is_refused(table, monkeypatch, key):
    monkeypatch.setenv(KEY, SECRET)
    table.add_columns({"out": double})
    set_metadata(table, **{key: ALTERED[key]})
    with pytest.raises(errors.UntrustedFunctionError, match=r"of docs\.out, stored by .*altered"):
        run(table, runner="inline")
    assert set(values(table, "out").values()) == {None}


@pytest.mark.local_files
def test_another_pickle_is_refused(table, monkeypatch, tmp_path):
    monkeypatch.setenv(KEY, SECRET)
    table.add_columns({"out": double})
    sprung = tmp_path / "sprung"
    lay_trap(table, sprung, "out")
    with pytest.raises(errors.UntrustedFunctionError, match="function double"):
        run(table, runner="inline")
    assert not sprung.exists()


@pytest.mark.local_files
@pytest.mark.parametrize("key", [None, SECRET])
def test_a_pickle_under_the_name_of_another_is_never_loaded(table, monkeypatch, tmp_path, key):
    if key is not None:
        monkeypatch.setenv(KEY, key)
    table.add_columns({"out": double})
    sprung = tmp_path / "sprung"
    (stored,) = Path(table.uri, "_udfs").iterdir()
    stored.write_bytes(pickle.dumps(Trap(str(sprung))))
    with pytest.raises(errors.DamagedFileError, match="It was not loaded"):
        run(table, runner="inline")
    assert not sprung.exists()


def test_unsigned_functions_and_other_keys_are_refused(table, monkeypatch):
    table.add_columns({"out": double})
    monkeypatch.setenv(KEY, SECRET)
    refused = errors.UntrustedFunctionError
    with pytest.raises(refused, match=r"double \(version .*\) of docs\.out.* is not signed"):
        run(table, runner="inline")
    with pytest.raises(refused, match="is not signed"):
        table.backfill_async("out")
    assert table.plan_backfill("out").total_rows_pending == 40
    table.alter_columns({"path": "out", "udf": double})
    run(table, runner="inline", num_frags=1)
    monkeypatch.setenv(KEY, "another")
    with pytest.raises(refused, match="signed with another key"):
        run(table, runner="inline")


def test_what_a_job_runs_in_place_of_the_function_is_signed_with_it(table, monkeypatch, kind):
    monkeypatch.setenv(KEY, SECRET)
    table.add_columns({"out": double})
    table.backfill(
        "out",
        udf=geneva.udf(lambda id: 3 * id, data_type=pa.int64()),
        progress=False,
        runner=kind,
    )
    assert values(table, "out") == {i: 3 * i for i in range(40)}


def test_a_worker_refuses_what_nobody_has_checked(table, monkeypatch, kind):
    monkeypatch.setenv(KEY, SECRET)
    table.add_columns({"out": double})
    set_metadata(table, udf_inputs=json.dumps(["text"]))
    monkeypatch.setattr("geneva.job.check_trust", lambda *_: None)
    with pytest.raises(errors.UntrustedFunctionError, match="altered"):
        run(table, runner=kind)


def test_renamed_columns_stay_signed(table, monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    table.add_columns({"out": double})
    table.alter_columns({"path": "id", "rename": "key"})
    table.alter_columns({"path": "out", "rename": "twice"})
    table.backfill("twice", progress=False, runner="inline")
    assert values(table, "twice", "key") == {i: 2 * i for i in range(40)}


def test_renaming_signs_nothing_that_was_not_signed(db, table, monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    table.add_columns({"out": double})
    set_metadata(table, stored_by="me@here")
    table = db.open_table("docs")
    table.alter_columns({"path": "id", "rename": "key"})
    with pytest.raises(errors.UntrustedFunctionError):
        run(table, runner="inline")


@pytest.fixture
def nobody_named(monkeypatch):
    monkeypatch.setattr(trust, "_named", set())


def test_code_of_others_is_named_once_before_it_runs(table, nobody_named):
    table.add_columns({"out": double})
    set_metadata(table, stored_by="ada@build-7", stored_at="2026-11-20T10:00:00+00:00")
    ran = r"double \(version [0-9a-f]{8}…\) of docs\.out, stored by ada@build-7 on 2026-11-20,"
    with pytest.warns(UserWarning, match=ran):
        run(table, runner="inline", num_frags=1)
    run(table, runner="inline")  # Warnings are errors here.
    assert values(table, "out") == {i: 2 * i for i in range(40)}


def test_looking_names_nobody(table, nobody_named):
    table.add_columns({"out": double})
    set_metadata(table, stored_by="ada@build-7")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table.plan_backfill("out")
        table.column_status("out")
        table.verify()


@pytest.mark.local_files
def test_the_key_is_written_nowhere(table, monkeypatch, caplog, capfd, kind):
    monkeypatch.setenv(KEY, SECRET)
    config.settings.cache_clear()
    try:
        assert config.settings().udf_signing_key == SECRET
        assert SECRET not in repr(config.settings())
        assert SECRET.encode() not in pickle.dumps(config.settings())
        caplog.set_level(logging.DEBUG)
        table.add_columns({"out": double})
        table.backfill("out", runner=kind)
    finally:
        config.settings.cache_clear()
    said = caplog.text + "".join(capfd.readouterr())
    assert SECRET not in said
    written = [f for f in Path(table.uri).parent.rglob("*") if f.is_file()]
    assert written
    assert not [f for f in written if SECRET.encode() in f.read_bytes()]
