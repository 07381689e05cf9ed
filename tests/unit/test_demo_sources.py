"""The demo's photographs and texts, as the installed packages ship them."""

import io
import socket
from importlib.metadata import files

import pytest
from PIL import Image

from geneva.cli.demo.paragraphs import prose, text_table
from geneva.cli.demo.photos import LONGEST_EDGE, PHOTOS, crop_boxes, image_table, package_file


@pytest.fixture(scope="module")
def images():
    return image_table()


@pytest.mark.parametrize("photo", PHOTOS)
def test_every_photo_is_part_of_the_wheel(photo):
    distribution, package, path = PHOTOS[photo]
    shipped = {str(file) for file in files(distribution)}
    assert f"{package}/{path}" in shipped
    assert package_file(package, path).is_file()


def test_every_photo_is_cut_into_fourteen_crops(images):
    assert images.num_rows == 14 * len(PHOTOS)
    names = images["name"].to_pylist()
    assert len(set(names)) == len(names)
    assert set(images["photo"].to_pylist()) == set(PHOTOS)
    assert set(images["source"].to_pylist()) == {"scikit-image", "scikit-learn"}


def test_an_image_has_the_size_of_its_box(images):
    for row in images.to_pylist():
        left, top, right, bottom = row["box"]
        with Image.open(io.BytesIO(row["image"])) as picture:
            assert picture.size == (right - left, bottom - top)
        assert max(picture.size) <= LONGEST_EDGE
        assert min(picture.size) >= 100


def test_the_crops_of_a_scale_reach_all_edges():
    boxes = list(crop_boxes(640, 427))
    assert boxes[0] == (0, 0, 640, 427)
    for scale in (boxes[1:5], boxes[5:]):
        assert min(left for left, _, _, _ in scale) == 0
        assert min(top for _, top, _, _ in scale) == 0
        assert max(right for _, _, right, _ in scale) == 640
        assert max(bottom for _, _, _, bottom in scale) == 427


def test_gathering_needs_no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the demo opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert image_table().num_rows
    assert text_table().num_rows


def test_a_missing_photo_is_left_out(monkeypatch):
    monkeypatch.setattr(
        "geneva.cli.demo.photos.PHOTOS",
        {
            "coffee": PHOTOS["coffee"],
            "lost": ("scikit-image", "skimage", "data/lost.png"),
            "unknown": ("nowhere", "no_such_package", "x.png"),
        },
    )
    assert set(image_table()["photo"].to_pylist()) == {"coffee"}


def test_texts_are_the_prose_of_the_descriptions():
    texts = text_table().to_pylist()
    assert len(texts) >= 60
    assert {"iris", "wine_data", "twenty_newsgroups"} <= {row["source"] for row in texts}
    assert any("famous Iris database" in row["text"] for row in texts)
    for row in texts:
        assert "\n" not in row["text"]
        assert "====" not in row["text"]
        assert len(row["text"].split()) >= 12


def test_tables_code_and_fields_are_not_prose():
    words = "twelve words stand in this line so that it is long enough"
    markup = [f"=====\n{words}", f">>> {words}", f":Field: {words}", f".. note:: {words}"]
    assert list(prose("\n\n".join([*markup, words]))) == [words]
