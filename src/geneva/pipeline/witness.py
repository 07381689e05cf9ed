"""Remembers the steps of a rehearsal, and says what became of each row of the sample."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from geneva.jobs.preview import Call, Preview, PreviewRow, RowFailure, RowStatus
from geneva.jobs.progress import Progress
from geneva.pipeline.rehearsal import (
    CallBegun,
    CallReturned,
    FunctionReady,
    Rehearsal,
    RehearsalEnded,
    SampleRead,
    Step,
)
from geneva.transformer.wording import shortened


class Witness:
    """Takes the steps of one rehearsal, from one process or from several after each other.

    Parameters
    ----------
    rehearsal
        What is run.
    place
        Where, in the user's words.
    """

    def __init__(self, rehearsal: Rehearsal, place: str) -> None:
        context = rehearsal.context
        self._asked = rehearsal
        self._preview = Preview(
            table_name=context.location.name,
            output_name=context.column.name,
            udf_name=context.column.udf_name,
            version=context.version,
            place=place,
            rows=(),
        )
        self._inputs: pa.RecordBatch | None = None
        self._rows: list[PreviewRow] = []
        self._values: dict[int, pa.Array] = {}
        self._calls: list[Call] = []
        self._open: CallBegun | None = None
        self._notes: list[str] = []
        self._singly_until = 0
        self.ended: RehearsalEnded | None = None

    @property
    def setting_up(self) -> bool:
        """Whether the rows are read and the function is not loaded yet."""
        return self._inputs is not None and not self._preview.setup_s

    @property
    def in_call(self) -> bool:
        """Whether the function is being called."""
        return self._open is not None

    @property
    def tried(self) -> bool:
        """Whether any row was."""
        return any(row.status != "not tried" for row in self._rows)

    @property
    def all_tried(self) -> bool:
        """Whether all rows were."""
        return all(row.status != "not tried" for row in self._rows)

    @property
    def what(self) -> str:
        """What is run, for a message."""
        return f"Preview of {self._preview.udf_name} on {self._preview.table_name}"

    def progress(self, stage: str = "") -> Progress:
        """Return how far it is."""
        tried = sum(row.status != "not tried" for row in self._rows)
        setting_up = "setting up" if self.setting_up else "reading"
        return Progress(
            self._asked.context.call_id,
            self._preview.table_name,
            self._preview.output_name,
            stage=stage or ("computing" if self._preview.setup_s else setting_up),
            rows_done=tried,
            rows_total=len(self._rows),
        )

    def take(self, step: Step) -> None:
        """Take in one step."""
        match step:
            case SampleRead():
                self._read(step)
            case FunctionReady():
                self._preview = replace(
                    self._preview,
                    setup_s=step.seconds,
                    held_bytes=step.held_bytes,
                    ready_bytes=step.ready_bytes,
                    takes_batches=step.takes_batches,
                )
            case CallBegun():
                self._open = step
            case CallReturned():
                self._open = None
                self._returned(step)
            case RehearsalEnded():
                self.ended = step

    def note(self, text: str) -> None:
        """Add something that the user should know."""
        if text not in self._notes:
            self._notes.append(text)

    def lost(self, status: RowStatus, why: RowFailure) -> None:
        """Take in that the process ended, or was ended, during a call."""
        if self._open is None:
            raise RuntimeError("no call was open")
        first, stop = self._open.first, self._open.stop
        self._open = None
        if stop - first > 1:
            self._singly_until = stop
            self.note(_as_batch(stop - first, f"{status}, {why}"))
        if stop - first == 1 or status == "timed out":
            self._set(first, stop, status=status, error=why)

    def remaining(self) -> Rehearsal:
        """Return what another process has still to try."""
        untried = [i for i, row in enumerate(self._rows) if row.status == "not tried"]
        first = untried[0] if untried else len(self._rows)
        return replace(self._asked, first=first, singly_until=self._singly_until)

    def preview(self, start_s: float) -> Preview:
        """Return what has become of the sample so far."""
        if self._inputs is None:
            raise RuntimeError("the sample was not read")
        together_s = None if self.ended is None else self.ended.together_s
        return replace(
            self._preview,
            rows=tuple(self._rows),
            calls=tuple(self._calls),
            start_s=start_s,
            notes=tuple(self._notes),
            input_values=self._inputs,
            output_values=self._outputs(),
            together_s=together_s,
        )

    def _read(self, step: SampleRead) -> None:
        if self._inputs is not None:
            return  # Another process has read the same.
        self._inputs, self._data_type = step.inputs, step.data_type
        names = step.inputs.schema.names
        columns = [column.to_pylist() for column in step.inputs.columns]
        for place, *values in zip(step.places, *columns, strict=True):
            shown = {n: shortened(value) for n, value in zip(names, values, strict=True)}
            self._rows.append(PreviewRow(place.row_id, place.fragment_id, place.offset, shown))

    def _returned(self, step: CallReturned) -> None:
        rows = step.stop - step.first
        peak_bytes = max(self._preview.peak_memory_bytes, step.peak_bytes)
        self._preview = replace(self._preview, peak_memory_bytes=peak_bytes)
        if step.values is None:
            if rows == 1:
                self._set(
                    step.first,
                    step.stop,
                    status="failed",
                    error=step.failure,
                    seconds=step.seconds,
                    memory_bytes=step.memory_bytes,
                )
            else:
                self.note(_as_batch(rows, f"failed, {step.failure}"))
            return
        values = step.values
        self._calls.append(Call(rows, step.seconds, step.memory_bytes, values.nbytes))
        for i in range(rows):
            one = values.slice(i, 1)
            self._values[step.first + i] = one
            self._rows[step.first + i] = replace(
                self._rows[step.first + i],
                status="computed",
                output=one[0].as_py(),
                output_bytes=one.nbytes,
                seconds=step.seconds / rows,
                memory_bytes=None if step.memory_bytes is None else step.memory_bytes // rows,
            )

    def _set(self, first: int, stop: int, **found: object) -> None:
        for i in range(first, stop):
            self._rows[i] = replace(self._rows[i], **found)  # type: ignore[arg-type]

    def _outputs(self) -> pa.Array:
        nothing = pa.nulls(1, self._data_type)
        one_by_one = [self._values.get(i, nothing) for i in range(len(self._rows))]
        return pa.concat_arrays(one_by_one) if one_by_one else pa.array([], self._data_type)


def _as_batch(rows: int, what: str) -> str:
    return f"A batch of {rows} rows {what}: its rows were computed one by one."
