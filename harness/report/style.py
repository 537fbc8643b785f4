# SPDX-License-Identifier: Apache-2.0
"""What all plots share: colours, figure, legend, and labels of bars."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.records import Clock
from harness.report.view import Entry, View, of_workload

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, told apart with any kind of colour vision; the pale yellow left out.
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#333333")
#: The variants of the default sweep keep their colours whatever else a run holds.
_FIXED: Final = {"float32": 0, "ptq-int8": 1, "qat-int8": 2}
GREY: Final = "#666666"
_WIDTH_IN: Final = 9.0
_DPI: Final = 150
_LEGEND_LINE_IN: Final = 0.21
_FOOTER_LINE_IN: Final = 0.16


def colours(view: View) -> dict[str, str]:
    """A colour for each variant of the run, the same in all its plots."""
    free = _COLOURS[len(_FIXED) :]
    others = [variant for variant in view.variants if variant not in _FIXED]
    return {
        variant: _COLOURS[_FIXED[variant]] if variant in _FIXED else free[others.index(variant) % len(free)]
        for variant in view.variants
    }


def new_figure(height_in: float) -> Figure:
    """An empty figure, as wide as a README shows it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without pyplot: no global state, no display, any thread.
    figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, with nothing in it that changes from run to run."""
    figure.savefig(path, metadata={"Software": None})


def patch(colour: str, label: str, **style: Any) -> Any:
    """A legend entry for an area."""
    from matplotlib.patches import Patch

    return Patch(**{"facecolor": colour, "edgecolor": "none", "label": label} | style)


def marker(shape: str, label: str) -> Any:
    """A legend entry for a point."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=GREY, marker=shape, linestyle="none", label=label)


def finish(figure: Figure, *, title: str, handles: Sequence[Any], footer: Sequence[str]) -> None:
    """Title above; legend and then the footer below, in room of their own that grows the figure."""
    lines = [part for text in footer if text for part in textwrap.wrap(text, 125)]
    columns = len(handles) if len(handles) <= 6 else -(-len(handles) // -(-len(handles) // 5))
    legend_in = _LEGEND_LINE_IN * -(-len(handles) // columns) + 0.1
    footer_in = _FOOTER_LINE_IN * len(lines) + 0.05
    height_in = float(figure.get_figheight()) + legend_in + footer_in
    figure.set_figheight(height_in)
    figure.suptitle(title, fontsize=12, fontweight="bold")
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, footer_in / height_in),
        ncols=columns,
        fontsize=8,
        frameon=False,
        borderaxespad=0,
    )
    if lines:
        figure.text(0.5, 0.04 / height_in, "\n".join(lines), ha="center", va="bottom", fontsize=8, color=GREY)
    bottom = (legend_in + footer_in) / height_in
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0, bottom, 1, 1 - bottom))  # type: ignore[call-arg]


def bar_label(axis: Axes, at: float, place: int, text: str, *, grey: bool = False) -> None:
    """Text at the end of a horizontal bar, readable across lines."""
    axis.annotate(
        text,
        (at, place),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        color=GREY if grey else "black",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
    )


def name_bars(axes: Sequence[Axes], view: View, entries: Sequence[Entry]) -> None:
    """Label each bar with its variant and each group with its workload, first bar on top.

    `axes` share their bars; the labels stand left of the first.
    """
    first = axes[0]
    first.set_yticks(range(len(entries)), [entry.variant for entry in entries], fontsize=8)
    first.set_ylim(len(entries) - 0.4, -0.6)
    room_points = 16 + 4.7 * max(len(entry.variant) for entry in entries)
    for index, entry in enumerate(entries):
        if index and entries[index - 1].workload == entry.workload:
            continue
        size = len(of_workload(entries, entry.workload))
        first.annotate(
            view.workload_name(entry.workload).replace(" ", "\n"),
            (0, index + (size - 1) / 2),
            xycoords=("axes fraction", "data"),
            xytext=(-room_points, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=9,
        )
        if index:
            for axis in axes:
                axis.axhline(index - 0.5, color=GREY, linewidth=0.5)


def short(value: float) -> str:
    """Three digits with k, M or G: `2.97 M`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def variant_handles(view: View, entries: Sequence[Entry]) -> list[Any]:
    """Legend entries for the variants that `entries` show."""
    palette, shown = colours(view), {entry.variant for entry in entries}
    return [patch(palette[name], name) for name in view.variants if name in shown]


def lane_labels(view: View, clock: Clock) -> list[str]:
    """What the numbers of each target are, a sentence each."""
    return [f"{lanes}: {label}" for lanes, label in view.labels(view.of_clock(clock))]
