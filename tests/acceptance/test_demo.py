"""`geneva demo`, as a user runs it."""

import io
import json
import os
import re
import subprocess
import sys

import lancedb
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.timeout(300)


def geneva(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "geneva.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1"},
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "db"


@pytest.fixture(scope="module")
def first(place):
    return geneva("demo", "--dir", place, "--concurrency", 2)


def test_the_demo_runs_to_its_end(first):
    assert first.returncode == 0, first.stderr
    assert "252 crops of 18 photographs" in first.stdout
    for column in ("images.size", "images.histogram", "images.phash", "images.thumbnail"):
        assert re.search(rf"{column} +252 ", first.stdout)
    assert re.search(r"texts\.word_count +\d\d+ ", first.stdout)
    assert "Traceback" not in first.stdout + first.stderr


def test_every_value_is_there_and_right(first, place):
    images = lancedb.connect(place).open_table("images")
    table = images.to_arrow()
    assert {name: table[name].null_count for name in table.schema.names} == dict.fromkeys(
        ["name", "photo", "source", "box", "image", "size", "histogram", "phash", "thumbnail"], 0
    )
    histogram = np.array(table["histogram"].to_pylist())
    np.testing.assert_allclose((histogram**2).sum(axis=1), 1, rtol=1e-5)
    blobs = images.to_lance().take_blobs("thumbnail", indices=list(range(len(table))))
    for row, blob in zip(table.drop(["thumbnail"]).to_pylist(), blobs, strict=True):
        left, top, right, bottom = row["box"]
        assert row["size"] == {"width": right - left, "height": bottom - top}
        with Image.open(io.BytesIO(blob.readall())) as small:
            ratio = small.width / small.height
        assert ratio == pytest.approx((right - left) / (bottom - top), rel=0.02)
    texts = lancedb.connect(place).open_table("texts").to_arrow()
    counts = [len(text.split()) for text in texts["text"].to_pylist()]
    assert texts["word_count"].to_pylist() == counts


def test_the_search_finds_the_same_scene(first):
    ranks = re.findall(r"^ +(\d) +(\S+)", first.stdout, flags=re.MULTILINE)
    assert [rank for rank, _ in ranks] == list("12345678")
    assert {photo for _, photo in ranks} == {"motorcycle-left", "motorcycle-right"}


def test_the_contact_sheet_is_where_it_says(first, place):
    path = re.search(r"Contact sheet: (.+)", first.stdout).group(1)
    assert path == str(place / "most_similar.png")
    with Image.open(path) as sheet:
        assert sheet.size == (1432, 680)
        assert np.asarray(sheet).std() > 20


def test_the_last_lines_run_as_they_are(first):
    lines = [line.strip() for line in first.stdout.rstrip().splitlines()[-3:]]
    assert lines[0] == "import geneva"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "'name': 'coffee-00'" not in done.stdout
    assert "'name': 'motorcycle-left-00'" in done.stdout


def test_a_second_run_computes_nothing_again(first, place):
    again = geneva("demo", "--dir", place, "--query", "coffee")
    assert again.returncode == 0, again.stderr
    assert len(re.findall(r" 0 .*was complete", again.stdout)) == 5
    assert re.search(r"query +coffee +0,0 to 600,400", again.stdout)


def test_fresh_starts_over(first, place):
    again = geneva("demo", "--dir", place, "--fresh", "--query", "flower")
    assert again.returncode == 0, again.stderr
    assert len(re.findall(r"images\.\w+ +252 ", again.stdout)) == 4


def test_an_unknown_query_lists_the_photos(tmp_path):
    done = geneva("demo", "--dir", tmp_path / "db", "--query", "tea")
    assert done.returncode == 1
    assert "No photo is named 'tea'. Choose one of: astronaut, brick," in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "db").exists()


def test_the_default_directory_is_here(tmp_path):
    done = geneva("demo", "--concurrency", 1, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sheet = "geneva-demo/most_similar.png"
    assert json.loads(done.stdout) == {"directory": "geneva-demo", "contact_sheet": sheet}
    assert (tmp_path / "geneva-demo" / "most_similar.png").is_file()


def test_help_and_version():
    assert "demo" in geneva("--help").stdout
    assert re.match(r"opengeneva \d+\.\d+\.\d+.* \(Python 3", geneva("version").stdout)


def test_help_imports_nothing_heavy():
    check = (
        "import sys; from geneva.cli.main import app; "
        "heavy = {'pyarrow', 'numpy', 'lance', 'lancedb', 'PIL', 'ray'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
