"""What is left to do in one run: tasks to compute, fragments to write, files to commit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from geneva.jobs.planner import Plan
from geneva.jobs.tasks import ApplyTask, FragmentPlan
from geneva.storage.model import ColumnFile, Part, RowRange


@dataclass(slots=True)
class _Fragment:
    plan: FragmentPlan
    open_tasks: int
    parts: list[Part]
    lost: list[int]


class Work:
    """The work of a plan. Every row range is either pending, at a worker, or done.

    Parameters
    ----------
    plan : Plan
        What to do.

    Attributes
    ----------
    pending : deque of ApplyTask
        Tasks that no worker has.
    to_write : deque of int
        Fragments whose parts are all there.
    ready : list of ColumnFile
        Files to commit.
    fragments_open : int
        Fragments without a file.
    """

    def __init__(self, plan: Plan) -> None:
        self.pending: deque[ApplyTask] = deque(plan.tasks)
        self.to_write: deque[int] = deque()
        self.ready: list[ColumnFile] = []
        self.fragments_open = len(plan.fragments)
        self._next_task_id = len(plan.tasks)
        tasks: dict[int, int] = {}
        for task in plan.tasks:
            tasks[task.fragment_id] = tasks.get(task.fragment_id, 0) + 1
        self._fragments = {
            fragment.fragment_id: _Fragment(
                fragment, tasks.get(fragment.fragment_id, 0), list(fragment.parts), []
            )
            for fragment in plan.fragments
        }
        # An earlier job has computed all of these and had no time to write them.
        self.to_write.extend(i for i in self._fragments if i not in tasks)

    def plan_of(self, fragment_id: int) -> FragmentPlan:
        """Return the plan of a fragment."""
        return self._fragments[fragment_id].plan

    def parts_of(self, fragment_id: int) -> tuple[Part, ...]:
        """Return the parts that hold a fragment's computed rows."""
        return tuple(self._fragments[fragment_id].parts)

    def lost_of(self, fragment_id: int) -> tuple[int, ...]:
        """Return the rows of a fragment that kill whoever computes them."""
        return tuple(self._fragments[fragment_id].lost)

    def open_tasks(self, fragment_id: int) -> int:
        """Return how many tasks of a fragment are not done."""
        return self._fragments[fragment_id].open_tasks

    def needs_writer(self, fragment_id: int) -> bool:
        """Say whether a fragment is made out of parts; else who computes it writes it too."""
        fragment = self._fragments[fragment_id]
        return bool(fragment.parts) or bool(fragment.lost) or fragment.open_tasks > 1

    def add_part(self, part: Part) -> None:
        """Take in a durable part."""
        self._fragments[part.fragment_id].parts.append(part)

    def add_file(self, file: ColumnFile) -> None:
        """Take in a finished column file."""
        self.fragments_open -= 1
        self.ready.append(file)

    def take_ready(self) -> tuple[ColumnFile, ...]:
        """Hand out the files to commit."""
        files, self.ready = tuple(self.ready), []
        return files

    def close(self, task: ApplyTask, file: ColumnFile | None) -> None:
        """Take in that a task is done; after the last of a fragment its file can be written."""
        fragment = self._fragments[task.fragment_id]
        fragment.open_tasks -= 1
        if file is not None:
            self.add_file(file)
        elif fragment.open_tasks == 0:
            self.to_write.append(task.fragment_id)

    def split(self, task: ApplyTask, at: int) -> ApplyTask:
        """Take the rows from ``at`` on from a task; return what is left of it."""
        self._fragments[task.fragment_id].open_tasks += 1
        rest = self._task(task.fragment_id, RowRange(at, task.rows.stop))
        self.pending.append(replace(rest, batch_rows=task.batch_rows))
        return replace(task, rows=RowRange(task.rows.start, at))

    def reclaim(self, task: ApplyTask) -> int:
        """Take a task back from a worker that was lost; return where its lost rows begin."""
        start = self._durable_until(task)
        rest = RowRange(start, task.rows.stop)
        if len(rest):
            self.pending.appendleft(self._task(task.fragment_id, rest))
        else:
            self.close(task, None)
        return start

    def reclaim_suspects(self, task: ApplyTask, rows: RowRange, batch_rows: int) -> None:
        """Take a task back whose worker was lost with some of its rows, which come first now.

        Parameters
        ----------
        task
            The task.
        rows
            The rows that are to blame.
        batch_rows
            Most of them that are computed at once.
        """
        before, after = self._around(task, rows)
        suspects = replace(self._task(task.fragment_id, rows), batch_rows=batch_rows)
        self._replace(task, [suspects, *before, *after])

    def leave_out(self, task: ApplyTask, row: int) -> None:
        """Take a task back without a row that kills whoever computes it."""
        before, after = self._around(task, RowRange(row, row + 1))
        self._fragments[task.fragment_id].lost.append(row)
        self._replace(task, [*before, *after])

    def _around(self, task: ApplyTask, rows: RowRange) -> tuple[list[ApplyTask], list[ApplyTask]]:
        """Return what is left of a task before and after some of its rows."""
        start = min(self._durable_until(task), rows.start)
        before, after = RowRange(start, rows.start), RowRange(rows.stop, task.rows.stop)
        return tuple(  # type: ignore[return-value]
            [replace(self._task(task.fragment_id, piece), batch_rows=task.batch_rows)]
            if len(piece)
            else []
            for piece in (before, after)
        )

    def _replace(self, task: ApplyTask, pieces: list[ApplyTask]) -> None:
        """Put the pieces of a task in its place."""
        if not pieces:
            self.close(task, None)
            return
        self._fragments[task.fragment_id].open_tasks += len(pieces) - 1
        self.pending.extendleft(reversed(pieces))

    def _task(self, fragment_id: int, rows: RowRange) -> ApplyTask:
        self._next_task_id += 1
        return ApplyTask(self._next_task_id - 1, fragment_id, rows)

    def _durable_until(self, task: ApplyTask) -> int:
        position = task.rows.start
        fragment = self._fragments[task.fragment_id]
        # Parts of earlier jobs say nothing about the rows that this one selects.
        parts = fragment.parts[len(fragment.plan.parts) :]
        for part in sorted(parts, key=lambda p: p.rows.start):
            if part.rows.start <= position < part.rows.stop:
                position = min(part.rows.stop, task.rows.stop)
        return position
