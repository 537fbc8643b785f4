# SPDX-License-Identifier: Apache-2.0
"""Quality against latency: a point per case, visible also where others lie on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from harness.records import Clock
from harness.report.stats import metric_interval
from harness.report.style import colours, finish, lane_labels, marker, new_figure, short, variant_handles
from harness.report.view import CLOCK_TITLES, METRIC_TITLES, TICKS, Entry, View, of_workload, status_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS: Final = "osD^vP*X"
#: From this ratio on between the largest and the smallest value an axis is logarithmic.
_LOG_SPAN: Final = 8.0
#: Shares of a panel's side: points, and intervals, that are nearer would hide each other.
_NEAR_POINT: Final = 0.04
_NEAR_BAR: Final = 0.02
#: From this many lanes on each has panels of its own: cores that count alike would hide each other.
_MANY_LANES: Final = 3
_CROWDED: Final = (
    "Where cases share a place, one has a ring around the other's point, and a wider bar behind the other's."
)


def latency(view: View, clock: Clock) -> Figure:
    """One panel per workload (and lane, if there are many); a point per case, with the 95 % interval of an
    accuracy. The panels of a workload have the same axes."""
    entries = [entry for entry in view.of_clock(clock) if point(clock, entry)]
    workloads = [name for name in view.workloads if of_workload(entries, name)]
    lanes = tuple(dict.fromkeys(entry.lane for entry in entries))
    panels = [(name, of_workload(entries, name)) for name in workloads]
    if len(lanes) >= _MANY_LANES:
        panels = [
            (name, tuple(entry for entry in chosen if entry.lane == lane))
            for lane in lanes
            for name, chosen in panels
        ]
        panels = [(name, chosen) for name, chosen in panels if chosen]
    columns = min(len(workloads), 3)
    lines = -(-len(panels) // columns)
    figure = new_figure(0.5 + 2.9 * lines)
    palette = colours(view)
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    is_crowded = False
    for axis, (workload, chosen) in zip(axes, panels, strict=False):
        _scale(axis, clock, of_workload(entries, workload))
        is_crowded |= _panel(axis, clock, chosen, palette=palette, lanes=lanes)
        on_lane = f"\n{chosen[0].lane}" if len(lanes) >= _MANY_LANES else ""
        axis.set_title(f"{view.workload_name(workload)}{on_lane}", fontsize=10)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    handles = variant_handles(view, entries)
    handles += [marker(_MARKERS[index % len(_MARKERS)], lane) for index, lane in enumerate(lanes)]
    absent = [
        f"{entry.workload} {entry.variant} on {entry.lane} ({status_text(entry.row)})"
        for entry in view.of_clock(clock)
        if entry.row is not None and not entry.ok
    ]
    more = f" and {len(absent) - 4} more" if len(absent) > 4 else ""
    footer = [*lane_labels(view, clock), _CROWDED if is_crowded else ""]
    footer.append(f"Not shown: {', '.join(absent[:4])}{more}." if absent else "")
    finish(figure, title=f"{CLOCK_TITLES[clock]}: quality against latency", handles=handles, footer=footer)
    return figure


def point(clock: Clock, entry: Entry) -> tuple[float, float] | None:
    """Latency (ticks; microseconds on the wall clock) and metric of a case that is ok."""
    row = entry.ok
    if row is None or row.metric_value is None:
        return None
    shown = row.latency_us_median if clock is Clock.WALL else row.latency_ticks_median
    return (shown, row.metric_value) if shown else None


def _places(
    clock: Clock, entries: Sequence[Entry]
) -> tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]]]:
    """Points and intervals by case."""
    points = {entry.case: found for entry in entries if (found := point(clock, entry))}
    bounds = {
        entry.case: found
        for entry in entries
        if entry.row is not None and (found := metric_interval(entry.row))
    }
    return points, bounds


def _scale(axis: Axes, clock: Clock, entries: Sequence[Entry]) -> None:
    """Give the axes room for all of these entries."""
    points, bounds = _places(clock, entries)
    heights = [y for case, (_, y) in points.items() for y in bounds.get(case, (y,))]
    _latency_axis(axis, [x for x, _ in points.values()])
    room = (max(heights) - min(heights)) * 0.08 or abs(max(heights)) * 0.1 or 1.0
    axis.set_ylim(min(heights) - room, max(heights) + room)


def _panel(
    axis: Axes, clock: Clock, entries: Sequence[Entry], *, palette: Mapping[str, str], lanes: Sequence[str]
) -> bool:
    """Draw points and intervals of a workload; whether any share a place."""
    points, bounds = _places(clock, entries)
    rings = _ranks(axis, points, near=(_NEAR_POINT, _NEAR_POINT))
    # Of two bars at the same latency the one behind is to be seen, whatever their heights.
    widths = _ranks(axis, {case: points[case] for case in bounds}, near=(_NEAR_BAR, math.inf))
    for entry in entries:
        at, ring, colour = points[entry.case], rings[entry.case], palette[entry.variant]
        axis.plot(
            *at,
            marker=_MARKERS[lanes.index(entry.lane) % len(_MARKERS)],
            markersize=7 + 5 * ring,
            color=colour,
            markerfacecolor="none" if ring else colour,
            markeredgecolor=colour if ring else "white",
            markeredgewidth=1.8 if ring else 0.6,
            linestyle="none",
            label=entry.case,
            zorder=4 - 0.01 * ring,
        )
        if entry.case in bounds:
            behind = widths[entry.case]
            axis.vlines(
                at[0],
                *bounds[entry.case],
                color=colour,
                linewidth=1.4 + 2.6 * behind,
                label=f"interval {entry.case}",
                zorder=2.5 - 0.01 * behind,
            )
    _name_axes(axis, clock, entries[0].row.metric if entries[0].row is not None else None)
    return any(rings.values()) or any(widths.values())


def _ranks(
    axis: Axes, points: Mapping[str, tuple[float, float]], *, near: tuple[float, float]
) -> dict[str, int]:
    """Case -> how many cases it must be drawn around; `near` are shares of the panel's width and height."""
    to_panel = axis.transData + axis.transAxes.inverted()
    ranks: dict[str, int] = {}
    placed: dict[str, tuple[float, float]] = {}
    for case, at in points.items():
        x, y = (float(value) for value in to_panel.transform(at))
        others = [
            ranks[other]
            for other, (left, low) in placed.items()
            if abs(x - left) < near[0] and abs(y - low) < near[1]
        ]
        ranks[case] = max(others, default=-1) + 1
        placed[case] = (x, y)
    return ranks


def _name_axes(axis: Axes, clock: Clock, metric: str | None) -> None:
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
