"""Importing Geneva is fast, and each step loads only what it needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import geneva
from tests.conftest import values

HEAVY = {"ray", "pandas", "lancedb", "lance", "rich", "typer", "pydantic", "IPython"}


# What a job that computes a plain column, in which nothing goes wrong, has no use for.
UNUSED = {
    *(HEAVY - {"lance"}),
    "annotated_types",
    "asyncio",
    "concurrent.futures",
    "difflib",
    "email",
    "html",
    "http",
    "importlib.metadata",
    "tenacity",
    "geneva.cluster",
    "geneva.debug",
    "geneva.jobs.column_status",
    "geneva.jobs.estimate",
    "geneva.jobs.explanation",
    "geneva.jobs.preview",
    "geneva.pipeline.ahead",
    "geneva.pipeline.async_isolation",
    "geneva.pipeline.call_clock",
    "geneva.pipeline.diff",
    "geneva.pipeline.memory_guard",
    "geneva.pipeline.rehearsal",
    "geneva.pipeline.replay",
    "geneva.pipeline.upkeep",
    "geneva.preview",
    "geneva.transformer.event_loop",
    "geneva.verification",
}
# What only one of the two sides needs.
OF_WORKERS = {"geneva.pipeline.worker", "geneva.transformer.binding", "geneva.runners.inline"}
OF_DRIVERS = {
    "geneva.jobs.planner",
    "geneva.jobs.state",
    "geneva.pipeline.tracker",
    "geneva.resources",
    "geneva.storage.lineage",
}


def loaded_by(program: str, *arguments: str) -> set[str]:
    """Run a program in a fresh interpreter and return the modules that it loaded."""
    code = textwrap.dedent(program) + "\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_importing_geneva_loads_nothing_heavy():
    # Names that are loaded when they are used can be completed before.
    loaded = loaded_by("import geneva; assert set(geneva.__all__) <= set(dir(geneva))")
    assert "geneva" in loaded
    assert not loaded & {*HEAVY, "pyarrow", "numpy"}


def test_decorating_a_function_needs_no_lance():
    program = """
        import geneva

        @geneva.udf(num_cpus=2)
        def words(text: str) -> int:
            return len(text.split())

        assert words("to be") == 2
    """
    assert not loaded_by(program) & HEAVY


def test_opening_a_table_loads_no_lancedb(make_table, tmp_path):
    make_table()
    program = """
        import sys, geneva
        table = geneva.connect(sys.argv[1]).open_table("docs")
        assert table.name == "docs"
    """
    loaded = loaded_by(program, str(tmp_path / "db"))
    assert "lance" in loaded
    assert not loaded & (HEAVY - {"lance"})


def test_a_job_loads_what_it_uses_in_the_driver_and_in_the_worker(make_table, tmp_path):
    table = make_table(rows=4)
    program = """
        import sys, geneva

        @geneva.udf(input_columns=["id"])
        def modules(number: int) -> str:
            import sys
            return " ".join(sys.modules)

        table = geneva.connect(sys.argv[1]).open_table("docs")
        table.add_columns({"modules": modules})
        table.backfill("modules", progress=False)
    """
    driver = loaded_by(program, str(tmp_path / "db"))
    worker = set(values(table, "modules")[0].split())
    assert {"geneva.job", "geneva.pipeline.driver"} <= driver
    assert {"geneva.pipeline.applier", "geneva.pipeline.writer"} <= worker
    assert set() == driver & (UNUSED | OF_WORKERS)
    assert set() == worker & (UNUSED | OF_DRIVERS)


def test_importing_geneva_is_fast():
    program = "import time; s = time.perf_counter(); import geneva; print(time.perf_counter() - s)"
    command = [sys.executable, "-c", program]
    seconds = [float(subprocess.check_output(command, text=True)) for _ in range(3)]
    assert min(seconds) < 1.0


@pytest.mark.parametrize("name", geneva.__all__)
def test_every_public_name_is_there(name):
    assert getattr(geneva, name) is not None


def test_names_that_do_not_exist_say_so():
    with pytest.raises(AttributeError, match="has no attribute 'backfil'"):
        _ = geneva.backfil
    assert len(set(geneva.__all__)) == len(geneva.__all__)


def test_layers_hold():
    lint_imports = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert lint_imports is not None
    done = subprocess.run(
        [lint_imports, "--no-logo", "--no-cache"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
