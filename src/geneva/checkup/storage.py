"""Whether the place of a database can hold tables."""

from __future__ import annotations

import time
from collections.abc import Sequence

from geneva.report import Check
from geneva.storage.model import TableLocation

PERMISSIONS, CONDITIONAL = "storage", "conditional put"


def permissions_fix(place: TableLocation) -> str:
    """Return what to do if files cannot be written, read, listed or deleted."""
    if place.is_local:
        return (
            f"Give this user the right to write into {place.uri}, and see that all above it are "
            "folders; or choose another one."
        )
    return (
        f"See that the bucket of {place.uri} exists, that its endpoint and region are right, and "
        "that the credentials, from storage_options= or the environment, may put, get, list and "
        "delete there."
    )


def conditional_fix(place: TableLocation) -> str:
    """Return what to do if a commit can replace another one."""
    if place.is_local:
        return "Use a file system with hard links, on which a rename is atomic."
    return (
        "Use a store that supports conditional puts (If-None-Match: *), with such puts allowed in "
        "its settings; or one writer at a time."
    )


def check_permissions(scratch: TableLocation) -> Sequence[Check]:
    """Write, replace, read, list and delete a real file."""
    from geneva.storage.probe import try_files

    began_s = time.monotonic()
    try_files(scratch)
    took_s = time.monotonic() - began_s
    text = f"files can be written, read, listed and deleted ({took_s:.2f} s)"
    return [Check(PERMISSIONS, "ok", text)]


def check_conditional_put(scratch: TableLocation) -> Sequence[Check]:
    """Let commits meet: the second one of a version has to be refused."""
    from geneva.storage.probe import race_commits

    race = race_commits(TableLocation(f"{scratch.uri}/race.lance", scratch.storage_options))
    if race.lost:
        text = f"of {race.commits} commits at the same time {race.lost} were replaced by others"
        return [Check(CONDITIONAL, "failed", text, conditional_fix(scratch))]
    if not race.refused:
        text = f"none of {race.commits} commits met another one, so nothing had to be refused"
        return [Check(CONDITIONAL, "warning", text, "Run it again.")]
    text = f"refused {race.refused} of {race.commits} commits at the same time, and lost none"
    return [Check(CONDITIONAL, "ok", text)]
