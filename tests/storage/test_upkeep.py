"""What jobs leave behind is removed, and nothing that anybody still needs."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from lance.file import LanceFileSession
from typer.testing import CliRunner

import geneva
from geneva import errors
from geneva.cli.main import app
from geneva.jobs.leftovers import Kind, leftovers
from geneva.storage.claims import Life, new_claim
from geneva.storage.files import StoredFile, TableFiles
from geneva.storage.inventory import Inventory, SeenClaim
from geneva.storage.model import TableLocation
from geneva.storage.tags import JobTag
from tests.conftest import values
from tests.faults.test_processes import wait_until

CALL = {"runner": "inline", "progress": False}
DAY = 24 * 3600


@pytest.fixture
def stopped(make_table, tmp_path):
    """A table of three fragments whose job failed in the second, with a part of 10 rows."""
    table = make_table(90, 30)
    table.add_columns({"out": _failing(tmp_path / "mended")})
    with pytest.raises(errors.UDFError):
        table.backfill("out", checkpoint_size=10, commit_granularity=1, **CALL)
    assert len(parts(table)) == 1
    return table


def _failing(mended: Path, version: str = "1"):
    @geneva.udf(data_type=pa.int64(), batch_size=5, version=version)
    def out(id: int) -> int:
        if id == 40 and not mended.exists():
            raise ValueError("not yet")
        return id + 1

    return out


def parts(table) -> list[Path]:
    return sorted(Path(table.uri, "_geneva", "parts").rglob("*.arrow"))


def age(table, seconds: float = 2 * DAY) -> None:
    """Let everything in a table's folder be old."""
    then = time.time() - seconds
    for path in Path(table.uri).rglob("*"):
        os.utime(path, (then, then))


def everything(table) -> dict[str, bytes]:
    root = Path(table.uri)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def kinds(cleanup) -> Counter[Kind]:
    return Counter(left.kind for left in cleanup.found)


# -- what stays ----------------------------------------------------------------------------------


def test_what_the_next_backfill_goes_on_from_stays(stopped, tmp_path):
    age(stopped)
    before = everything(stopped)
    assert stopped.cleanup_checkpoints().found == ()
    assert everything(stopped) == before
    (tmp_path / "mended").touch()
    # Row 30 to 39 of the second fragment are in its part.
    assert stopped.backfill("out", **CALL).columns["out"].rows_processed == 90 - 30 - 10
    age(stopped)
    before = everything(stopped)
    assert stopped.cleanup_checkpoints().found == ()
    assert everything(stopped) == before


def test_what_a_job_with_another_function_goes_on_from_stays(stopped, tmp_path):
    other = _failing(tmp_path / "mended", version="2")
    with pytest.raises(errors.UDFError):
        stopped.backfill("out", udf=other, checkpoint_size=10, where="id >= 30", **CALL)
    assert len(parts(stopped)) == 2
    age(stopped)
    assert stopped.cleanup_checkpoints().found == ()
    (tmp_path / "mended").touch()
    again = stopped.backfill("out", udf=other, where="id >= 30", **CALL)
    assert again.columns["out"].rows_processed == 60 - 10
    age(stopped)
    found = stopped.cleanup_checkpoints()
    # Its note and its function are of no use any more, nor is the part of the column's own.
    assert set(kinds(found)) <= {Kind.NOTE, Kind.FUNCTION, Kind.PART, Kind.COLUMN_FILE}
    assert kinds(found)[Kind.NOTE] == kinds(found)[Kind.FUNCTION] == 1
    assert values(stopped, "out") == {i: i + 1 for i in range(90)}


def test_what_a_running_job_needs_stays(make_table, tmp_path):
    table, go_on = make_table(40, 20), tmp_path / "go-on"

    @geneva.udf(batch_size=5)
    def waits(id: int) -> int:
        while id >= 30 and not go_on.exists():
            time.sleep(0.01)
        return id

    table.add_columns({"out": geneva.udf(lambda id: -1, data_type=pa.int64())})
    # Its column file is not committed, and no schema names its function.
    job = table.backfill_async("out", udf=waits, runner="inline", commit_granularity=None)
    wait_until(lambda: list(Path(table.uri, "data").glob("gv-*.lance")))
    age(table)
    assert table.cleanup_checkpoints(resumable=True).found == ()
    go_on.touch()
    job.result(timeout=60)
    assert values(table, "out") == {i: i for i in range(40)}


def test_what_an_earlier_version_holds_stays(make_table):
    table = make_table(20, 20)
    table.add_columns({"out": geneva.udf(lambda id: id, data_type=pa.int64())})
    table.backfill("out", **CALL)
    version = lance.dataset(table.uri).version
    table.alter_columns({"path": "out", "udf": geneva.udf(lambda id: -id, data_type=pa.int64())})
    table.backfill("out", **CALL)
    table.drop_columns(["out"])
    age(table)
    assert table.cleanup_checkpoints().found == ()
    assert lance.dataset(table.uri, version=version).to_table()["out"].to_pylist()[3] == 3
    lance.dataset(table.uri, version=version).restore()
    assert not table.plan_backfill("out").has_work


