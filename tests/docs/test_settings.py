"""The table of settings says what the code says."""

from __future__ import annotations

import pytest
from attrs import fields

from geneva.config import Settings, read_settings
from geneva.errors import InvalidArgumentError
from tests.docs.pages import ROOT, code_spans, table_rows

PAGE = ROOT / "docs" / "guide" / "settings.md"


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {
        code_spans(name)[0]: code_spans(default)[0]
        for name, default, *_ in table_rows(PAGE, "Setting")
    }
    existing = {
        f"GENEVA_{setting.name.upper()}": str(setting.default) for setting in fields(Settings)
    }
    assert documented == existing


@pytest.mark.parametrize("name", [setting.name for setting in fields(Settings)])
def test_every_setting_is_read_from_its_variable(name: str) -> None:
    given, expected = {True: ("false", False), None: ("7", "7"), "text": ("json", "json")}.get(
        getattr(Settings(), name), ("7", 7)
    )
    assert getattr(read_settings({f"GENEVA_{name.upper()}": given}), name) == expected


def test_a_bad_setting_is_refused_with_its_name() -> None:
    with pytest.raises(InvalidArgumentError, match=r"GENEVA_STOP_GRACE_S='-1': .* must be > 0"):
        read_settings({"GENEVA_STOP_GRACE_S": "-1"})
