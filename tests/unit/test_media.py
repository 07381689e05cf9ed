"""What binary values are, told by how they begin."""

from __future__ import annotations

import io
import wave

import pytest
from PIL import Image

from geneva.console.content import SHOWN, part_of
from geneva.console.media import HEAD_BYTES, UNKNOWN, media_of


def picture(kind: str, width: int = 37, height: int = 21, **options) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 60)).save(out, kind, **options)
    return out.getvalue()


def sound(seconds: float = 0.5, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * int(seconds * rate)))
    return out.getvalue()


def looked_at(data: bytes):
    return media_of(data[:HEAD_BYTES], len(data))


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (picture("PNG"), "image/png"),
        (picture("JPEG"), "image/jpeg"),
        (picture("JPEG", progressive=True), "image/jpeg"),
        (picture("JPEG", comment=b"c" * 5000, exif=b"Exif\0\0" + b"e" * 5000), "image/jpeg"),
        (picture("GIF"), "image/gif"),
        (picture("BMP"), "image/bmp"),
        (picture("WEBP"), "image/webp"),
        (picture("WEBP", lossless=True), "image/webp"),
        (picture("WEBP", exif=b"Exif\0\0" + b"e" * 50), "image/webp"),
    ],
)
def test_pictures_are_known_with_their_size(data, content_type):
    found = looked_at(data)
    assert (found.kind, found.content_type) == ("image", content_type)
    assert (found.width, found.height, found.size_bytes) == (37, 21, len(data))
    assert content_type in SHOWN


@pytest.mark.parametrize(
    ("data", "kind", "content_type"),
    [
        (b"fLaC\0\0\0\x22", "audio", "audio/flac"),
        (b"OggS\0\x02", "audio", "audio/ogg"),
        (b"ID3\x04\0", "audio", "audio/mpeg"),
        (b"\xff\xfb\x90\x64\0\0", "audio", "audio/mpeg"),
        (b"\0\0\0\x20ftypisom", "video", "video/mp4"),
        (b"\0\0\0\x20ftypM4A ", "audio", "audio/mp4"),
        (b"\0\0\0\x20ftypheic", "binary", UNKNOWN),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "video", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", "binary", UNKNOWN),
        (b"%PDF-1.7", "document", "application/pdf"),
        (b"", "binary", UNKNOWN),
        (b"BM and other texts that begin so", "binary", UNKNOWN),
        (b"\xff\xfb", "binary", UNKNOWN),
        (b"<!doctype html><script>alert(1)</script>", "binary", UNKNOWN),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "binary", UNKNOWN),
        (b"<?xml version='1.0'?>", "binary", UNKNOWN),
    ],
)
def test_other_values_are_known_or_only_bytes(data, kind, content_type):
    found = looked_at(data)
    assert (found.kind, found.content_type) == (kind, content_type)
    assert found.head_hex == data[:16].hex(" ")


def test_a_sound_says_how_long_it_plays():
    assert looked_at(sound(0.5)).seconds == 0.5
    streamed = bytearray(sound(0.5))
    streamed[40:44] = b"\xff\xff\xff\xff"
    assert looked_at(bytes(streamed)).seconds == 0.5
    assert looked_at(sound()[:30]).seconds is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_headers_that_are_cut_or_wrong_are_no_errors(kind):
    data = picture(kind)
    for length in range(40):
        media_of(data[:length], length)
    for at in range(4, 60):
        media_of(data[:at] + b"\xff" * 40, 500)


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (None, None),
        ("bytes=0-", (0, 99)),
        ("bytes=5-9", (5, 9)),
        ("bytes=90-500", (90, 99)),
        ("bytes=-500", (0, 99)),
        ("bytes=-", None),
        ("bytes=9-5", None),
        ("bytes=100-", None),
        ("bytes=-0", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("pages=1-2", None),
    ],
)
def test_ranges(asked, part):
    assert part_of(asked, 100) == part
