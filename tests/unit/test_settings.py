"""Values of settings are read from text, or refused with what was expected."""

from __future__ import annotations

import pickle

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
    ("name", "text", "why"),
    [
        ("ADMISSION__CHECK", "maybe", "Cannot convert value to bool"),
        ("METRICS_PORT", "65536", "must be <= 65535"),
        ("METRICS_PORT", "-1", "must be >= 0"),
        ("MAX_NODE_LOSSES", "0", "must be >= 1"),
        ("MAX_NODE_LOSSES", "1.5", "invalid literal"),
        ("STALL_TIMEOUT_S", "nan", "must be > 0"),
        ("STALL_TIMEOUT_S", "5 s", "could not convert"),
        ("LOG", "xml", "must be in ('text', 'json')"),
    ],
)
def test_what_cannot(name, text, why):
    with pytest.raises(InvalidArgumentError) as refused:
        read_settings({f"GENEVA_{name}": text})
    said = str(refused.value)
    assert said.startswith(f"GENEVA_{name}={text!r}: ")
    assert why in said
    assert "Its default is " in said


def test_the_secret_is_neither_printed_nor_pickled():
    settings = read_settings({"GENEVA_UDF_SIGNING_KEY": "s3cret"})
    assert settings.udf_signing_key == "s3cret"
    assert "s3cret" not in repr(settings)
    assert pickle.loads(pickle.dumps(settings)) == read_settings({})
