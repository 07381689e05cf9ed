"""Pieces of `geneva doctor`: reports, deadlines, functions by their name."""

from __future__ import annotations

import json
import threading

import pytest

import geneva
from geneva.checkup import machine
from geneva.checkup.deadline import left_behind, within
from geneva.checkup.function import load_function
from geneva.errors import InvalidArgumentError
from geneva.report import Check, Report

REPORT = Report(
    (
        Check("a", "ok", "fine"),
        Check("second", "warning", "one\ntwo", "Do <this>."),
        Check("third", "skipped", "no need"),
    )
)


def test_a_report_is_a_table_json_and_html():
    assert REPORT.ok
    assert str(REPORT).splitlines() == [
        "check   status   found",
        "a       ok       fine",
        "second  warning  one",
        "                 two",
        "                 fix: Do <this>.",
        "third   skipped  no need",
        "3 checks: 1 with a warning, 1 skipped.",
    ]
    assert json.loads(REPORT.to_json())["checks"][1]["fix"] == "Do <this>."
    assert "<td>Do &lt;this&gt;.</td>" in REPORT._repr_html_()


def test_a_check_that_hangs_fails_at_its_deadline():
    end = threading.Event()

    def hang():
        end.wait()
        return ()

    (check,) = within(0.1, "slow thing", hang, "Wait.")
    assert check == Check("slow thing", "failed", "no answer within 0.1 s", "Wait.")
    assert left_behind() == ["slow thing"]
    end.set()
    while left_behind():
        pass


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("functions", "expected 'module:name'"),
        ("functions:missing", "module 'functions' has no 'missing'"),
        ("functions:plain", "of type function; expected a function decorated with @geneva.udf"),
        ("functions:Model", "Name an instance of the class"),
    ],
)
def test_names_of_functions(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "functions.py").write_text(
        "import geneva\n"
        "def plain(id: int) -> int: return id\n"
        "@geneva.udf\n"
        "class Model:\n"
        "    def __call__(self, id: int) -> int: return id\n"
        "class Space:\n"
        "    model = Model()\n"
    )
    assert load_function("functions:Space.model").name == "Model"
    with pytest.raises(InvalidArgumentError, match=words.replace("(", r"\(")):
        load_function(name)


def test_memory_of_a_machine_is_what_the_kernel_says():
    import psutil

    free = machine.available_memory_bytes()
    assert 0 < free <= psutil.virtual_memory().total
    assert machine.installed_memory_bytes() == pytest.approx(psutil.virtual_memory().total)


def test_a_disk_is_that_of_the_nearest_folder(tmp_path):
    _, database = machine.check_disk(str(tmp_path / "not" / "there"))
    assert database.found.endswith(f"free in {tmp_path}")


def test_a_hosted_database_is_refused_as_a_line():
    report = geneva.doctor("db://hosted")
    storage = next(check for check in report.checks if check.name == "storage")
    assert "'db://hosted' is a hosted database" in storage.found
