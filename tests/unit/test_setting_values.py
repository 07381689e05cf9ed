"""Values of settings are read from text, or refused with what was expected."""

from __future__ import annotations

import pytest

from geneva.config import read_settings
from geneva.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ADMISSION__CHECK", " No ", False),
        ("ADMISSION__STRICT", "1", True),
        ("METRICS_PORT", "65535", 65535),
        ("COMMIT_MAX_RETRIES", "0", 0),
        ("STALL_TIMEOUT_S", "1e3", 1000.0),
        ("STOP_GRACE_S", "inf", float("inf")),
        ("METRICS_HOST", "", ""),
    ],
)
def test_what_can_be_read(name, text, value):
    assert getattr(read_settings({f"GENEVA_{name}": text}), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("ADMISSION__CHECK", "maybe", "true or false"),
        ("METRICS_PORT", "65536", "a whole number from 0 to 65535"),
        ("MAX_NODE_LOSSES", "0", "a whole number from 1 on"),
        ("MAX_NODE_LOSSES", "1.5", "a whole number from 1 on"),
        ("STALL_TIMEOUT_S", "nan", "a number greater than 0"),
        ("STALL_TIMEOUT_S", "5 s", "a number greater than 0"),
        ("STALL_TIMEOUT_S", "", "a number greater than 0"),
    ],
)
def test_what_cannot(name, text, expected):
    with pytest.raises(InvalidArgumentError) as refused:
        read_settings({f"GENEVA_{name}": text})
    said = f"GENEVA_{name}={text!r}: expected {expected}. Its default is "
    assert str(refused.value).startswith(said)