# -- what goes -----------------------------------------------------------------------------------


def test_a_dry_run_shows_the_same_and_removes_nothing(stopped):
    part = parts(stopped)[0]
    stopped.drop_columns(["out"])
    before = everything(stopped)
    shown = stopped.cleanup_checkpoints(dry_run=True)
    assert everything(stopped) == before
    gone = "its column is gone"
    # What its function computed, and what went wrong with a row.
    assert [(left.kind, left.why) for left in shown.found] == [
        (Kind.PART, gone),
        (Kind.KNOWN, gone),
    ]
    assert shown.found[0].size_bytes == part.stat().st_size
    assert Path(stopped.uri, shown.found[0].path) == part
    done = stopped.cleanup_checkpoints()
    assert done.found == shown.found
    assert dict(done) == {"batch_deleted": 1, "orphan_frag_deleted": 0, "udtf_batch_deleted": 0}
    assert everything(stopped).keys() == before.keys() - {left.path for left in shown.found}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: lance.dataset(t.uri).delete("id >= 30 AND id < 60"), "its fragment is gone"),
        (
            lambda t: t.alter_columns(
                {"path": "out", "udf": geneva.udf(lambda id: 0, data_type=pa.int64())}
            ),
            "its function or its inputs were replaced",
        ),
    ],
)
def test_parts_that_nobody_can_use_go(stopped, change, why):
    change(stopped)
    assert [left.why for left in stopped.cleanup_checkpoints().found] == [why]
    assert parts(stopped) == []


def test_parts_whose_rows_are_committed_go(stopped, tmp_path):
    part = parts(stopped)[0]
    kept = part.read_bytes()
    (tmp_path / "mended").touch()
    stopped.backfill("out", **CALL)
    # As if the job had been killed before it removed its parts.
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(kept)
    found = stopped.cleanup_checkpoints()
    assert [left.why for left in found.found] == ["its rows are committed"]
    assert not part.exists()


def test_resumable_parts_go_on_request(stopped):
    done = stopped.cleanup_checkpoints(resumable=True)
    assert (done["batch_deleted"], parts(stopped)) == (1, [])
    assert stopped.plan_backfill("out").total_rows_pending == 60


