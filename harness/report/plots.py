# SPDX-License-Identifier: Apache-2.0
"""Plots of a run: quality against latency, memory against limits, variants side by side.

A figure never holds two clocks. An artist's label is the id of the case that it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.records import Clock, Status
from harness.report.stats import base_of, metric_interval, ratio
from harness.report.style import GREY, bar_label, colours, finish, marker, name_bars, new_figure, patch, short
from harness.report.view import (
    CLOCK_TITLES,
    METRIC_TITLES,
    STATUS_TEXT,
    TICKS,
    Entry,
    View,
    duration,
    integer,
    metric_text,
    of_workload,
)
from harness.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS: Final = "osD^vP*X"
#: A limit further out than this many times the longest bar is named instead of drawn.
_FAR_LIMIT: Final = 3.0
#: From this ratio on between the largest and the smallest value an axis is logarithmic.
_LOG_SPAN: Final = 8.0
#: Opacity of a memory bar's parts, from the left.
_PARTS: Final = (
    (1.0, "model (flash), arena (RAM)"),
    (0.5, "other code or data"),
    (0.22, "stack, as measured"),
)
#: How a bar beyond its limit is drawn.
_BEYOND: Final[dict[str, Any]] = {"hatch": "////", "edgecolor": "white", "linewidth": 0}
_COLUMN_OF: Final = {
    "latency": "latency_ticks_median",
    "flash": "flash_bytes",
    "arena": "arena_bytes",
    "metric": "metric_value",
}


def figures(view: View) -> Iterator[tuple[str, str, Figure]]:
    """(file stem, caption, figure) of every plot that the run has data for."""
    for clock in view.clocks():
        if clock is None:
            continue
        title = CLOCK_TITLES[clock]
        measured = [entry for entry in view.of_clock(clock) if entry.ok]
        if any(_point(clock, entry) for entry in measured):
            yield f"latency-{clock}", f"{title}: quality against latency", latency(view, clock)
        if any(base_of(view, entry) for entry in measured):
            yield f"variants-{clock}", f"{title}: variants compared with float32", variants(view, clock)
    for board in dict.fromkeys(entry.board for entry in view.entries):
        footprints = _footprints(view, board)
        if view.limit(board, "flash_bytes") and any(_sizes(entry) for entry in footprints):
            yield (
                f"memory-{board}",
                f"{view.board_title(board)}: memory against its limits",
                memory(view, board),
            )


def latency(view: View, clock: Clock) -> Figure:
    """One panel per workload; a point per case, with the 95 % interval of an accuracy."""
    entries = [entry for entry in view.of_clock(clock) if _point(clock, entry)]
    workloads = [name for name in view.workloads if of_workload(entries, name)]
    lanes = tuple(dict.fromkeys(entry.lane for entry in entries))
    columns = min(len(workloads), 3)
    lines = -(-len(workloads) // columns)
    figure = new_figure(0.5 + 2.9 * lines)
    palette = colours(view)
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axis, workload in zip(axes, workloads, strict=False):
        _latency_panel(axis, clock, of_workload(entries, workload), palette=palette, lanes=lanes)
        axis.set_title(view.workload_name(workload), fontsize=10)
    for axis in axes[len(workloads) :]:
        axis.set_visible(False)
    handles = _variant_handles(view, entries)
    handles += [marker(_MARKERS[index % len(_MARKERS)], lane) for index, lane in enumerate(lanes)]
    absent = [
        f"{entry.workload} {entry.variant} on {entry.lane} ({STATUS_TEXT[entry.row.status]})"
        for entry in view.of_clock(clock)
        if entry.row is not None and not entry.ok
    ]
    more = f" and {len(absent) - 4} more" if len(absent) > 4 else ""
    footer = [*_labels(view, clock), f"Not shown: {', '.join(absent[:4])}{more}." if absent else ""]
    finish(figure, title=f"{CLOCK_TITLES[clock]}: quality against latency", handles=handles, footer=footer)
    return figure


def _point(clock: Clock, entry: Entry) -> tuple[float, float] | None:
    """Latency (ticks; microseconds on the wall clock) and metric of a case that is ok."""
    row = entry.ok
    if row is None or row.metric_value is None:
        return None
    shown = row.latency_us_median if clock is Clock.WALL else row.latency_ticks_median
    return (shown, row.metric_value) if shown else None


def _latency_panel(
    axis: Axes, clock: Clock, entries: Sequence[Entry], *, palette: Mapping[str, str], lanes: Sequence[str]
) -> None:
    heights: list[float] = []
    drawn: list[tuple[float, float]] = []
    points = {entry.case: point for entry in entries if (point := _point(clock, entry))}
    for entry in entries:
        shape = _MARKERS[lanes.index(entry.lane) % len(_MARKERS)]
        # A smaller point leaves those that it lies on visible.
        below = drawn.count(points[entry.case])
        drawn.append(points[entry.case])
        axis.plot(
            *points[entry.case],
            marker=shape,
            markersize=max(9 - 2.5 * below, 3),
            color=palette[entry.variant],
            markeredgecolor="none" if below else "white",
            linestyle="none",
            label=entry.case,
            zorder=3 + below,
        )
        bounds = metric_interval(entry.row) if entry.row is not None else None
        heights += bounds or [points[entry.case][1]]
        if bounds:
            aside_points = 2.5 * (list(palette).index(entry.variant) - (len(palette) - 1) / 2)
            _interval(axis, points[entry.case][0], bounds, aside_points, palette[entry.variant])
    _latency_axis(axis, [x for x, _ in points.values()])
    room = (max(heights) - min(heights)) * 0.08 or abs(max(heights)) * 0.1 or 1.0
    axis.set_ylim(min(heights) - room, max(heights) + room)
    metric = entries[0].row.metric if entries[0].row is not None else None
    if metric == "accuracy":
        axis.yaxis.set_major_formatter(lambda value, _: f"{value * 100:g} %")
        axis.set_ylabel("accuracy, 95 % interval", fontsize=9)
    else:
        axis.set_ylabel(METRIC_TITLES.get(metric or "", metric or ""), fontsize=9)
    unit = "\u00b5s" if clock is Clock.WALL else TICKS[clock]
    axis.set_xlabel(f"{unit} per inference (median)", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(visible=True, which="both", linewidth=0.4, alpha=0.5)


def _latency_axis(axis: Axes, latencies: Sequence[float]) -> None:
    """From zero, or logarithmic where the values span too much for that."""
    from matplotlib.ticker import LogLocator, NullFormatter

    span = max(latencies) / min(latencies)
    if span >= _LOG_SPAN:
        axis.set_xscale("log")
        axis.set_xlim(min(latencies) / 2, max(latencies) * 2)
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0,) if span > 100 else (1.0, 3.0)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    else:
        axis.set_xlim(0, max(latencies) * 1.15)
        axis.locator_params(axis="x", nbins=4)
    axis.xaxis.set_major_formatter(lambda value, _: short(value))


def _interval(axis: Axes, at: float, bounds: tuple[float, float], aside_points: float, colour: str) -> None:
    """A vertical bar, beside its point by so little that those of equal latency stay apart."""
    from matplotlib.transforms import Affine2D, ScaledTranslation

    figure = axis.get_figure()
    scale = figure.dpi_scale_trans if figure is not None else Affine2D()
    aside = axis.transData + ScaledTranslation(aside_points / 72, 0, scale)
    axis.vlines(at, *bounds, color=colour, linewidth=1.3, alpha=0.7, transform=aside, zorder=2)


def memory(view: View, board: str) -> Figure:
    """Flash and RAM of every firmware for a board as bars, beside the board's limits.

    A bar beyond its limit is hatched; what could not even be linked has its reason below.
    """
    entries = _footprints(view, board)
    figure = new_figure(1.2 + 0.27 * len(entries))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, region in zip(axes, ("flash", "ram"), strict=True):
        limit = view.limit(board, f"{region}_bytes")
        longest = _memory_bars(axis, view, region, entries)
        title = "Flash" if region == "flash" else "RAM with stack"
        if limit is not None and limit <= longest * _FAR_LIMIT:
            axis.axvline(limit, color="black", linewidth=1.2, linestyle="--", label="limit")
            title += f": limit {integer(limit)} B (dashed)"
            longest = max(longest, limit)
        elif limit is not None:
            title += f": at most {longest / limit * 100:.1f} % of {integer(limit)} B"
        axis.set_title(title, fontsize=10)
        axis.set_xlim(0, longest * 1.3 or 1)
        axis.locator_params(axis="x", nbins=5)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.set_xlabel("bytes", fontsize=9)
        axis.tick_params(axis="x", labelsize=8)
        _bar_grid(axis)
    name_bars(axes, view, entries)
    handles = [patch(GREY, text, alpha=alpha) for alpha, text in _PARTS]
    handles.append(patch(GREY, "beyond the limit", **_BEYOND))
    handles += _variant_handles(view, entries)
    title = f"{view.board_title(board)}: memory against its limits"
    unlinked = [entry for entry in entries if _sizes(entry) is None]
    footer = [f"{entry.workload} {entry.variant}: {entry.row.reason}" for entry in unlinked if entry.row]
    finish(figure, title=title, handles=handles, footer=footer)
    return figure


def _footprints(view: View, board: str) -> list[Entry]:
    """One entry per firmware of a board, of whichever target knows most of its sizes.

    Those that do not fit are there in any case.
    """
    found: dict[tuple[str, str], Entry] = {}
    for entry in view.entries:
        row = entry.row
        if entry.board == board and row is not None and (_sizes(entry) or _does_not_fit(row)):
            known = found.get((entry.workload, entry.variant))
            if known is None or (known.ok is None and entry.ok):
                found[entry.workload, entry.variant] = entry
    order = (view.workloads, view.variants)
    return sorted(found.values(), key=lambda e: (order[0].index(e.workload), order[1].index(e.variant)))


def _sizes(entry: Entry) -> Row | None:
    """The row, if it has the sizes of a firmware."""
    return entry.row if entry.row is not None and entry.row.flash_bytes is not None else None


def _does_not_fit(row: Row) -> bool:
    return row.status is Status.DOES_NOT_FIT


def _is_beyond(view: View, row: Row, region: str) -> bool:
    """Whether a firmware needs more of flash or RAM than its board has."""
    over = {
        name: limit is not None and sum(size for size, _ in _parts(row, name)) > limit
        for name in ("flash", "ram")
        for limit in [view.limit(row.board, f"{name}_bytes")]
    }
    # What never ran has no measured stack: if all else fits, it is that which does not.
    return over[region] or (region == "ram" and _does_not_fit(row) and not over["flash"])


def _memory_bars(axis: Axes, view: View, region: str, entries: Sequence[Entry]) -> float:
    """Draw the bars; the bytes of the longest."""
    longest, palette = 0.0, colours(view)
    for place, entry in enumerate(entries):
        row = _sizes(entry)
        if row is None:
            bar_label(axis, 0, place, "does not fit, see below", grey=True)
            continue
        style = _BEYOND if _is_beyond(view, row, region) else {}
        end = 0.0
        for size, alpha in _parts(row, region):
            axis.barh(
                place,
                size,
                left=end,
                height=0.72,
                label=entry.case,
                facecolor=palette[entry.variant],
                alpha=alpha,
                **style,
            )
            end += size
        no_stack = region == "ram" and _does_not_fit(row)
        bar_label(axis, end, place, f"{integer(end)} + stack" if no_stack else integer(end))
        longest = max(longest, end)
    return longest


def _parts(row: Row, region: str) -> list[tuple[float, float]]:
    """(bytes, opacity) of a bar's parts, from the left."""
    if region == "flash":
        model, whole = row.flash_model_bytes or 0, row.flash_bytes or 0
        sizes = [model, whole - model]
    else:
        arena, static = row.arena_bytes or 0, row.ram_static_bytes or 0
        sizes = [arena, static - arena, row.stack_bytes or 0]
    return [(size, alpha) for size, (alpha, _) in zip(sizes, _PARTS, strict=False)]


