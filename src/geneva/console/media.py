"""Recognise images, sound and films by how their bytes begin, and read their sizes from there.

Nothing is decoded: what is shown is decoded by the browser, which is built to be careful with it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

MediaKind = Literal["image", "audio", "video", "document", "binary"]

HEAD_BYTES = 64 << 10
"""So much of a value is enough to recognise it; a JPEG's size may stand behind a thumbnail."""

UNKNOWN = "application/octet-stream"
_HEX_BYTES = 16
_JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}


@dataclass(frozen=True, slots=True)
class Media:
    """What a binary value is.

    Attributes
    ----------
    kind : str
        "image", "audio", "video", "document" or "binary".
    content_type : str
        How it is served: one of a fixed list of types that browsers only show or play.
    size_bytes : int
        Its size.
    width, height : int or None
        Of an image, in pixels, if its header says it.
    seconds : float or None
        How long a WAV file plays.
    head_hex : str
        Its first bytes.
    """

    kind: MediaKind
    content_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    head_hex: str = ""


def media_of(head: bytes, size_bytes: int) -> Media:
    r"""Say what a binary value is.

    Parameters
    ----------
    head
        Its first bytes, :data:`HEAD_BYTES` of them if it has so many.
    size_bytes
        Size of the whole value.

    Examples
    --------
    >>> found = media_of(b"GIF89a" + bytes([16, 0, 9, 0]), 2000)
    >>> found.content_type, found.width, found.height
    ('image/gif', 16, 9)
    >>> media_of(b"<svg onload=...>", 16).content_type
    'application/octet-stream'
    """
    shown = head[:_HEX_BYTES].hex(" ")
    kind, content_type, size = _recognised(head)
    width, height = size(head) or (None, None)
    seconds = _wav_seconds(head, size_bytes) if content_type == "audio/wav" else None
    return Media(kind, content_type, size_bytes, width, height, seconds, shown)


_Size = Callable[[bytes], "tuple[int, int] | None"]
_Found = tuple[MediaKind, str, _Size]


def _recognised(head: bytes) -> _Found:
    for magic, found in _BEGINNINGS.items():
        if head.startswith(magic):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image", "image/webp", _webp_size
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "audio", "audio/wav", _no_size
    if head[4:8] == b"ftyp":
        return _mp4(head[8:12])
    if head.startswith(b"\x1a\x45\xdf\xa3") and b"webm" in head[:64]:
        return "video", "video/webm", _no_size
    if _is_bmp(head):
        return "image", "image/bmp", _bmp_size
    if _is_mp3(head):
        return "audio", "audio/mpeg", _no_size
    return "binary", UNKNOWN, _no_size


def _mp4(brand: bytes) -> _Found:
    if brand in {b"M4A ", b"M4B "}:
        return "audio", "audio/mp4", _no_size
    if brand in {b"avif", b"avis"}:
        return "image", "image/avif", _no_size
    if brand in {b"heic", b"heix", b"mif1", b"msf1", b"crx "}:  # No browser shows these.
        return "binary", UNKNOWN, _no_size
    return "video", "video/mp4", _no_size


def _is_mp3(head: bytes) -> bool:
    """Say whether it begins like a frame of MPEG audio: two bytes alone say too little."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    return head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3


def _is_bmp(head: bytes) -> bool:
    return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS


def _no_size(_head: bytes) -> tuple[int, int] | None:
    return None


def _png_size(head: bytes) -> tuple[int, int] | None:
    return _unpacked(">II", head, 16) if head[12:16] == b"IHDR" else None


def _gif_size(head: bytes) -> tuple[int, int] | None:
    return _unpacked("<HH", head, 6)


def _bmp_size(head: bytes) -> tuple[int, int] | None:
    if head[14:18] == b"\x0c\x00\x00\x00":
        return _unpacked("<HH", head, 18)
    found = _unpacked("<ii", head, 18)
    return None if found is None else (found[0], abs(found[1]))  # Upside down if negative.


def _webp_size(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8 ":
        found = _unpacked("<HH", head, 26)
        return None if found is None else (found[0] & 0x3FFF, found[1] & 0x3FFF)
    if kind == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X" and len(head) >= 30:
        width, height = head[24:27], head[27:30]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    return None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:  # A filling byte.
            at += 1
        elif marker in _JPEG_SIZES:
            found = _unpacked(">HH", head, at + 5)
            return None if found is None else (found[1], found[0])
        else:
            at += 2 + max(2, int.from_bytes(head[at + 2 : at + 4], "big"))
    return None


def _wav_seconds(head: bytes, size_bytes: int) -> float | None:
    at = 12
    rate = 0
    while at + 8 <= len(head):
        name, length = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"fmt ":
            rate = int.from_bytes(head[at + 16 : at + 20], "little")
        if name == b"data":
            # A stream says that it is endless.
            return round(min(length, size_bytes - at - 8) / rate, 3) if rate else None
        at += 8 + length + length % 2
    return None


def _unpacked(layout: str, head: bytes, at: int) -> tuple[int, int] | None:
    if len(head) < at + struct.calcsize(layout):
        return None
    first, second = struct.unpack_from(layout, head, at)
    return int(first), int(second)


_BEGINNINGS: dict[bytes, _Found] = {
    b"\x89PNG\r\n\x1a\n": ("image", "image/png", _png_size),
    b"\xff\xd8\xff": ("image", "image/jpeg", _jpeg_size),
    b"GIF87a": ("image", "image/gif", _gif_size),
    b"GIF89a": ("image", "image/gif", _gif_size),
    b"fLaC": ("audio", "audio/flac", _no_size),
    b"OggS": ("audio", "audio/ogg", _no_size),
    b"ID3": ("audio", "audio/mpeg", _no_size),
    b"%PDF-": ("document", "application/pdf", _no_size),
}
