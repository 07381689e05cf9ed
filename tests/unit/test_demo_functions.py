"""The functions that the demo computes, called directly on real photographs."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from geneva.cli.demo.functions import (
    HASH_BYTES,
    HISTOGRAM_BINS,
    THUMBNAIL_EDGE,
    PerceptualHash,
    color_histogram,
    size_of,
    thumbnail,
    word_count,
)
from geneva.cli.demo.photos import image_table
from geneva.cli.demo.search import hamming


@pytest.fixture(scope="module")
def images():
    return image_table()


@pytest.fixture(scope="module")
def histograms(images):
    return np.array([color_histogram(image) for image in images["image"].to_pylist()])


def encoded(picture):
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def decoded(image):
    return Image.open(io.BytesIO(image))


def image_named(images, name):
    return images["image"][images["name"].to_pylist().index(name)].as_py()


def test_size_is_the_size(images):
    for row in images.slice(0, 30).to_pylist():
        left, top, right, bottom = row["box"]
        assert size_of(row["image"]) == (right - left, bottom - top)


def test_squares_of_a_histogram_sum_to_one(histograms):
    assert histograms.shape[1] == HISTOGRAM_BINS
    assert histograms.dtype == np.float32
    assert (histograms >= 0).all()
    np.testing.assert_allclose((histograms**2).sum(axis=1), 1, rtol=1e-5)


def test_a_plain_image_falls_into_one_bin():
    histogram = color_histogram(encoded(Image.new("RGB", (30, 20), (255, 0, 0))))
    assert histogram[5 * 36] == 1
    assert np.count_nonzero(histogram) == 1


def test_nearest_neighbour_is_from_the_same_photo(images, histograms):
    # The two motorcycles are one scene, seen by two cameras.
    scene = np.array([photo.split("-")[0] for photo in images["photo"].to_pylist()])
    distance = np.linalg.norm(histograms[:, None] - histograms[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    order = distance.argsort(axis=1)
    assert (scene[order[:, 0]] == scene).mean() >= 0.98
    assert (scene[order[:, :8]] == scene[:, None]).mean() >= 0.93


def test_hash_survives_resizing_and_compression(images):
    phash = PerceptualHash()
    for name in ("coffee-00", "chelsea-00", "china-00", "rocket-00"):
        image = image_named(images, name)
        picture = decoded(image)
        small = picture.resize((picture.width // 2, picture.height // 2))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=40)
        assert phash(image).shape == (HASH_BYTES,)
        assert phash(image).dtype == np.uint8
        assert hamming(phash(image).tolist(), phash(out.getvalue()).tolist()) <= 4


def test_hashes_of_different_photos_differ(images):
    phash = PerceptualHash()
    left = phash(image_named(images, "coffee-00")).tolist()
    right = phash(image_named(images, "china-00")).tolist()
    assert hamming(left, right) >= 16


def test_thumbnail_keeps_the_picture(images):
    image = image_named(images, "coffee-00")
    small = decoded(thumbnail(image))
    assert max(small.size) == THUMBNAIL_EDGE
    whole = decoded(image).resize(small.size)
    difference = np.asarray(small, dtype=float) - np.asarray(whole, dtype=float)
    assert np.abs(difference).mean() < 8


def test_words_are_counted_in_arrow():
    counts = word_count(pa.array(["one", "two words", "", None, "  a\tb\nc "]))
    assert counts.to_pylist() == [1, 2, 0, None, 3]
    assert counts.type == pa.int32()