def variants(view: View, clock: Clock) -> Figure:
    """Each lane a line of panels: latency, flash, arena and metric, over those of float32."""
    lanes: dict[str, list[Entry]] = {}
    for entry in view.of_clock(clock):
        if entry.row is not None:
            lanes.setdefault(entry.lane, []).append(entry)
    heights = [0.9 + 0.25 * len(entries) for entries in lanes.values()]
    figure = new_figure(0.4 + sum(heights))
    grid = figure.subplots(
        len(lanes), len(_COLUMN_OF), sharey="row", squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    palette = colours(view)
    names = {"latency": "time" if clock is Clock.WALL else TICKS[clock]}
    for axes, (lane, entries) in zip(grid, lanes.items(), strict=True):
        for axis, quantity in zip(axes, _COLUMN_OF, strict=True):
            longest = _ratio_bars(axis, view, clock, entries, quantity=quantity, palette=palette)
            axis.axvline(1.0, color="black", linewidth=0.8)
            axis.set_xlim(0, longest * 1.6)
            axis.locator_params(axis="x", nbins=4)
            axis.set_xlabel(f"{names.get(quantity, quantity)} / float32's", fontsize=9)
            axis.tick_params(axis="x", labelsize=8)
            _bar_grid(axis)
        name_bars(axes, view, entries)
        axes[0].set_title(lane, loc="left", fontsize=10, fontweight="bold")
    shown = [entry for entries in lanes.values() for entry in entries]
    finish(
        figure,
        title=f"{CLOCK_TITLES[clock]}: variants compared with float32",
        handles=_variant_handles(view, shown),
        footer=[
            *_labels(view, clock),
            "Metric: an accuracy is better above 1, an MAE below. Grey: not compared, there is no float32.",
        ],
    )
    return figure


def _ratio_bars(
    axis: Axes,
    view: View,
    clock: Clock,
    entries: Sequence[Entry],
    *,
    quantity: str,
    palette: Mapping[str, str],
) -> float:
    """Draw the bars; the ratio of the longest, at least 1."""
    longest = 1.0
    for place, entry in enumerate(entries):
        if entry.row is None or entry.ok is None:
            status = entry.row.status if entry.row is not None else Status.SKIPPED
            bar_label(axis, 0, place, STATUS_TEXT[status], grey=True)
            continue
        base = base_of(view, entry)
        absolute = _absolute(entry.row, quantity, clock)
        over = ratio(getattr(entry.row, _COLUMN_OF[quantity]), getattr(base, _COLUMN_OF[quantity], None))
        if over is None:
            bar_label(axis, 0, place, absolute, grey=True)
            continue
        axis.barh(place, over, height=0.72, color=palette[entry.variant], label=entry.case)
        is_base = base is not None and base.case == entry.case
        bar_label(axis, over, place, absolute if is_base else f"{over:.3g}\u00d7")
        longest = max(longest, over)
    return longest


def _absolute(row: Row, quantity: str, clock: Clock) -> str:
    value = getattr(row, _COLUMN_OF[quantity])
    if value is None:
        return "not measured"
    if quantity == "metric":
        return metric_text(row.metric, value)
    if quantity != "latency":
        return f"{integer(value)} B"
    if clock is Clock.WALL and row.latency_us_median is not None:
        return duration(row.latency_us_median, 3)
    return short(value)


def _bar_grid(axis: Axes) -> None:
    axis.grid(visible=True, axis="x", linewidth=0.4, alpha=0.5)
    axis.set_axisbelow(True)


def _variant_handles(view: View, entries: Sequence[Entry]) -> list[Any]:
    palette, shown = colours(view), {entry.variant for entry in entries}
    return [patch(palette[name], name) for name in view.variants if name in shown]


def _labels(view: View, clock: Clock) -> list[str]:
    return [f"{target}: {label}" for target, label in view.labels(view.of_clock(clock))]
