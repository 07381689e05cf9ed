"""What charts draw of a job's history: options of ECharts. Pure.

Nothing that a user wrote becomes code or markup: names stand in data, which a canvas draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from geneva.jobs.history import MIXED, STAGES, WRITE, JobHistory, Sample, TaskSpan
from geneva.jobs.progress_words import STAGE_NAMES

Options = dict[str, Any]

_BLUE, _GREEN, _GREY = "#3b82f6", "#10b981", "#94a3b8"
_THERE, _LOST = "#94a3b866", "#ef4444aa"
_COLORS = {
    "read": "#8b5cf6",
    "udf": _BLUE,
    "checkpoint": "#f59e0b",
    "write": _GREEN,
    "commit": "#ec4899",
}
_TASK_COLORS = {WRITE: _GREEN, MIXED: _GREEN}
_AXIS_COLOR = "#8a8f98"
_SHORTEST_STEP_S = 0.1
_LANE_PX, _MOST_LANES_PX = 22, 560
# Draws one span as a bar of its lane; the fourth value is the bar's share of the lane's height.
_DRAW = """(params, api) => {
  const begin = api.coord([api.value(1), api.value(0)]);
  const end = api.coord([api.value(2), api.value(0)]);
  const height = api.size([0, 1])[1] * api.value(3);
  const shape = echarts_clip(
    {x: begin[0], y: begin[1] - height / 2, width: Math.max(1, end[0] - begin[0]), height},
    params.coordSys);
  return shape && {type: 'rect', shape, style: {fill: api.visual('color')}};
}"""
# As in echarts.graphic.clipRectByRect, which pages cannot reach.
_CLIP = """(rect, area) => {
  const x = Math.max(rect.x, area.x), x2 = Math.min(rect.x + rect.width, area.x + area.width);
  const y = Math.max(rect.y, area.y), y2 = Math.min(rect.y + rect.height, area.y + area.height);
  return x2 < x || y2 < y ? null : {x, y, width: x2 - x, height: y2 - y};
}"""


def throughput(history: JobHistory) -> Options:
    """Return rows per second and workers over time.

    Examples
    --------
    >>> from geneva.jobs.history import Sample
    >>> history = JobHistory(samples=(Sample(0.0), Sample(2.0, rows_done=100, workers=3)))
    >>> throughput(history)["series"][0]["data"]
    [(2.0, 50.0)]
    """
    samples = history.samples
    speeds = [
        (now.elapsed_s, round(max(0, now.rows_done - before.rows_done) / step_s, 2))
        for before, now, step_s in _steps(samples)
    ]
    workers = [(sample.elapsed_s, sample.workers) for sample in samples]
    return {
        **_frame(history, [_axis("rows/s"), {**_axis("workers"), "minInterval": 1}]),
        "series": [
            {**_line("rows/s", speeds, _BLUE), "areaStyle": {"opacity": 0.15}},
            {**_line("workers", workers, _GREY), "yAxisIndex": 1, "step": "end"},
        ],
    }


def stage_times(history: JobHistory) -> Options:
    """Return where the workers' time goes over time: seconds per second, by stage.

    Examples
    --------
    >>> from geneva.jobs.history import Sample
    >>> history = JobHistory(samples=(Sample(0.0), Sample(2.0, udf_s=3.0)))
    >>> [line["data"] for line in stage_times(history)["series"] if line["name"] == "the function"]
    [[(2.0, 1.5)]]
    """
    lines = []
    for stage in STAGES:
        spent = [
            (now.elapsed_s, round(max(0.0, now.stage_s[stage] - before.stage_s[stage]) / step_s, 3))
            for before, now, step_s in _steps(history.samples)
        ]
        line = _line(STAGE_NAMES[stage], spent, _COLORS[stage])
        lines.append({**line, "stack": "all", "areaStyle": {"opacity": 0.7}})
    return {**_frame(history, [_axis("workers' seconds per second")]), "series": lines}


def timeline(history: JobHistory) -> Options:
    """Return a lane per worker: from when it was there, and what it was busy with.

    Examples
    --------
    >>> from geneva.jobs.history import WorkerSpan
    >>> history = JobHistory(workers=(WorkerSpan(0, "applier 0", "worker", 0.2, 3.0, "released"),))
    >>> options = timeline(history)
    >>> options["yAxis"]["data"], options["series"][0]["data"][0]["value"]
    (['applier 0'], [0, 0.2, 3.0, 0.9])
    """
    lanes: dict[int, str] = {}
    for span in history.workers:
        lanes[span.worker] = span.component
    place = {worker: number for number, worker in enumerate(lanes)}
    now_s = history.elapsed_s
    there = [
        {
            "value": [place[w.worker], w.began_s, _end(w.ended_s, w.began_s, now_s), 0.9],
            "name": f"{w.component}: {w.end or 'at work'}",
            "itemStyle": {"color": _LOST if _lost(w.end) else _THERE},
        }
        for w in history.workers
    ]
    busy = [
        {
            "value": [place[t.worker], t.began_s, _end(t.ended_s, t.began_s, now_s), 0.55],
            "name": _task(t),
            "itemStyle": {"color": _task_color(t, now_s)},
        }
        for t in history.tasks
        if t.worker in place
    ]
    frame = _frame(history, [])
    axis = {
        "type": "category",
        "data": list(lanes.values()),
        "inverse": True,
        "axisLabel": {"color": _AXIS_COLOR, "width": 110, "overflow": "truncate"},
    }
    draw = _DRAW.replace("echarts_clip", f"({_CLIP})")
    series = [
        {
            "type": "custom",
            "name": name,
            ":renderItem": draw,
            "encode": {"x": [1, 2], "y": 0},
            "data": data,
        }
        for name, data in (("workers", there), ("tasks", busy))
    ]
    tooltip = {"trigger": "item", ":formatter": _TELL, "renderMode": "richText"}
    grid = {**frame["grid"], "left": 120, "top": 8}
    here = {"yAxis": axis, "series": series, "tooltip": tooltip, "grid": grid}
    return {**frame, **here, "legend": {"show": False}}


_TELL = (
    "p => p.name + '\\n' + p.value[1].toFixed(1) + ' s to ' + p.value[2].toFixed(1) + ' s, ' + "
    "(p.value[2] - p.value[1]).toFixed(1) + ' s'"
)


def timeline_height_px(history: JobHistory) -> int:
    """Return the height that the lanes need, in pixels; of very many they are narrower."""
    lanes = len({span.worker for span in history.workers})
    return 48 + min(_MOST_LANES_PX, _LANE_PX * max(1, lanes))


def _task_color(span: TaskSpan, now_s: float) -> str:
    """Return a color that is the paler the less of a span, of merged tasks, the worker was busy."""
    length_s = _end(span.ended_s, span.began_s, now_s) - span.began_s
    share = span.busy_s(now_s) / length_s if length_s > 0 else 1.0
    return f"{_TASK_COLORS.get(span.kind, _BLUE)}{round(255 * min(1.0, max(0.2, share))):02x}"


def _lost(end: str) -> bool:
    return bool(end) and not end.startswith(("released", "the job"))


def _task(span: TaskSpan) -> str:
    if span.fragment_id is None or span.rows is None:
        return f"{span.tasks} tasks" if span.fragment_id is None else f"fragment {span.fragment_id}"
    what = "writing fragment" if span.kind == WRITE else "fragment"
    return f"{what} {span.fragment_id}, rows {span.rows.start} to {span.rows.stop - 1}"


def _end(ended_s: float | None, began_s: float, now_s: float) -> float:
    return max(began_s, now_s) if ended_s is None else ended_s


def _steps(samples: Sequence[Sample]) -> Iterator[tuple[Sample, Sample, float]]:
    """Yield samples in pairs, and the seconds between: too few of them say nothing of a speed."""
    if not samples:
        return
    before = samples[0]
    for now in samples[1:]:
        step_s = now.elapsed_s - before.elapsed_s
        if step_s >= _SHORTEST_STEP_S:
            yield before, now, step_s
            before = now


def _frame(history: JobHistory, axes: list[Options]) -> Options:
    return {
        "animation": False,
        "grid": {"left": 56, "right": 48, "top": 52, "bottom": 32},
        "legend": {"textStyle": {"color": _AXIS_COLOR}, "type": "scroll", "top": 0, "right": 0},
        "tooltip": {"trigger": "axis", "renderMode": "richText"},
        "xAxis": {
            "type": "value",
            "min": 0,
            "max": round(history.elapsed_s, 1) or None,
            "axisLabel": {"formatter": "{value} s", "color": _AXIS_COLOR, "hideOverlap": True},
            "splitLine": {"show": False},
        },
        "yAxis": axes,
    }


def _axis(name: str) -> Options:
    return {
        "type": "value",
        "name": name,
        "min": 0,
        "nameTextStyle": {"color": _AXIS_COLOR, "align": "left"},
        "axisLabel": {"color": _AXIS_COLOR},
        "splitLine": {"lineStyle": {"color": "#8884"}},
    }


def _line(name: str, data: Sequence[tuple[float, float]], color: str) -> Options:
    return {
        "type": "line",
        "name": name,
        "data": list(data),
        "color": color,
        "showSymbol": False,
        "lineStyle": {"width": 1.5},
    }
