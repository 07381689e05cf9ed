"""Rows that fail: retried, skipped and recorded, found again wherever they go, computed later."""

from __future__ import annotations

import json
import time

import pyarrow as pa
import pytest
from typer.testing import CliRunner

import geneva
from geneva import errors
from geneva.cli.main import app
from tests.conftest import values

BAD = {3, 41, 42, 97}


def by_row(bad=frozenset(BAD), **options):
    def maybe(id: int) -> int:
        if id in bad:
            raise ValueError(f"{id} is bad")
        return None if id % 10 == 5 else 2 * id

    return geneva.udf(maybe, **{"on_error": geneva.skip_on_error(), **options})


def by_batch(bad=frozenset(BAD), **options):
    def maybe(id: pa.Array) -> pa.Array:
        found = bad & set(id.to_pylist())
        if found:
            raise ValueError(f"{min(found)} is bad")
        return pa.array([None if n % 10 == 5 else 2 * n for n in id.to_pylist()])

    return geneva.udf(
        maybe, data_type=pa.int64(), **{"on_error": geneva.skip_on_error(), **options}
    )


def of_whole_batch(bad=frozenset(BAD), **options):
    inner = by_batch(bad).func

    def maybe(batch: pa.RecordBatch) -> pa.Array:
        return inner(batch["id"])

    options = {"on_error": geneva.skip_on_error(), "input_columns": ["id"], **options}
    return geneva.udf(maybe, data_type=pa.int64(), **options)


def expected(bad=frozenset(BAD), rows: int = 100) -> dict[int, int | None]:
    return {i: None if i in bad or i % 10 == 5 else 2 * i for i in range(rows)}


def by_call(bad=frozenset(BAD), **options):
    async def maybe(id: int) -> int:
        if id in bad:
            raise ValueError(f"{id} is bad")
        return None if id % 10 == 5 else 2 * id

    return geneva.udf(maybe, **{"on_error": geneva.skip_on_error(), **options})


FORMS = {"scalar": by_row, "array": by_batch, "batch": of_whole_batch, "async": by_call}


SAME = pytest.mark.same_on_ray


@pytest.fixture(
    params=["scalar", *(pytest.param(name, marks=SAME) for name in FORMS if name != "scalar")]
)
def form(request):
    return FORMS[request.param]


def run(table, runner: str, **call):
    return table.backfill("out", **{"runner": runner, "progress": False, **call})


def test_failed_computed_null_and_missing_are_three_states(make_table, runner, form):
    table = make_table()
    table.add_columns({"out": form()})
    result = run(table, runner, where="id < 90")
    assert (result.columns["out"].rows_processed, result.columns["out"].rows_skipped) == (87, 3)
    assert result.metrics["rows_skipped_on_error"] == 3
    assert "3 rows failed" in str(result)
    status = table.column_status("out")
    assert (status.fresh, status.failed, status.missing, status.stale) == (87, 3, 10, 0)
    assert status.why["failed in earlier calls"] == 3
    assert "3 failed" in str(status)
    assert table.errors("out")["row_id"].to_pylist() == [3, 41, 42]
    plan = table.plan_backfill("out")
    assert plan.why == {"failed in earlier calls": 3, "were not computed in earlier calls": 10}
    run(table, runner)
    status = table.column_status("out")
    assert (status.fresh, status.failed, status.missing) == (96, 4, 0)
    assert values(table, "out") == expected()


