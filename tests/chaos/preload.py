"""Loaded once, in the process that is forked for each call: it has no threads yet."""

from __future__ import annotations

import warnings

import lance  # noqa: F401
import lancedb.table  # noqa: F401

import geneva.table  # noqa: F401
import tests.chaos.child  # noqa: F401

warnings.filterwarnings("ignore", message="lancedb fork support")
