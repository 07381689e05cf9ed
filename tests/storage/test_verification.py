"""Verifying columns: intact tables, and every kind of damage with its repair, on real files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import lance
import pyarrow as pa
import pytest
from lance.file import LanceFileReader, LanceFileSession, LanceFileWriter
from lance.fragment import DataFile

import geneva
from geneva import errors
from geneva.storage.dataset import file_positions, lance_field, leaf_ids
from geneva.verification.report import Finding, VerificationReport
from tests.conftest import values

QUIETLY = {"runner": "inline", "progress": False}
BLOB = {"lance-encoding:blob": "true"}


def double(id: int) -> int | None:
    return None if id % 10 == 3 else 2 * id


OUT = geneva.udf(double)
FUNCTIONS = {
    "out": OUT,
    "text_of": geneva.udf(lambda id: str(id) * (id % 4), data_type=pa.string()),
    "flag": geneva.udf(lambda id: id % 3 == 0, data_type=pa.bool_()),
    "vector": geneva.udf(
        lambda id: None if id % 5 == 0 else [id / 3] * 4, data_type=pa.list_(pa.float32(), 4)
    ),
    "info": geneva.udf(
        lambda id: None if id % 5 == 0 else {"a": id, "b": [str(id)] * (id % 3)},
        data_type=pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))]),
    ),
    "counts": geneva.udf(lambda id: {"x": id}, data_type=pa.map_(pa.string(), pa.int64())),
    "image": geneva.udf(
        lambda id: None if id % 5 == 0 else bytes([id % 256]) * (id * 1000),
        data_type=pa.large_binary(),
        field_metadata=BLOB,
    ),
}


@pytest.fixture
def table(make_table):
    """Three fragments of a computed column ``out``: of 40, 40 and 20 rows."""
    made = make_table()
    made.add_columns({"out": OUT})
    made.backfill("out", **QUIETLY)
    assert made.verify("out", deep=True).ok
    return made


def file_of(table, fragment_id: int = 1, column: str = "out") -> Path:
    dataset = lance.dataset(table.uri)
    ids = set(leaf_ids(lance_field(dataset, column)))
    positions = file_positions(dataset.get_fragment(fragment_id), ids)
    return Path(table.uri, "data", positions[0][0])


def the_finding(report: VerificationReport) -> Finding:
    (finding,) = report.findings
    assert not report.ok
    assert f"fix: {finding.repair}" in str(report)
    return finding


def repair(table, finding: Finding) -> None:
    """Do what a finding says."""
    call = finding.repair[finding.repair.index("table.") :]
    call = call.replace("force=True", "force=True, runner='inline', progress=False")
    eval(call, {"table": table, "my_udf": OUT})


def assert_whole(table) -> None:
    report = table.verify(deep=True)
    assert report.ok, report
    assert values(table, "out") == {i: double(i) for i in range(100)}
    assert not table.plan_backfill("out").has_work


# -- tables with nothing wrong ---------------------------------------------------------------


@pytest.mark.parametrize("stable", [False, True])
def test_all_that_may_become_of_a_table_is_fine(db, stable):
    options = {"new_table_enable_stable_row_ids": "true"} if stable else None
    rows = pa.table({"id": range(80)})
    table = db.create_table("docs", rows.slice(0, 40), storage_options=options)
    table.add(rows.slice(40))

    def check(files: int) -> None:
        for deep in (False, True):
            report = table.verify(deep=deep)
            assert report.ok, report
            assert [column.column for column in report.columns] == list(FUNCTIONS)
            assert {column.files for column in report.columns} == {files}

    table.add_columns(FUNCTIONS)
    check(files=0)
    for column in FUNCTIONS:
        table.backfill(column, where="id % 4 = 1", **QUIETLY)
    check(files=2)
    for column in FUNCTIONS:
        table.backfill(column, **QUIETLY)
    check(files=2)
    table.add(pa.table({"id": range(80, 100)}))
    table.add(pa.table({"id": [100], "out": [7]}))
    table.delete("id % 7 = 2")
    table.update(where="id = 4", values={"id": 1000})
    report = table.verify(deep=True)
    assert report.ok, report
    table.alter_columns({"path": "out", "udf": geneva.udf(lambda id: id, data_type=pa.int64())})
    assert table.verify(deep=True).ok
    table.optimize()
    check(files=1)
    table.alter_columns({"path": "info", "rename": "about"})
    assert table.verify("about", deep=True).ok


def test_parts_of_an_unfinished_job_are_told_and_are_not_wrong(make_table, tmp_path):
    mended = tmp_path / "mended"

    @geneva.udf(batch_size=5)
    def out(id: int) -> int:
        if id == 27 and not mended.exists():
            raise ValueError("not yet")
        return id

    table = make_table(40)
    table.add_columns({"out": out})
    with pytest.raises(errors.UDFError):
        table.backfill("out", checkpoint_size=10, **QUIETLY)
    report = table.verify("out")
    assert report.ok
    (column,) = report.columns
    assert (column.parts, column.spare_parts) == (3, 0)
    assert "3 parts of an unfinished job" in str(report)
    mended.touch()
    table.alter_columns({"path": "out", "udf": OUT})
    (column,) = table.verify("out").columns
    assert (column.parts, column.spare_parts) == (0, 3)
    assert "3 parts of no use any more" in str(table.verify("out"))


def test_a_function_is_never_unpickled(table, tmp_path):
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return Path.touch, (ran,)

    payload = cloudpickle.dumps(Bomb())
    path = f"_udfs/{hashlib.sha256(payload).hexdigest()}"
    Path(table.uri, path).write_bytes(payload)
    lance.dataset(table.uri).update_field_metadata({"out": {"virtual_column.udf": path}})
    assert table.verify("out", deep=True).ok
    assert not ran.exists()


def test_only_computed_columns_can_be_verified(table):
    with pytest.raises(errors.NotComputedError, match="'text' is an ordinary column"):
        table.verify("text")
    with pytest.raises(errors.ColumnNotFoundError, match=r"'outt'.*Did you mean 'out'"):
        table.verify("outt")


# -- damaged files ---------------------------------------------------------------------------


def remove(file: Path) -> None:
    file.unlink()


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def replace(file: Path) -> None:
    with LanceFileWriter(str(file), pa.schema([("out", pa.int64())]), version="2.2") as writer:
        writer.write_batch(pa.table({"out": range(3)}))


def scramble(file: Path) -> None:
    file.write_bytes(b"\xff" * file.stat().st_size)


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[200] ^= 0x10
    file.write_bytes(data)


def forge(key: str) -> Callable[[Path], None]:
    """Exchange what a file says of itself, and nothing of its size."""

    def damage(file: Path) -> None:
        said = LanceFileReader(str(file)).metadata().schema.metadata[key.encode()]
        data = file.read_bytes()
        at = data.index(said, data.index(key.encode()) + len(key))
        file.write_bytes(data[:at] + b"7" * len(said) + data[at + len(said) :])

    return damage


DAMAGES = [
    (remove, "missing", "bytes", "nothing"),
    (truncate, "size", "bytes", "bytes"),
    (replace, "size", "bytes", "bytes"),
    (scramble, "format", "a Lance file", ""),
    (flip, "values", "crc32:", "crc32:"),
    (forge("geneva.fragment"), "metadata", "1 as geneva.fragment", "7"),
    (forge("geneva.fingerprint"), "metadata", "as geneva.fingerprint", "777"),
    (forge("geneva.udf_version"), "metadata", "as geneva.udf_version", "777"),
    (forge("geneva.udf_name"), "metadata", "double as geneva.udf_name", "777777"),
    (forge("geneva.inputs"), "metadata", "a JSON list as geneva.inputs", "'777777'"),
    (forge("geneva.source_version"), "metadata", "a version up to", "7"),
]


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(("damage", "what", "expected", "found"), DAMAGES)
def test_damage_is_named_and_repaired(make_table, partial, damage, what, expected, found):
    table = make_table()
    table.add_columns({"out": OUT})
    table.backfill("out", where="id != 60" if partial else None, **QUIETLY)
    damage(file_of(table))
    finding = the_finding(table.verify("out", deep=True))
    where = f"data/{file_of(table).name}"
    assert (finding.column, finding.fragment_id, finding.file) == ("out", 1, where)
    assert finding.what == what
    assert expected in finding.expected
    assert found in finding.found
    repair(table, finding)
    if partial:
        table.backfill("out", **QUIETLY)
    assert_whole(table)


def test_a_shallow_look_reads_no_more_than_the_ends(db):
    table = db.create_table("docs", pa.table({"id": range(100_000)}))
    table.add_columns({"out": geneva.udf(lambda id: str(id), data_type=pa.string())})
    table.backfill("out", **QUIETLY)
    file = file_of(table, 0)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    file.write_bytes(data)
    assert table.verify("out").ok
    finding = the_finding(table.verify("out", deep=True))
    assert finding.what == "values"


def test_a_coverage_that_does_not_fit(table):
    table.backfill(
        "out", where="id = 60", force=True, udf=geneva.udf(double, version="2"), **QUIETLY
    )
    file = file_of(table)
    forge("geneva.coverage")(file)
    finding = the_finding(table.verify("out"))
    assert (finding.what, finding.found) == ("coverage", "what cannot be unpacked")
    assert finding.expected == "a bit for each of 40 rows"
    repair(table, finding)
    assert_whole(table)


def test_a_job_that_needs_a_damaged_file_says_so(make_table):
    table = make_table()
    table.add_columns({"out": OUT})
    table.backfill("out", where="id < 60", **QUIETLY)
    file = file_of(table)
    file.unlink()
    with pytest.raises(errors.DamagedFileError, match=rf"{file.name}.*table\.verify\(\)"):
        table.backfill("out", **QUIETLY)


def test_the_side_files_of_blobs(make_table):
    table = make_table(40)
    table.add_columns({"image": FUNCTIONS["image"], "out": OUT})
    image = geneva.udf(lambda id: bytes([id]) * 70_000, data_type=pa.large_binary())
    table.backfill("out", **QUIETLY)
    table.backfill("image", udf=image, **QUIETLY)
    assert table.verify("image", deep=True).ok
    file = file_of(table, 0, "image")
    side, _ = sorted(file.with_suffix("").iterdir())
    good = side.read_bytes()
    flip(side)
    assert the_finding(table.verify("image", deep=True)).what == "values"
    side.write_bytes(good[:-1])
    assert the_finding(table.verify("image")).what == "values"
    side.unlink()
    finding = the_finding(table.verify("image"))
    assert finding.found == "1 of 2 side files with blobs are missing"
    repair(table, finding)
    assert table.verify("image", deep=True).ok


def commit_file(table, fragment_id: int, name: str, column: pa.Table, **metadata: str) -> None:
    """Put a file into a table as another program might: Lance checks nothing of it."""
    dataset = lance.dataset(table.uri)
    with LanceFileWriter(f"{table.uri}/data/{name}", column.schema, version="2.2") as writer:
        writer.write_batch(column)
        for key, value in metadata.items():
            writer.add_schema_metadata(key, value)
    operation = lance.LanceOperation.DataReplacement(
        [lance.LanceOperation.DataReplacementGroup(fragment_id, DataFile.create(dataset, name))]
    )
    lance.LanceDataset.commit(dataset, lance.Transaction(dataset.version, operation))


@pytest.mark.parametrize(
    ("column", "what", "expected", "found"),
    [
        (pa.table({"out": range(39)}), "rows", "40, those of the fragment", "39"),
        (pa.table({"out": [0.5] * 40}), "type", "int64", "double"),
    ],
)
def test_a_file_that_somebody_else_committed_and_does_not_fit(table, column, what, expected, found):
    commit_file(table, 1, "theirs.lance", column)
    finding = the_finding(table.verify("out"))
    assert (finding.fragment_id, finding.file) == (1, "data/theirs.lance")
    assert (finding.what, finding.expected, finding.found) == (what, expected, found)
    repair(table, finding)
    assert_whole(table)


def test_a_file_under_our_name_that_says_nothing_of_itself(table):
    commit_file(table, 1, "gv-0f3a-p-4f1c.lance", pa.table({"out": range(40)}))
    unsaid, uncovered = table.verify("out", deep=True).findings
    assert (unsaid.what, unsaid.found) == ("metadata", "nothing")
    assert "geneva.udf_name, geneva.udf_version, geneva.udf, geneva.inputs" in unsaid.expected
    assert (uncovered.what, uncovered.found) == ("coverage", "nothing")
    repair(table, unsaid)
    assert_whole(table)


@pytest.mark.parametrize(
    ("coverage", "name", "expected", "found"),
    [
        ("78da63000000010001", "gv-0f3a-p-4f1c.lance", "a bit for each of 40 rows", "8 bits"),
        ("00", "gv-0f3a-c-4f1c.lance", "none in a file whose name says", "one"),
    ],
)
def test_a_coverage_of_another_fragment_or_in_a_complete_file(
    table, coverage, name, expected, found
):
    said = LanceFileReader(str(file_of(table))).metadata().schema.metadata
    metadata = {k.decode(): v.decode() for k, v in said.items()}
    metadata |= {"geneva.coverage": coverage, "geneva.fingerprint": "0f3a"}
    commit_file(table, 1, name, pa.table({"out": range(40)}), **metadata)
    finding = the_finding(table.verify("out"))
    assert (finding.what, finding.found) == ("coverage", found)
    assert finding.expected.startswith(expected)
    repair(table, finding)
    assert_whole(table)


def test_a_file_with_the_inputs_in_it_is_gone(table):
    before = table.version
    table.add(pa.table({"id": [100], "text": ["w"], "out": [200]}))
    file_of(table, 3).unlink()
    finding = the_finding(table.verify("out"))
    assert (finding.fragment_id, finding.what) == (3, "missing")
    assert "Put it back from a backup" in finding.repair
    assert "table.restore(version)" in finding.repair
    table.restore(before)
    assert_whole(table)


# -- damaged definitions -----------------------------------------------------------------------


def payload_of(table) -> Path:
    field = lance.dataset(table.uri).schema.field("out")
    return Path(table.uri, field.metadata[b"virtual_column.udf"].decode())


@pytest.mark.parametrize(
    ("damage", "found"), [(remove, "nothing"), (lambda file: file.write_bytes(b"other"), "d9298a1")]
)
def test_a_packed_function_that_is_not_what_it_was(table, damage, found):
    table.optimize()
    damage(payload_of(table))
    finding = the_finding(table.verify("out"))
    assert (finding.what, finding.fragment_id) == ("function", None)
    assert finding.file == f"_udfs/{payload_of(table).name}"
    assert finding.found.startswith(found)
    repair(table, finding)
    assert table.verify(deep=True).ok
    # It is the same function: nothing has become stale, even in a fragment that was compacted.
    assert not table.plan_backfill("out").has_work


@pytest.mark.parametrize(
    ("key", "value", "expected", "found"),
    [
        ("udf_name", None, "virtual_column.udf_name in the field's metadata", "nothing"),
        ("udf_inputs", "id", "a JSON list of columns as virtual_column.udf_inputs", "'id'"),
        ("udf_options", "[]", "a JSON object as virtual_column.udf_options", "'[]'"),
        ("udf_backend", "other/3", "a function of opengeneva/1", "one of other/3"),
    ],
)
def test_a_definition_that_cannot_be_read(table, key, value, expected, found):
    dataset = lance.dataset(table.uri)
    dataset.update_field_metadata({"out": {f"virtual_column.{key}": value}})
    findings = [f for f in table.verify().findings if f.what != "metadata"]
    (finding,) = findings
    assert (finding.what, finding.expected, finding.found) == ("definition", expected, found)
    repair(table, finding)
    assert_whole(table)


def test_an_input_that_is_gone(table):
    lance.dataset(table.uri).drop_columns(["id"])
    table.checkout_latest()
    finding = the_finding(table.verify("out"))
    assert finding.expected == "the column 'id', which the function reads"
    assert "'input_columns': [...]" in finding.repair
    length = geneva.udf(lambda text: len(text), data_type=pa.int64())
    table.alter_columns({"path": "out", "udf": length, "input_columns": ["text"]})
    assert table.verify(deep=True).ok


# -- on an object store ------------------------------------------------------------------------


def test_on_an_object_store(store, tmp_path):
    db = geneva.connect("s3://bucket/verification", storage_options=store)
    rows = pa.table({"id": range(60)})
    table = db.create_table("docs", rows.slice(0, 30))
    table.add(rows.slice(30))
    table.add_columns({"out": OUT, "image": FUNCTIONS["image"]})
    for column in ("out", "image"):
        table.backfill(column, **QUIETLY)
    assert table.verify(deep=True).ok
    session = LanceFileSession(f"{table.uri}/data", storage_options=store)
    dataset = lance.dataset(table.uri, storage_options=store)
    ids = set(leaf_ids(lance_field(dataset, "out")))
    first, second = (file_positions(f, ids)[0][0] for f in dataset.get_fragments())
    session.delete_file(first)
    local = tmp_path / "file"
    session.download_file(second, local)
    truncate(local)
    session.upload_file(local, second)
    missing, cut = table.verify("out").findings
    assert (missing.what, missing.fragment_id, missing.file) == ("missing", 0, f"data/{first}")
    assert (cut.what, cut.fragment_id, cut.file) == ("size", 1, f"data/{second}")
    repair(table, missing)
    repair(table, cut)
    assert table.verify(deep=True).ok