def test_what_killed_jobs_leave_goes(stopped):
    root = Path(stopped.uri)
    orphan = root / "data" / f"gv-{'0f' * 12}-c-{'a' * 32}.lance"
    for path in (
        orphan,
        orphan.with_suffix("") / "1.blob",
        root / "data" / ".tmpX1y2z3",
        root / "_geneva" / "parts" / "9" / "0f" / ".0-0-4-dense-a.arrow.1.tmp",
        root / "_udfs" / ("0" * 64),
        root / "_geneva" / "leases" / "1" / "unreadable.json",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left")
    dataset = lance.dataset(stopped.uri)
    dataset.tags.create("geneva-1-4f1c22ab0c9d", 2)
    dataset.tags.create("mine", 2)
    dead = replace(new_claim("killed", "4f1c22ab0c9d11ee", "noon", time.time()), pid=2**22 + 1)
    TableFiles(TableLocation(stopped.uri)).write(
        "_geneva/leases/1/4f1c22ab0c9d11ee.json", dead.to_json().encode()
    )
    # Lance's own files, however old, are Lance's.
    before = everything(stopped).keys()
    young = stopped.cleanup_checkpoints(dry_run=True)
    assert set(kinds(young)) == {Kind.LEASE, Kind.TAG}
    age(stopped)
    done = stopped.cleanup_checkpoints()
    assert kinds(done) == Counter(
        {
            Kind.LEASE: 2,
            Kind.TAG: 1,
            Kind.COLUMN_FILE: 2,
            Kind.FUNCTION: 1,
            Kind.UNFINISHED: 2,
        }
    )
    assert list(lance.dataset(stopped.uri).tags.list()) == ["mine"]
    gone = {left.path for left in done.found} - {"geneva-1-4f1c22ab0c9d"}
    gone |= {name for name in before if name.startswith("_refs") and "geneva-1" in name}
    assert everything(stopped).keys() == before - gone
    assert len(parts(stopped)) == 1
    assert stopped.cleanup_checkpoints().found == ()


def test_an_object_store(store, tmp_path):
    db = geneva.connect("s3://bucket/upkeep", storage_options=store)
    table = db.create_table("docs", pa.table({"id": range(30, 60)}))
    table.add_columns({"out": _failing(tmp_path / "mended")})
    with pytest.raises(errors.UDFError):
        table.backfill("out", checkpoint_size=5, **CALL)
    files = LanceFileSession(table.uri, storage_options=store)
    before = set(files.list())
    assert table.cleanup_checkpoints().found == ()
    orphan = f"data/gv-{'0f' * 12}-c-{'a' * 32}.lance"
    TableFiles(TableLocation(table.uri, tuple(store.items()))).write(orphan, b"left")
    done = table.cleanup_checkpoints()
    assert [(left.path, left.size_bytes) for left in done.found] == [(orphan, None)]
    assert set(files.list()) == before
    assert table.cleanup_checkpoints(resumable=True)["batch_deleted"] == 2
    assert len(before) - len(files.list()) == 2


# -- the decision --------------------------------------------------------------------------------


PART = StoredFile("_geneva/parts/7/0f/0-0-4-dense-4f1c22ab0c9dee.arrow", 9, 0.0)
FILE = StoredFile(f"data/gv-0f-c-4f1c22ab0c9d{'e' * 20}.lance", 9, None)
THERE = Inventory(columns=frozenset({7}), fragments=frozenset({0}))


@pytest.mark.parametrize(
    ("life", "silent_s", "goes"),
    [
        (Life.ALIVE, 0, set()),
        (Life.UNSURE, 100, set()),
        (Life.UNSURE, 2 * 3600, {"lease", "tag", "part", "column file"}),
        (Life.DEAD, 0, {"lease", "tag", "part", "column file"}),
    ],
)
def test_only_what_is_surely_dead_loses_its_things(life, silent_s, goes):
    claim = SeenClaim("_geneva/leases/7/4f.json", "j", "4f1c22ab0c9d", 7, life, silent_s)
    tag = JobTag("geneva-7-4f1c22ab0c9d", 7, "4f1c22ab0c9d", 3)
    there = replace(THERE, files=(PART, FILE), tags=(tag,), claims=(claim,))
    assert {left.kind.value for left in leftovers(there, resumable=True)} == goes
    kinds_in_order = [left.kind for left in leftovers(there)]
    assert kinds_in_order == sorted(kinds_in_order, key=list(Kind).index)


@pytest.mark.parametrize(
    ("file", "changes", "resumable", "goes"),
    [
        (FILE, {}, False, True),
        (FILE, {"needed": frozenset({FILE.path.removeprefix("data/")})}, True, False),
        (FILE, {"branched": True}, True, False),  # Another branch may hold it.
        (replace(FILE, age_s=60.0), {}, True, False),
        (replace(FILE, path="data/1000101.lance"), {}, True, False),
        (PART, {"resumable": frozenset({PART.path})}, False, False),
        (PART, {"resumable": frozenset({PART.path})}, True, True),
        (replace(PART, path="_geneva/parts/7/odd"), {}, True, False),
        # Where ages are not known, what somebody may be about to name stays.
        (StoredFile("_udfs/00", 9, None), {}, False, False),
        (StoredFile("_udfs/00", 9, None), {}, True, True),
        (StoredFile("_udfs/00", 9, 60.0), {}, True, False),
        # What is known of a column is of use as long as there is the column.
        (StoredFile("_geneva/peaks/7-ab", 9, 9e9), {}, True, False),
        (StoredFile("_geneva/peaks/8-ab", 9, 60.0), {}, False, True),
        (StoredFile("_geneva/proofs/7/ab.json", 9, 9e9), {}, True, False),
        (StoredFile("_geneva/proofs/8/ab.json", 9, 60.0), {}, False, True),
    ],
)
def test_files(file, changes, resumable, goes):
    there = replace(THERE, files=(file,), **changes)
    assert bool(leftovers(there, resumable=resumable)) is goes


def test_a_function_stays_as_long_as_a_note_names_it():
    note = StoredFile("_geneva/overrides/7/aa.json", 9, 60.0)
    function = StoredFile("_udfs/00", 9, 2.0 * DAY)
    there = replace(
        THERE, files=(note, function), functions_noted=frozenset({(note.path, function.path)})
    )
    assert leftovers(there) == ()
    old = replace(there, files=(replace(note, age_s=DAY), function))
    assert [left.kind for left in leftovers(old)] == [Kind.NOTE, Kind.FUNCTION]
    used = replace(old, notes_in_use=frozenset({note.path}))
    assert leftovers(used) == ()


# -- the command ---------------------------------------------------------------------------------


def test_the_command(stopped, make_table):
    other = make_table(name="other")
    uri = str(Path(stopped.uri).parent)
    stopped.drop_columns(["out"])

    def gc(*arguments: str) -> str:
        said = CliRunner().invoke(app, ["gc", uri, *arguments])
        assert said.exit_code == 0, said.output
        return said.stdout

    assert gc(other.name) == "other: removed nothing\n"
    shown = gc("--dry-run").splitlines()
    assert shown[0].startswith("docs: would remove 1 part, 1 column note, ")
    assert shown[1].endswith("bytes: its column is gone")
    assert shown[2].startswith("  _geneva/errors/")
    assert shown[3:] == ["other: would remove nothing"]
    assert len(parts(stopped)) == 1
    done = [json.loads(line) for line in gc("--json").splitlines()]
    assert [(table["table"], len(table["found"])) for table in done] == [("docs", 2), ("other", 0)]
    assert done[0]["found"][0]["kind"] == "part"
    assert parts(stopped) == []
    missing = CliRunner().invoke(app, ["gc", uri, "nope"])
    assert (missing.exit_code, "was not found" in missing.output) == (1, True)