@pytest.mark.same_on_ray
def test_every_failed_row_is_on_record(make_table, runner, form):
    table = make_table()
    table.add_columns({"out": form()})
    job = run(table, runner, job_id="nightly").job_id
    found = table.errors("out").to_pylist()
    assert [row["row_id"] for row in found] == sorted(BAD)
    first = found[0]
    assert first["error_type"] == "ValueError"
    assert first["error_message"] == "3 is bad"
    assert first["error_trace"].startswith("Traceback")
    assert "in maybe" in first["error_trace"]
    assert "geneva/" not in first["error_trace"]
    assert (first["inputs"], first["attempt"], first["job_id"]) == ("id=3", 1, job)
    assert (first["table_name"], first["column_name"], first["udf_name"]) == (
        "docs",
        "out",
        "maybe",
    )
    assert first["worker"]
    assert first["timestamp"] is not None
    assert (found[1]["fragment_id"], found[1]["row_offset"]) == (1, 1)
    assert found[1]["row_address"] == (1 << 32) + 1
    stored = sorted(record.row_address for record in table.get_errors(job))
    assert stored == [row["row_address"] for row in found]
    assert table.get_errors(error_type="KeyError") == []
    addresses = table.get_failed_row_addresses(job, "out")
    assert len(addresses) == 4
    run(table, runner, where=f"_rowaddr IN ({', '.join(map(str, addresses))})")
    assert table.errors("out").num_rows == 4


@SAME
def test_only_errors_computes_exactly_those_and_success_removes_them(
    make_table, runner, form, tmp_path
):
    table, mended = make_table(), tmp_path / "mended"
    calls = tmp_path / "calls"

    def heals(id: int) -> int:
        with calls.open("a") as file:
            file.write(f"{id}\n")
        if id in (3, 97) and not mended.exists():
            raise ValueError("not yet")
        return id

    table.add_columns({"out": geneva.udf(heals, on_error=geneva.skip_on_error())})
    run(table, runner, where="id >= 2")
    assert table.errors("out")["row_id"].to_pylist() == [3, 97]
    mended.touch()
    calls.unlink()
    planned = table.plan_backfill("out", only="errors")
    assert planned.total_rows_pending == 2
    run(table, runner, only="errors")
    assert sorted(map(int, calls.read_text().split())) == [3, 97]
    assert table.errors("out").num_rows == 0
    assert table.get_errors() == []
    status = table.column_status("out")
    assert (status.fresh, status.missing, status.failed) == (98, 2, 0)
    assert run(table, runner, only="errors").columns["out"].rows_processed == 0
    with pytest.raises(errors.InvalidArgumentError, match=r"only='wrong'; expected \"errors\""):
        run(table, runner, only="wrong")
    with pytest.raises(errors.InvalidArgumentError, match="force"):
        run(table, runner, only="errors", force=True)


@SAME
def test_failed_rows_are_found_again_wherever_they_are_moved(make_table, runner, form):
    table = make_table()
    table.add_columns({"out": form()})
    run(table, runner)
    table.optimize()
    assert table.errors("out")["inputs"].num_chunks
    before = {row["row_id"]: row["error_message"] for row in table.errors("out").to_pylist()}
    assert sorted(before.values()) == sorted(f"{n} is bad" for n in BAD)
    assert table.column_status("out").failed == 4
    table.delete("id = 41")
    assert table.column_status("out").failed == table.errors("out").num_rows == 3
    # A row that is computed elsewhere in the fragment does not make the others forgotten.
    table.add(pa.table({"id": [500], "text": ["new"]}))
    run(table, runner, where="id = 500")
    assert table.column_status("out").failed == table.errors("out").num_rows == 3


@SAME
def test_a_failed_row_shows_no_value_of_an_earlier_function(make_table, runner, form):
    table = make_table()
    table.add_columns({"out": form(frozenset())})
    run(table, runner)
    table.alter_columns({"path": "out", "udf": form()})
    run(table, runner)
    assert values(table, "out") == expected()
    run(table, runner, where="id < 50", force=True, udf=form({7}))
    assert values(table, "out") == expected({7, 97})


@SAME
def test_errors_of_another_version_of_the_function_are_not_listed(make_table, runner, form):
    table = make_table()
    table.add_columns({"out": form()})
    run(table, runner)
    table.alter_columns({"path": "out", "udf": form({1})})
    assert table.errors("out").num_rows == 0
    assert table.column_status("out").stale == 100
    run(table, runner)
    assert table.errors("out")["error_message"].to_pylist() == ["1 is bad"]
    assert len(table.get_errors()) == 1


