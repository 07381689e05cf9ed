"""The committed API reference is the one that the docstrings give."""

from __future__ import annotations

import importlib.util

import geneva
from tests.docs.pages import ROOT

spec = importlib.util.spec_from_file_location(
    "build_reference", ROOT / "docs" / "build_reference.py"
)
assert spec is not None
assert spec.loader is not None
build_reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build_reference)


def test_reference_is_current() -> None:
    committed = (ROOT / "docs" / "reference.md").read_text()
    assert committed == build_reference.reference(), "run `make docs`"


def test_every_public_name_is_in_it() -> None:
    text = build_reference.reference()
    names = [name for name in geneva.__all__ if name not in ("__version__", "version")]
    assert [name for name in names if f"geneva.{name}" not in text] == []
