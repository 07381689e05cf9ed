"""Compare two functions of a column: what changed, and whether it makes values stale."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from geneva.markup import worded
from geneva.transformer.parts import CodePart

_WORDS = {"changed": "changed", "added": "is new", "removed": "is not used any more"}
_DIGEST = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two functions of a column.

    Attributes
    ----------
    what : str
        What is different: ``"code of embed"``, ``"default of k"``, ``"num_cpus"``.
    before, after : str or None
        Both values, where they are short; None where they are not, or where there is none.
    where : str or None
        File and line of the new source.
    stale : bool
        Whether it makes computed values stale.
    kind : str
        ``"changed"``, ``"added"`` or ``"removed"``.
    """

    what: str
    before: str | None = None
    after: str | None = None
    where: str | None = None
    stale: bool = True
    kind: Literal["changed", "added", "removed"] = "changed"

    def __str__(self) -> str:
        text = f"{self.what} {_WORDS[self.kind]}"
        if self.before is not None and self.after is not None:
            text = f"{self.what} {self.before} → {self.after}"
        if self.where is not None:
            text += f" ({self.where})"
        return text if self.stale else f"{text} (makes nothing stale)"


@dataclass(frozen=True, slots=True)
class Definition:
    """A column's function, as far as two of them are compared.

    Attributes
    ----------
    name, version : str
        Of the function.
    input_columns : tuple of str
        What it reads.
    options : mapping
        What it asks for.
    parts : tuple of CodePart
        What its digest is made of; empty where that was not stored.
    """

    name: str
    version: str
    input_columns: tuple[str, ...]
    options: Mapping[str, Any]
    parts: tuple[CodePart, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences between a column's function and another one.

    ``print(changes)`` shows them in words; it is false if there are none.

    Attributes
    ----------
    column : str
        The column, with its table.
    changes : tuple of Change
        The differences.
    stale : bool
        Whether values that the earlier function computed are stale.
    """

    column: str
    changes: tuple[Change, ...]
    stale: bool

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def words(self) -> str:
        """The differences in one line."""
        return "; ".join(map(str, self.changes))

    def __str__(self) -> str:
        if not self.changes:
            return f"{self.column}: the same function; nothing becomes stale."
        end = "its values are stale" if self.stale else "nothing becomes stale"
        return f"{self.column}: {self.words}. So {end}."

    def _repr_html_(self) -> str:
        return worded(self)


def compare(column: str, before: Definition, after: Definition) -> Changes:
    """Say what is different between two functions.

    Values are stale if name, version or inputs are different. Code that changed under a version
    that somebody named by hand and kept is told as what makes nothing stale.

    Examples
    --------
    >>> parts = [CodePart("default of k", digest, k) for digest, k in (("0f", "3"), ("1a", "4"))]
    >>> old = Definition("f", "1" * 32, ("a",), {"num_cpus": 1}, (parts[0],))
    >>> new = Definition("f", "2" * 32, ("a",), {"num_cpus": 2}, (parts[1],))
    >>> print(compare("docs.out", old, new))
    docs.out: default of k 3 → 4; num_cpus 1 → 2 (makes nothing stale). So its values are stale.
    """
    said = [
        Change("function", before.name, after.name) if before.name != after.name else None,
        _inputs(before, after),
        _version(before, after),
    ]
    code = list(_parts(before, after, stale=before.version != after.version))
    if before.version != after.version and not code and not any(said):
        code = [Change(f"code of {after.name}")]
    options = [
        Change(name, _text(before.options.get(name)), _text(after.options.get(name)), stale=False)
        for name in sorted({*before.options, *after.options})
        if before.options.get(name) != after.options.get(name)
    ]
    changes = (*(change for change in said if change is not None), *code, *options)
    return Changes(column, changes, stale=any(change.stale for change in changes))


def _inputs(before: Definition, after: Definition) -> Change | None:
    if before.input_columns == after.input_columns:
        return None
    return Change("input_columns", _text(before.input_columns), _text(after.input_columns))


def _version(before: Definition, after: Definition) -> Change | None:
    """Tell of versions that somebody named; of digests it is told what they are made of."""
    old, new = before.version, after.version
    if old == new or (_DIGEST.fullmatch(old) and _DIGEST.fullmatch(new)):
        return None
    short = [v[:12] if _DIGEST.fullmatch(v) else v for v in (old, new)]
    return Change("version", short[0], short[1])


def _parts(before: Definition, after: Definition, *, stale: bool) -> Iterator[Change]:
    if not before.parts:
        return
    # The code of a function that only got another name is compared under the new one.
    old_name, new_name = f"code of {before.name}", f"code of {after.name}"
    old = {part.name.replace(old_name, new_name, 1): part for part in before.parts}
    new = {part.name: part for part in after.parts}
    for name, part in new.items():
        was = old.get(name)
        if was is None:
            yield Change(name, None, part.value, part.where, stale, "added")
        elif was.digest != part.digest:
            yield Change(name, was.value, part.value, part.where, stale)
    for name, part in old.items():
        if name not in new:
            yield Change(name, part.value, None, None, stale, "removed")


def _text(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, default=str)
