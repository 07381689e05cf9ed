"""One job at a time computes a column, as long as it lives; and what it reads is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import lance
import pyarrow as pa
import pytest

import geneva
from geneva import errors
from geneva.storage.claims import Life, judge, new_claim
from geneva.storage.files import TableFiles
from geneva.storage.leases import Lease, list_claims
from geneva.storage.model import TableLocation
from tests.conftest import values
from tests.faults.test_processes import wait_until
from tests.property.tables import COLUMN

ELSEWHERE = "another machine"


@geneva.udf
def double(id: int) -> int:
    return 2 * id


def lease_of(location: TableLocation, call_id: str, **options) -> Lease:
    return Lease(location, COLUMN, f"job-{call_id}", call_id, **options)


def claims(table) -> list[Path]:
    return list(Path(table.uri, "_geneva", "leases").rglob("*.json"))


def tags(table) -> dict[str, int]:
    return {name: tag["version"] for name, tag in lance.dataset(table.uri).tags.list().items()}


def foreign(location: TableLocation, *, renewed_s: float, beat: int = 3) -> str:
    """Leave the claim of a job on another machine."""
    claim = new_claim("far-job", "far", "noon", renewed_s)
    claim = replace(claim, machine=ELSEWHERE, host="far-host", pid=1, beat=beat)
    path = f"_geneva/leases/{COLUMN.field_id}/far.json"
    TableFiles(location).write(path, claim.to_json().encode())
    return path


@pytest.fixture
def place(tmp_path) -> TableLocation:
    return TableLocation(str(tmp_path / "docs.lance"))


# -- the decision --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "age_s", "life"),
    [
        ({}, 0, Life.ALIVE),
        ({}, 10_000, Life.ALIVE),  # It hangs or was stopped, but it runs.
        ({"pid": 2**22 + 1}, 0, Life.DEAD),
        ({"process_start": "before"}, 0, Life.DEAD),  # The id was given to another process.
        ({"machine": ELSEWHERE}, 5, Life.ALIVE),
        ({"machine": ELSEWHERE}, 45, Life.UNSURE),
        ({"machine": ELSEWHERE}, -3600, Life.UNSURE),  # A clock is wrong.
    ],
)
def test_whether_a_holder_lives(changes, age_s, life):
    claim = new_claim("j", "c", "noon", 1e9)
    started = {claim.pid: claim.process_start}
    said = judge(replace(claim, **changes), claim.machine, 1e9 + age_s, started.get)
    assert said is life


# -- the lease -----------------------------------------------------------------------------------


def test_one_of_many_gets_the_lease(place):
    _contend(place, rounds=10, rivals=5)


def test_one_of_many_gets_the_lease_in_an_object_store(store):
    _contend(TableLocation("s3://bucket/leases/docs.lance", tuple(store.items())), 2, 3)


def _contend(place: TableLocation, rounds: int, rivals: int) -> None:
    for number in range(rounds):
        barrier = threading.Barrier(rivals)
        leases = [lease_of(place, f"{number}x{i}") for i in range(rivals)]
        with ThreadPoolExecutor(rivals) as pool:
            said = [pool.submit(_acquired, lease, barrier) for lease in leases]
            refused = [one.result(timeout=60) for one in said]
        assert refused.count(None) == 1
        winner = refused.index(None)
        assert {e.job_id for e in refused if e is not None} == {f"job-{number}x{winner}"}
        assert len(list_claims(TableFiles(place), COLUMN.field_id)) == 1
        leases[winner].release()
    assert list_claims(TableFiles(place)) == {}


def _acquired(lease: Lease, barrier: threading.Barrier) -> errors.ColumnBusyError | None:
    barrier.wait()
    try:
        lease.acquire()
    except errors.ColumnBusyError as error:
        return error
    return None


def test_a_dead_job_elsewhere_is_watched_before_its_lease_is_taken(place):
    foreign(place, renewed_s=time.time() - 3600)
    warned: list[str] = []
    lease = lease_of(place, "mine", warn=warned.append, expire_s=0.3)
    began = time.monotonic()
    lease.acquire()
    assert time.monotonic() - began >= 0.3
    assert lease.took_over
    assert "far-job on far-host" in warned[0]
    lease.release()


def test_a_living_job_elsewhere_keeps_its_lease_whatever_the_clocks_say(place):
    path = foreign(place, renewed_s=time.time() - 3600)
    files = TableFiles(place)

    def renew(seconds: float) -> None:
        time.sleep(seconds)
        claim = json.loads(files.read(path).to_pybytes())
        files.write(path, json.dumps({**claim, "beat": claim["beat"] + 1}).encode())

    with pytest.raises(errors.ColumnBusyError, match="far-job on far-host"):
        lease_of(place, "mine", pause=renew, expire_s=5).acquire()
    assert list(list_claims(files)) == [path]


def test_a_job_elsewhere_that_was_heard_of_is_not_waited_for(place):
    foreign(place, renewed_s=time.time())
    with pytest.raises(errors.ColumnBusyError) as caught:
        lease_of(place, "mine", pause=lambda _: pytest.fail("it waited")).acquire()
    assert (caught.value.job_id, caught.value.host) == ("far-job", "far-host")
    assert caught.value.since == "noon"


def test_a_wait_ends_when_the_job_is_stopped(place):
    foreign(place, renewed_s=0)

    def stopped(_: float) -> None:
        raise errors.JobCancelledError("enough")

    with pytest.raises(errors.JobCancelledError):
        lease_of(place, "mine", pause=stopped).acquire()
    assert len(list_claims(TableFiles(place))) == 1


def test_a_holder_that_was_taken_for_dead_learns_it(place):
    mine = lease_of(place, "mine")
    mine.acquire()
    mine.renew()
    for path in list_claims(TableFiles(place)):
        TableFiles(place).delete(path)  # As another machine does.
    other = lease_of(place, "other")
    other.acquire()
    with pytest.raises(errors.ColumnBusyError, match="job-other"):
        mine.renew()
    other.release()


def test_a_renewal_brings_a_lost_file_back_but_not_a_dropped_table(make_table):
    table = make_table(10, 10)
    place = TableLocation(table.uri)
    lease = lease_of(place, "mine")
    lease.acquire()
    claims(table)[0].unlink()
    lease.renew()
    assert len(claims(table)) == 1
    table._connection.drop_table("docs")
    lease.renew()
    assert not Path(table.uri).exists()


def test_another_driver_of_the_same_call_takes_the_lease_at_once(place):
    first, second = (lease_of(place, "call") for _ in range(2))
    first.acquire()
    second.acquire()
    second.renew()
    with pytest.raises(errors.ColumnBusyError, match="job-call"):
        first.renew()
    second.release()


def test_what_is_no_claim_keeps_nobody_out(place):
    TableFiles(place).write(f"_geneva/leases/{COLUMN.field_id}/odd.json", b"\xff{}")
    lease = lease_of(place, "mine")
    lease.acquire()
    assert len(list_claims(TableFiles(place))) == 1
    lease.release()


# -- jobs ----------------------------------------------------------------------------------------


def test_a_second_job_is_refused_and_names_the_first(make_table, tmp_path):
    table = make_table(40, 20)
    go_on = tmp_path / "go-on"

    @geneva.udf
    def waits(id: int) -> int:
        while not go_on.exists():
            time.sleep(0.01)
        return id

    table.add_columns({"out": waits, "other": double})
    first = table.backfill_async("out", runner="inline", job_id="nightly")
    wait_until(lambda: tags(table))
    version = lance.dataset(table.uri).version
    assert set(tags(table).values()) == {version}
    began = time.monotonic()
    with pytest.raises(errors.ColumnBusyError, match=r"'out' of 'docs'.*job nightly on ") as caught:
        table.backfill("out", runner="inline", progress=False)
    assert time.monotonic() - began < 5
    assert caught.value.job_id == "nightly"
    # Another column is free, and so is another way to look at this one.
    table.backfill("other", runner="inline", progress=False)
    assert table.plan_backfill("out").has_work
    # What the job reads stays when others clean up.
    lance.dataset(table.uri).cleanup_old_versions(timedelta(0), error_if_tagged_old_versions=False)
    assert lance.dataset(table.uri, version=version).count_rows() == 40
    go_on.touch()
    assert first.result(timeout=60).columns["out"].rows_processed == 40
    assert (claims(table), tags(table)) == ([], {})
    assert table.backfill("out", progress=False).columns["out"].rows_processed == 0


def test_a_failed_job_leaves_neither_lease_nor_tag(make_table):
    table = make_table(10, 10)
    table.add_columns({"out": geneva.udf(lambda id: 1 // 0, data_type=pa.int64())})
    for _ in range(2):
        with pytest.raises(errors.UDFError):
            table.backfill("out", runner="inline", progress=False)
        assert (claims(table), tags(table)) == ([], {})


DRIVER = """
    import sys, time
    import geneva
    import lance

    @geneva.udf(batch_size=5)
    def slow(id: int) -> int:
        if sys.argv[2] == "slow":
            time.sleep(0.01)
        return id + 1

    if __name__ == "__main__":
        table = geneva.connect(sys.argv[1]).open_table("docs")
        if "out" not in lance.dataset(table.uri).schema.names:
            table.add_columns({"out": slow})
        try:
            table.backfill("out", runner="inline", progress=False, job_id=sys.argv[3],
                           checkpoint_size=10)
        except geneva.errors.ColumnBusyError as error:
            print("busy with", error.job_id)
        else:
            print("done")
"""


def driver(folder: Path, pace: str, job_id: str) -> subprocess.Popen[str]:
    path = folder / "driver.py"
    path.write_text(textwrap.dedent(DRIVER))
    return subprocess.Popen(
        [sys.executable, str(path), str(folder / "db"), pace, job_id],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_driver_loses_its_lease_at_once_and_its_tag(make_table, tmp_path):
    table = make_table(400, 200)
    first = driver(tmp_path, "slow", "first")
    wait_until(lambda: list(Path(table.uri).rglob("*.arrow")))
    # Another process is refused while the first one lives.
    second = driver(tmp_path, "slow", "second")
    assert second.communicate(timeout=60)[0].splitlines()[-1] == "busy with first"
    os.kill(first.pid, signal.SIGKILL)
    first.wait(timeout=30)
    first.communicate()
    assert len(claims(table)) == len(tags(table)) == 1
    third = driver(tmp_path, "fast", "third")
    assert third.communicate(timeout=60)[0].splitlines()[-1] == "done"
    assert values(table, "out") == {i: i + 1 for i in range(400)}
    assert (claims(table), tags(table)) == ([], {})
    assert not list(Path(table.uri).rglob("*.arrow"))
