# SPDX-License-Identifier: Apache-2.0
"""The arena over the steps of an inference, as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from harness.analyze.memory import Span, bytes_in_use
from harness.analyze.model import Analysis
from harness.errors import ConfigError, UnsupportedError

#: Colour-blind safe (Okabe and Ito), as in the reports.
_COLOURS: Final = {"input": "#009E73", "activation": "#56B4E9", "state": "#CC79A7", "scratch": "#E69F00"}
_INK: Final = "#222222"
#: What a label needs: this part of the picture's height, and inches for each character.
_LABEL_HEIGHT, _CHARACTER_INCHES = 0.028, 0.068
#: Of the figure's width, what legend and axis leave.
_AXES_PART = 0.62
_NAMED_STEPS: Final = 40


def write_plot(analysis: Analysis, path: Path) -> None:
    """Write the picture; its ending decides the format.

    Raises:
        UnsupportedError: the model has no plan.
        ConfigError: the format is not one that can be written, or the file cannot be.
    """
    if analysis.arena_bytes is None:
        raise UnsupportedError(f"{analysis.name} has no memory plan to show: it is not supported.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kernels = [layer for layer in analysis.layers if layer.outcome == "kernel"]
    width = min(24.0, max(8.0, 2.5 + 0.45 * len(kernels)))
    figure = Figure(figsize=(width, 6.5), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    known = canvas.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in known:
        raise ConfigError(
            f"--plot {path}: no format {path.suffix!r}.", fix=f"One of {', '.join(sorted(known))}."
        )
    axes = figure.add_subplot()
    _draw(axes, analysis, len(kernels))
    _name_steps(axes, [(layer.index, layer.kind) for layer in kernels])
    try:
        draft = path.with_name(f"{path.stem}.{os.getpid()}.part{path.suffix}")
        figure.savefig(draft, dpi=130)
        draft.replace(path)
    except OSError as error:
        raise ConfigError(
            f"--plot {path} cannot be written: {error.strerror or error}.", fix="Name a folder that is there."
        ) from error


def _name_steps(axes: Any, kernels: Sequence[tuple[int, str]]) -> None:
    """Index and kind of each operation; where they are too many, the index of some."""
    apart = -(-len(kernels) // _NAMED_STEPS)
    shown = range(0, len(kernels), max(apart, 1))
    axes.set_xticks(shown)
    if apart <= 1:
        names = [f"{index} {kind}" for index, kind in kernels]
        axes.set_xticklabels(names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    else:
        axes.set_xticklabels([str(kernels[step][0]) for step in shown], fontsize=8)


def _draw(axes: Any, analysis: Analysis, steps: int) -> None:
    arena, bound = analysis.arena_bytes or 0, analysis.arena_bound_bytes or 0
    seen: set[str] = set()
    for span in analysis.memory:
        _rectangle(axes, span, steps, arena, first_of_kind=span.kind not in seen)
        seen.add(span.kind)
    in_use = bytes_in_use(analysis.memory, steps)
    edges = [step - 0.5 for step in range(steps + 1)]
    axes.stairs(in_use, edges, color=_INK, linewidth=1.4, label="bytes in use")
    planned = f"planned {arena:,} B" + (" = lower bound" if arena == bound else f", lower bound {bound:,} B")
    axes.axhline(arena, color="#D55E00", linewidth=1.2, linestyle="--", label=planned)
    if bound != arena:
        axes.axhline(bound, color="#D55E00", linewidth=1.0, linestyle=":")
    axes.set_xlim(-0.5, max(steps, 1) - 0.5)
    axes.set_ylim(0, max(arena, 1) * 1.04)
    axes.set_ylabel("byte of the arena")
    axes.set_xlabel("operation")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_title(f"{analysis.name}: memory over one inference", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)


def _rectangle(axes: Any, span: Span, steps: int, arena: int, *, first_of_kind: bool) -> None:
    from matplotlib.patches import Rectangle

    width = span.last - span.first + 1
    axes.add_patch(
        Rectangle(
            (span.first - 0.5, span.offset),
            width,
            span.nbytes,
            facecolor=_COLOURS[span.kind],
            edgecolor="white",
            linewidth=0.8,
            alpha=0.75,
            label=span.kind if first_of_kind else None,
        )
    )
    inches = axes.figure.get_figwidth() * _AXES_PART * width / max(steps, 1)
    room = int(inches / _CHARACTER_INCHES)
    if span.nbytes >= _LABEL_HEIGHT * arena and room >= 4:
        shown = _label(span, room)
        if shown:
            middle = (span.first - 0.5 + width / 2, span.offset + span.nbytes / 2)
            axes.text(*middle, shown, ha="center", va="center", fontsize=7, color=_INK, clip_on=True)


def _label(span: Span, room: int) -> str:
    """As much of its name as fits: layer and operation, the operation, only the bytes, nothing."""
    parts = span.name.partition(";")[0].split("/")
    size = f"{span.nbytes:,}"
    texts = (f"{'/'.join(parts[-2:])}, {size} B", f"{parts[-1] or span.name}, {size} B", size)
    return next((text for text in texts if len(text) <= room), "")