@pytest.mark.same_on_ray
def test_the_row_that_ends_a_job_is_on_record_too(make_table, runner):
    table = make_table()
    table.add_columns({"out": by_row(on_error=None)})
    with pytest.raises(errors.UDFError, match="3 is bad"):
        run(table, runner, job_id="first", concurrency=1)
    [row] = table.errors("out").to_pylist()
    assert (row["row_id"], row["job_id"], row["error_message"]) == (3, "first", "3 is bad")
    run(table, runner, on_error=geneva.skip_on_error())
    assert table.errors("out")["row_id"].to_pylist() == sorted(BAD)


def test_retries_heal_and_are_counted(make_table, runner, tmp_path):
    table = make_table()

    def flaky(id: int) -> int:
        if id % 25 == 0:
            seen = tmp_path / f"{id}"
            calls = len(seen.read_text()) + 1 if seen.exists() else 1
            seen.write_text("x" * calls)
            if calls < (2 if id else 9):
                raise ConnectionError(f"{id} is away")
        return id

    policy = [geneva.Retry(ConnectionError, max_attempts=2, backoff="fixed")]
    table.add_columns({"out": geneva.udf(flaky, on_error=[*policy, geneva.Skip(ConnectionError)])})
    run(table, runner)
    [row] = table.errors("out").to_pylist()
    assert (row["row_id"], row["attempt"], row["error_message"]) == (0, 2, "0 is away")
    assert values(table, "out") == {i: i or None for i in range(100)}


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ({"max_errors": 2}, "at most 2 rows may"),
        pytest.param({"max_errors": 0.02}, r"at most 2 rows \(2.000% of 100\) may", marks=SAME),
        pytest.param(
            {"on_error": geneva.skip_on_error(max_skip_count=2)}, "at most 2 rows may", marks=SAME
        ),
        pytest.param(
            {"on_error": [geneva.Skip(ValueError, max_skip_fraction=0.02)]},
            "at most 2 rows",
            marks=SAME,
        ),
    ],
)
def test_a_budget_of_failures_ends_the_job(make_table, runner, form, given, limit):
    table = make_table()
    table.add_columns({"out": form(**given)})
    with pytest.raises(geneva.SkipThresholdExceededError, match=limit) as caught:
        run(table, runner, concurrency=1)
    assert caught.value.skipped > 2
    # What was computed is kept.
    run(table, runner, on_error=geneva.skip_on_error(), max_errors=4)
    assert values(table, "out") == expected()


@SAME
def test_a_budget_that_is_kept_changes_nothing(make_table, runner):
    table = make_table()
    table.add_columns({"out": by_row(max_errors=0.04)})
    assert run(table, runner).columns["out"].rows_skipped == 4


@SAME
def test_some_errors_are_skipped_and_others_end_the_job(make_table, runner, form):
    table = make_table()
    table.add_columns({"out": form(on_error=[geneva.Skip(ValueError, match="^[0-8]")])})
    with pytest.raises(errors.UDFError, match="97 is bad"):
        run(table, runner, concurrency=1)
    run(table, runner, where="id < 90")
    assert table.column_status("out").failed == 3


@SAME
def test_values_of_the_wrong_type_can_be_skipped(make_table, runner):
    table = make_table()
    wrong = geneva.udf(
        lambda id: "text" if id in BAD else id,
        data_type=pa.int64(),
        on_error=geneva.skip_on_error(),
    )
    table.add_columns({"out": wrong})
    run(table, runner)
    found = table.errors("out").to_pylist()
    assert {row["error_type"] for row in found} == {"WrongReturnTypeError"}
    assert values(table, "out") == {i: None if i in BAD else i for i in range(100)}


@SAME
def test_several_threads_skip_as_well(make_table, runner, form):
    table = make_table()
    table.add_columns({"out": form(batch_size=4, num_cpus=0.3)})
    run(table, runner, intra_applier_concurrency=3)
    assert values(table, "out") == expected()
    assert table.errors("out").num_rows == 4


