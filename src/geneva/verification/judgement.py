"""Say what is wrong with a column, from what was seen of it. Pure: facts in, findings out."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from functools import partial

from geneva.pipeline.provenance import JOB_ID_KEY, SOURCE_VERSION_KEY
from geneva.storage.authorship import INPUTS_KEY, PAYLOAD_KEY, UDF_NAME_KEY, UDF_VERSION_KEY
from geneva.storage.column_file import CHECKSUM_KEY, COVERAGE_KEY, FINGERPRINT_KEY, FRAGMENT_KEY
from geneva.storage.definitions import BACKEND
from geneva.storage.facts import ColumnFacts, FileFacts, FragmentFacts
from geneva.verification.report import Finding

_DEFINED = ("udf_name", "udf_version", "udf", "udf_backend", "udf_inputs", "udf_options")
_SAID = (
    UDF_NAME_KEY,
    UDF_VERSION_KEY,
    PAYLOAD_KEY,
    INPUTS_KEY,
    SOURCE_VERSION_KEY,
    JOB_ID_KEY,
    FINGERPRINT_KEY,
    FRAGMENT_KEY,
)
_BACKUP = (
    "Columns that the function reads are in the same file. Put it back from a backup, or return "
    "to a version of the table without it: table.list_versions() and table.restore(version)."
)
_NOTHING = "nothing"


def judge(facts: ColumnFacts) -> tuple[Finding, ...]:
    """Return what is wrong with a column: its definition first, then fragment by fragment."""
    findings = [*_definition(facts)]
    for fragment in facts.fragments:
        wrong = [finding for file in fragment.files for finding in _file(facts, fragment, file)]
        findings += wrong or _values(facts, fragment)
    return tuple(findings)


# -- the definition --------------------------------------------------------------------------


def _definition(facts: ColumnFacts) -> Iterator[Finding]:
    attach = f"table.alter_columns({{'path': {facts.column!r}, 'udf': my_udf}})"
    repair = f"Attach the function that computes it again: {attach}"
    wrong = partial(Finding, facts.column, "definition", repair=repair)
    missing = [f"virtual_column.{key}" for key in _DEFINED if key not in facts.definition]
    if missing:
        yield wrong(expected=f"{', '.join(missing)} in the field's metadata", found=_NOTHING)
    backend = facts.definition.get("udf_backend", BACKEND)
    if backend != BACKEND:
        yield wrong(expected=f"a function of {BACKEND}", found=f"one of {backend}")
    for key, fits, expected in (
        ("udf_inputs", _is_names, "a JSON list of columns"),
        ("udf_options", _is_object, "a JSON object"),
    ):
        text = facts.definition.get(key)
        if text is not None and not fits(text):
            yield wrong(expected=f"{expected} as virtual_column.{key}", found=repr(text))
    if facts.missing_inputs:
        again = f"{attach[:-2]}, 'input_columns': [...]}})"
        bind = f"Bind the function to columns that are there: {again}"
        names = ", ".join(map(repr, facts.missing_inputs))
        expected = f"the column {names}, which the function reads"
        yield wrong(expected=expected, found=_NOTHING, repair=bind)
    if facts.missing_siblings:
        names = ", ".join(map(repr, facts.missing_siblings))
        again = "Drop the columns that are left of its group, and add the function again."
        yield wrong(expected=f"columns for {names} beside it", found=_NOTHING, repair=again)
    yield from _function(facts, repair)


def _function(facts: ColumnFacts, repair: str) -> Iterator[Finding]:
    path = facts.definition.get("udf")
    if path is None:
        return
    name = path.rpartition("/")[2]
    wrong = partial(Finding, facts.column, "function", repair=repair, file=path)
    if facts.payload_digest is None:
        yield wrong(expected="the pickled function", found=_NOTHING)
    elif facts.payload_digest != name:
        yield wrong(expected=f"SHA-256 {name[:12]}…", found=f"{facts.payload_digest[:12]}…")


def _is_names(text: str) -> bool:
    names = _parsed(text)
    return isinstance(names, list) and all(isinstance(name, str) for name in names)


def _is_object(text: str) -> bool:
    return isinstance(_parsed(text), dict)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


# -- the files of a fragment -----------------------------------------------------------------


def _file(facts: ColumnFacts, fragment: FragmentFacts, file: FileFacts) -> Iterator[Finding]:
    """Judge one file. What keeps it from being opened hides what else may be wrong with it."""
    repair = _BACKUP if file.holds_inputs else recomputing(facts.column, fragment.fragment_id)
    wrong = _wrong(facts, fragment, file, repair)
    size = "a file" if file.listed_bytes is None else f"{file.listed_bytes:,} bytes"
    if not file.exists:
        yield wrong(what="missing", expected=size, found=_NOTHING)
    elif not file.size_fits:
        found = "another end of the file"
        if file.found_bytes is not None:
            found = f"{file.found_bytes:,} bytes"
        yield wrong(what="size", expected=size, found=found)
    elif file.problem:
        yield wrong(what="format", expected="a Lance file", found=file.problem)
    else:
        if file.rows not in (None, fragment.physical_rows):
            yield wrong(
                what="rows",
                expected=f"{fragment.physical_rows:,}, those of the fragment",
                found=f"{file.rows:,}",
            )
        if file.data_type not in (None, facts.data_type):
            repair = recomputing(facts.column, fragment.fragment_id)
            expected, found = str(facts.data_type), str(file.data_type)
            yield wrong(what="type", expected=expected, found=found, repair=repair)
        if file.fingerprint is not None:
            yield from _metadata(facts, fragment, file)


def recomputing(column: str, fragment_id: int) -> str:
    """Return the call that computes all rows of a fragment again, without reading the old ones.

    Examples
    --------
    >>> print(recomputing("c", 0))
    table.backfill('c', where='_rowaddr < 4294967296', force=True)
    """
    start, stop = fragment_id << 32, (fragment_id + 1) << 32
    where = f"_rowaddr >= {start} AND _rowaddr < {stop}" if start else f"_rowaddr < {stop}"
    return f"table.backfill({column!r}, where={where!r}, force=True)"


def _wrong(
    facts: ColumnFacts, fragment: FragmentFacts, file: FileFacts, repair: str
) -> partial[Finding]:
    return partial(
        Finding,
        column=facts.column,
        fragment_id=fragment.fragment_id,
        file=f"data/{file.path}",
        repair=repair,
    )


def _metadata(facts: ColumnFacts, fragment: FragmentFacts, file: FileFacts) -> Iterator[Finding]:
    """Judge what one of Geneva's files says of itself."""
    repair = recomputing(facts.column, fragment.fragment_id)
    wrong = partial(_wrong(facts, fragment, file, repair), what="metadata")
    said = file.metadata
    missing = [key for key in _SAID if key not in said]
    if missing:
        yield wrong(expected=f"{', '.join(missing)} in the file's metadata", found=_NOTHING)
    must_be = {FINGERPRINT_KEY: file.fingerprint, FRAGMENT_KEY: str(fragment.fragment_id)}
    if file.fingerprint == fragment.fingerprint:
        # By its name the current function computed it. Other files may be of earlier ones.
        must_be[UDF_NAME_KEY] = facts.definition.get("udf_name")
        must_be[UDF_VERSION_KEY] = facts.definition.get("udf_version")
    for key, expected in must_be.items():
        found = said.get(key, expected)
        if found != expected:
            yield wrong(expected=f"{expected} as {key}", found=found)
    if not _is_names(said.get(INPUTS_KEY, "[]")):
        yield wrong(expected=f"a JSON list as {INPUTS_KEY}", found=repr(said[INPUTS_KEY]))
    read = said.get(SOURCE_VERSION_KEY, "0")
    if not read.isdecimal() or int(read) > facts.version:
        yield wrong(expected=f"a version up to {facts.version} as {SOURCE_VERSION_KEY}", found=read)
    unlike = _unlike_coverage(said.get(COVERAGE_KEY), fragment.physical_rows)
    if file.complete and COVERAGE_KEY in said:
        expected = "none in a file whose name says that all rows are computed"
        yield wrong(what="coverage", expected=expected, found="one")
    elif not file.complete and unlike:
        expected = f"a bit for each of {fragment.physical_rows:,} rows"
        yield wrong(what="coverage", expected=expected, found=unlike)


def _unlike_coverage(text: str | None, physical_rows: int) -> str:
    """Say how a text is not the coverage of so many rows; nothing if it is."""
    if text is None:
        return _NOTHING
    try:
        bits = 8 * len(zlib.decompress(bytes.fromhex(text)))
    except (ValueError, zlib.error):
        return "what cannot be unpacked"
    return "" if 0 <= bits - physical_rows < 8 else f"{bits:,} bits"


# -- the values ------------------------------------------------------------------------------


def _values(facts: ColumnFacts, fragment: FragmentFacts) -> list[Finding]:
    """Judge the values of a fragment whose files are as they should be."""
    if not fragment.files:
        return []
    file, *others = fragment.files
    repair = recomputing(facts.column, fragment.fragment_id)
    wrong = partial(_wrong(facts, fragment, file, repair), what="values")
    if fragment.read_problem:
        return [wrong(expected="values that can be read", found=fragment.read_problem)]
    said, found = file.metadata.get(CHECKSUM_KEY), fragment.checksum
    if file.fingerprint is None or others or None in (said, found) or said == found:
        return []
    return [wrong(expected=f"{said}, as the file says", found=found)]
