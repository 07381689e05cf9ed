"""The table of settings says what the code says."""

from __future__ import annotations

import pytest

from geneva.config import Settings
from tests.docs.pages import ROOT, code_spans, table_rows

PAGE = ROOT / "docs" / "guide" / "settings.md"


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {
        code_spans(name)[0]: code_spans(default)[0]
        for name, default, *_ in table_rows(PAGE, "Setting")
    }
    existing = {
        f"GENEVA_{name.upper()}": str(setting.default)
        for name, setting in Settings.model_fields.items()
    }
    assert documented == existing


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_read_from_its_variable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"GENEVA_{name.upper()}", "7")
    assert getattr(Settings(), name) == 7