@SAME
def test_a_table_in_which_every_row_fails(make_table, runner, form):
    table = make_table(60)
    table.add_columns({"out": form(frozenset(range(60)))})
    result = run(table, runner)
    assert result.columns["out"].rows_skipped == 60
    assert table.column_status("out").failed == table.errors("out").num_rows == 60
    assert set(values(table, "out").values()) == {None}


@SAME
def test_the_database_lists_errors_of_all_tables(db, make_table, runner):
    for name in ("a", "b"):
        table = make_table(name=name)
        table.add_columns({"out": by_row()})
        run(table, runner, job_id=f"of-{name}")
    make_table(name="plain")
    assert db.list_errors().num_rows == 8
    assert db.list_errors("a").num_rows == db.list_errors(job_id="of-b").num_rows == 4
    assert db.list_errors(column_name="out", error_type="ValueError").num_rows == 8
    assert db.list_errors(error_type="KeyError").num_rows == 0
    with pytest.raises(errors.ColumnNotFoundError):
        db.list_errors("plain", "out")
    with pytest.raises(errors.NotComputedError):
        db.open_table("a").errors("text")


@SAME
@pytest.mark.local_files
def test_the_command_lists_errors(db, make_table, runner):
    table = make_table()
    table.add_columns({"out": by_row()})
    run(table, runner)
    command = CliRunner()
    shown = command.invoke(app, ["errors", db.uri, "docs", "out"])
    assert shown.exit_code == 1
    head, first = shown.output.splitlines()[:2]
    assert head.split()[:4] == ["row", "id", "column", "error"]
    assert first.split() == [
        "3", "docs.out", "ValueError:", "3", "is", "bad", "1",
        table.errors()["job_id"][0].as_py()[:8], "id=3",
    ]  # fmt: skip
    found = json.loads(command.invoke(app, ["errors", db.uri, "--json"]).output)
    assert [row["row_id"] for row in found] == sorted(BAD)
    traced = command.invoke(app, ["errors", db.uri, "--traceback", "--limit", "1"]).output
    assert "| Traceback" in traced
    assert "and 3 more" in traced
    table.alter_columns({"path": "out", "udf": by_row(frozenset())})
    run(table, runner)
    shown = command.invoke(app, ["errors", db.uri])
    assert (shown.exit_code, shown.output) == (0, "No rows have failed.\n")
    assert command.invoke(app, ["errors", db.uri, "nope"]).exit_code == 1


@SAME
@pytest.mark.parametrize("asynchronous", [False, True])
def test_many_rows_that_heal_together(make_table, runner, tmp_path, asynchronous):
    def heals(id: int) -> int:
        seen = tmp_path / str(id)
        if not seen.exists():
            seen.touch()
            if id % 3 == 0:
                raise ConnectionError("away")
        return id

    async def heals_too(id: int) -> int:
        return heals(id)

    table = make_table(12, 12)
    function = heals_too if asynchronous else heals
    policy = [geneva.Retry(ConnectionError, backoff="fixed")]
    table.add_columns({"out": geneva.udf(function, data_type=pa.int64(), on_error=policy)})
    began = time.monotonic()
    run(table, runner)
    took_s = time.monotonic() - began
    assert values(table, "out") == {i: i for i in range(12)}
    # Those of an async function wait together, the others one after the other.
    assert took_s > (1 if asynchronous else 4)
    assert not asynchronous or took_s < 4


def test_an_async_row_that_takes_too_long_is_interrupted(make_table, runner):
    async def sleepy(id: int) -> int:
        import asyncio

        await asyncio.sleep(60 if id in (3, 9) else 0)
        return id

    table = make_table(20, 20)
    skipping = geneva.udf(sleepy, on_error=geneva.skip_on_error(), row_timeout=0.2)
    table.add_columns({"out": skipping})
    run(table, runner)
    found = table.errors("out").to_pylist()
    assert [(row["row_id"], row["error_type"]) for row in found] == [
        (3, "RowTimeoutError"),
        (9, "RowTimeoutError"),
    ]
    assert values(table, "out") == {i: None if i in (3, 9) else i for i in range(20)}
