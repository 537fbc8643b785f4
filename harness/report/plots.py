# SPDX-License-Identifier: Apache-2.0
"""Plots of a run: quality against latency, memory against limits, variants side by side.

A figure never holds two clocks. An artist's label is the id of the case that it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.records import Clock, Status
from harness.report.latency import latency, point
from harness.report.stats import base_of, ratio
from harness.report.style import (
    GREY,
    bar_label,
    colours,
    finish,
    lane_labels,
    name_bars,
    new_figure,
    patch,
    short,
    variant_handles,
)
from harness.report.view import (
    CLOCK_TITLES,
    TICKS,
    Entry,
    View,
    duration,
    integer,
    metric_text,
    status_text,
)
from harness.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A limit further out than this many times the longest bar is named instead of drawn.
_FAR_LIMIT: Final = 3.0
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
        if any(point(clock, entry) for entry in measured):
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
    handles += variant_handles(view, entries)
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
            axis.set_xlim(0, longest * (2.2 if quantity == "metric" else 1.7))
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
        handles=variant_handles(view, shown),
        footer=[
            *lane_labels(view, clock),
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
    """Draw the bars; the ratio of the longest, at least 1.

    Labels stand beyond the line at 1, which would run through them.
    """
    longest = 1.0
    for place, entry in enumerate(entries):
        if entry.row is None or entry.ok is None:
            outcome = "not run" if entry.row is None else status_text(entry.row)
            bar_label(axis, 1, place, outcome, grey=True)
            continue
        base = base_of(view, entry)
        absolute = _absolute(entry.row, quantity, clock)
        over = ratio(getattr(entry.row, _COLUMN_OF[quantity]), getattr(base, _COLUMN_OF[quantity], None))
        if over is None:
            bar_label(axis, 1, place, absolute, grey=True)
            continue
        axis.barh(place, over, height=0.72, color=palette[entry.variant], label=entry.case)
        is_base = base is not None and base.case == entry.case
        times = f"{over:.3g}\u00d7"
        if quantity == "metric":
            text = f"{absolute} ({times})" if entry.row.metric == "mae" and not is_base else absolute
        else:
            text = absolute if is_base else times
        bar_label(axis, max(over, 1.0), place, text)
        longest = max(longest, over)
    return longest


def _absolute(row: Row, quantity: str, clock: Clock) -> str:
    value = getattr(row, _COLUMN_OF[quantity])
    if value is None:
        return "not measured"
    if quantity == "metric":
        return metric_text(row.metric, value) if row.metric == "accuracy" else f"{value:.3g}"
    if quantity != "latency":
        return f"{integer(value)} B"
    if clock is Clock.WALL and row.latency_us_median is not None:
        return duration(row.latency_us_median, 3)
    return short(value)


def _bar_grid(axis: Axes) -> None:
    axis.grid(visible=True, axis="x", linewidth=0.4, alpha=0.5)
    axis.set_axisbelow(True)
