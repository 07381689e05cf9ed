"""Logs as JSON: every line on stderr is one object, and names its job."""

from __future__ import annotations

import json
import logging
import threading
import warnings
from datetime import datetime

import pytest

import geneva
from geneva import config, errors
from geneva.jobs.progress import Progress
from geneva.pipeline import local_record
from geneva.pipeline.journal import Line
from geneva.progress import json_log
from geneva.runners.ray.told import show_line
from geneva.warned import warn_line


@geneva.udf
def same(id: int) -> int:
    return id


@geneva.udf
def picky(id: int) -> int:
    if id == 3:
        raise LookupError("no three")
    return id


@pytest.fixture
def as_json(monkeypatch):
    """Let this process log as JSON, and not afterwards."""
    monkeypatch.setenv("GENEVA_LOG", "json")
    monkeypatch.setenv("GENEVA_PROGRESS_INTERVAL_S", "0.0001")
    config.settings.cache_clear()
    yield
    config.settings.cache_clear()
    logging.captureWarnings(False)
    for logger in (json_log.LOGGER, logging.getLogger("py.warnings")):
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_job_from_its_beginning_to_its_end(as_json, make_table, capsys):
    table = make_table(40, 10)
    table.add_columns({"out": same})
    table.backfill("out", runner="inline", job_id="nightly")
    found = lines(capsys)
    assert [found[0]["event"], found[-1]["event"]] == ["job_began", "job_done"]
    progress = [one for one in found if one["event"] == "progress"]
    assert len(progress) >= 2
    assert (progress[-1]["rows_done"], progress[-1]["rows_total"]) == (40, 40)
    assert progress[-1]["message"].startswith("docs.out done, 40 rows in 4 fragments in ")
    for one in found:
        assert (one["job_id"], one["table"], one["column"]) == ("nightly", "docs", "out")
        assert (one["level"], one["logger"]) == ("INFO", "geneva")
        assert datetime.fromisoformat(one["time"]).utcoffset().total_seconds() == 0


def test_a_job_that_fails_is_an_error_with_its_traceback(as_json, make_table, capsys):
    table = make_table(10, 10)
    table.add_columns({"out": picky})
    with pytest.raises(errors.UDFError):
        table.backfill("out", runner="inline", progress=False, job_id="nightly")
    began, failed = lines(capsys)
    assert began["event"] == "job_began"
    assert (failed["event"], failed["level"], failed["error"]) == (
        "job_failed",
        "ERROR",
        "UDFError",
    )
    assert failed["job_id"] == "nightly"
    assert "no three" in failed["message"]
    assert "LookupError: no three" in failed["traceback"]


def test_what_others_log_names_the_job_that_runs(as_json, capsys):
    begin = Progress("j1", "docs", "out")
    with json_log.job_named(begin), json_log.job_logged(begin), warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.getLogger("geneva.something").warning("careful with %s", "ü")
        warnings.warn("a warning", UserWarning, stacklevel=1)
    logging.getLogger("geneva").info("outside")
    found = lines(capsys)
    assert [one["job_id"] for one in found] == ["j1", "j1", "j1", "j1", None]
    assert found[1]["message"] == "careful with ü"
    assert (found[2]["level"], found[2]["logger"]) == ("WARNING", "py.warnings")
    assert "a warning" in found[2]["message"]


def test_what_is_said_before_the_first_job_is_json_too(as_json, make_table, capsys):
    table = make_table(10, 10)
    table.add_columns({"out": same})
    table.alter_columns({"path": "out", "udf": picky})
    (said,) = lines(capsys)
    assert (said["level"], said["job_id"]) == ("INFO", None)
    assert "docs.out" in said["message"]


def test_a_word_that_is_no_format_is_refused():
    with pytest.raises(errors.InvalidArgumentError, match=r"GENEVA_LOG='xml'.*'text', 'json'"):
        config.read_settings({"GENEVA_LOG": "xml"})


def test_warnings_of_ours_name_the_job_wherever_they_are_given(
    as_json, make_table, tmp_path, capsys, monkeypatch
):
    table = make_table(10, 10)
    table.add_columns({"out": same})
    monkeypatch.setattr(local_record, "_said", set())
    # A file where the folder of records should be.
    (tmp_path / "db" / "_geneva").write_text("")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        table.backfill("out", runner="inline", progress=False, job_id="nightly")
    (warned,) = [one for one in lines(capsys) if one["level"] == "WARNING"]
    assert "cannot be written" in warned["message"]
    assert (warned["job_id"], warned["table"]) == ("nightly", "docs")


def test_warnings_of_a_driver_on_a_cluster_are_json_and_prints_are_not(as_json, capsys):
    with json_log.job_named(Progress("j1", "docs", "out")):
        show_line(Line("stderr", "Warning: the disk is nearly full"))
        (warned,) = lines(capsys)
        show_line(Line("stderr", "[applier 1, rows 0-9 of fragment 2] Warning: mine"))
        assert capsys.readouterr().err == "[applier 1, rows 0-9 of fragment 2] Warning: mine\n"
    assert (warned["message"], warned["job_id"]) == ("the disk is nearly full", "j1")


def test_threads_of_a_job_name_it_while_it_is_the_only_one(as_json, capsys):
    def told_by_a_thread(text: str) -> str | None:
        thread = threading.Thread(target=warn_line, args=(text,))
        thread.start()
        thread.join()
        (one,) = lines(capsys)
        assert (one["message"], one["level"]) == (text, "WARNING")
        return one["job_id"]

    with json_log.job_named(Progress("j1", "docs", "out")):
        assert told_by_a_thread("the lease cannot be renewed") == "j1"
        with json_log.job_named(Progress("j2", "docs", "out")):
            assert told_by_a_thread("of which of them?") is None
    assert told_by_a_thread("of none") is None
