"""What a function takes, gives and needs."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    # Programs import it from here; loaded when it is asked for, since it needs Arrow.
    if name == "UnpackedUDF":
        from geneva.transformer.unpacked import UnpackedUDF

        return UnpackedUDF
    raise AttributeError(f"module 'geneva.transformer' has no attribute {name!r}")
