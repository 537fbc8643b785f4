# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from harness.records import Clock, Status
from harness.report import plots
from harness.report.latency import latency
from harness.report.stats import metric_interval
from harness.report.style import colours, save
from harness.report.view import View
from harness.rows import Row, format_row, parse_row
from harness.sweep import Case, Lane, SweepSpec, expand
from tests.report import fixtures

CASES = fixtures.default_cases()
PROVENANCE = fixtures.provenance(CASES)
ROWS = {case.id: parse_row(format_row(fixtures.result_of(case))[:-1], "") for case in CASES}
VIEW = View.of(ROWS.values(), PROVENANCE)
TOO_LARGE = "gesture/float32/aot@uno:simavr"


def points(figure: Figure) -> dict[str, tuple[float, float]]:
    """Case -> the point that stands for it."""
    return {
        str(line.get_label()): (
            float(np.asarray(line.get_xdata())[0]),
            float(np.asarray(line.get_ydata())[0]),
        )
        for axis in figure.axes
        for line in axis.get_lines()
        if "@" in str(line.get_label())
    }


def bars(axis: Axes) -> Iterator[tuple[str, list[Rectangle]]]:
    """Case -> the parts of its bar, from the left."""
    for container in axis.containers:
        yield str(container.get_label()), [patch for patch in container if isinstance(patch, Rectangle)]


def widths(axis: Axes) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for case, parts in bars(axis):
        found.setdefault(case, []).extend(part.get_width() for part in parts)
    return found


def texts(figure: Figure) -> str:
    found = [text.get_text() for axis in figure.axes for text in axis.texts]
    found += [axis.get_title(loc=loc) for axis in figure.axes for loc in ("left", "center")]
    found += [axis.get_xlabel() + axis.get_ylabel() for axis in figure.axes]
    return " ".join([*found, *(text.get_text() for text in figure.texts)])


@pytest.mark.parametrize("clock", list(Clock))
def test_points_are_the_rows_numbers(clock: Clock) -> None:
    expected = {
        row.case: (
            row.latency_us_median if clock is Clock.WALL else row.latency_ticks_median,
            row.metric_value,
        )
        for row in ROWS.values()
        if row.clock is clock
    }
    assert len(expected) == (8 if clock is Clock.CYCLES else 9)
    figure = latency(VIEW, clock)
    assert points(figure) == expected
    for axis in figure.axes:
        low, high = axis.get_ylim()
        for (_, y), row in ((points(figure)[case], ROWS[case]) for case in points(figure)):
            if row.workload == axis.get_title().split()[0]:
                bounds = metric_interval(row) or (y, y)
                assert low < bounds[0] <= bounds[1] < high


@pytest.mark.parametrize("clock", list(Clock))
def test_a_figure_holds_one_clock_and_says_which(clock: Clock) -> None:
    lane = {Clock.CYCLES: "uno:simavr", Clock.INSTRUCTIONS: "stm32f4:qemu", Clock.WALL: "native:native"}[
        clock
    ]
    word = {Clock.CYCLES: "cycles", Clock.INSTRUCTIONS: "instructions", Clock.WALL: "µs"}
    for figure in (latency(VIEW, clock), plots.variants(VIEW, clock)):
        labels = {
            str(name)
            for axis in figure.axes
            for name in (*map(Artist.get_label, axis.get_lines()), *(c.get_label() for c in axis.containers))
            if "@" in str(name)
        }
        assert {label.partition("@")[2] for label in labels} == {lane}
        assert PROVENANCE.targets[lane]["label"] in texts(figure)
    axis_labels = " ".join(axis.get_xlabel() for axis in latency(VIEW, clock).axes)
    assert word[clock] in axis_labels
    for other in set(Clock) - {clock}:
        assert word[other] not in axis_labels


def intervals(figure: Figure) -> dict[str, tuple[LineCollection, list[tuple[float, float]]]]:
    """Case -> the bar of its interval, and that bar's ends."""
    return {
        str(bar.get_label()).removeprefix("interval "): (bar, [(float(x), float(y)) for x, y in ends])
        for axis in figure.axes
        for bar in axis.collections
        if isinstance(bar, LineCollection)
        for ends in bar.get_segments()
    }


@pytest.mark.parametrize("clock", list(Clock))
def test_an_interval_goes_through_its_point(clock: Clock) -> None:
    figure = latency(VIEW, clock)
    drawn = intervals(figure)
    assert set(drawn) == {case for case in points(figure) if ROWS[case].metric == "accuracy"}
    for case, (bar, ends) in drawn.items():
        x, _ = points(figure)[case]
        bounds = metric_interval(ROWS[case])
        assert bounds is not None
        assert ends == [(x, bounds[0]), (x, bounds[1])]
        # drawn where its data are: nothing shifts it
        assert bar.axes is not None
        assert bar.get_transform() == bar.axes.transData


def test_points_in_one_place_are_rings_around_each_other() -> None:
    variants = ("float32", "ptq-int8", "qat-int8")
    cases = [f"digits/{variant}/aot@uno:simavr" for variant in variants]
    rows = [
        replace(ROWS[cases[0]], case=case, variant=variant)
        for case, variant in zip(cases, variants, strict=True)
    ]
    figure = latency(View.of(rows, PROVENANCE), Clock.CYCLES)
    lines = {str(line.get_label()): line for line in figure.axes[0].get_lines()}
    inner, *rings = (lines[case] for case in cases)
    assert inner.get_markerfacecolor() != "none"
    assert all(ring.get_markerfacecolor() == "none" for ring in rings)
    for small, large in pairwise((inner, *rings)):
        # the next one's edge begins outside
        free = large.get_markersize() - large.get_markeredgewidth() - small.get_markersize()
        assert free > small.get_markeredgewidth()
    bars = [intervals(figure)[case][0] for case in cases]
    for front, behind in pairwise(bars):
        assert np.max(behind.get_linewidth()) > np.max(front.get_linewidth()) + 2
        assert behind.get_zorder() < front.get_zorder()
    assert "share a place" in texts(figure)
    alone = latency(View.of(rows[:1], PROVENANCE), Clock.CYCLES)
    assert "share a place" not in texts(alone)


def test_the_metric_panel_shows_values_and_labels_stand_clear_of_the_line(tmp_path: Path) -> None:
    for clock in Clock:
        figure = plots.variants(VIEW, clock)
        save(figure, tmp_path / "variants.png")
        renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
        labels = [text.get_text() for text in figure.axes[-1].texts]
        assert {"97.22 %", "96.67 %", "96.94 %", "0.0612", "0.0745 (1.22\u00d7)"} <= set(labels)
        assert "1\u00d7" not in labels
        for axis in figure.axes:
            line = axis.transData.transform((1, 0))[0]
            for text in axis.texts:
                box = text.get_window_extent(renderer)
                if text.get_verticalalignment() == "center" and box.x0 > axis.bbox.x0:
                    assert box.x0 > line
                    assert box.x1 <= axis.bbox.x1 + 1, text.get_text()


def test_synthetic_workloads_are_called_so() -> None:
    assert [axis.get_title() for axis in latency(VIEW, Clock.CYCLES).axes] == [
        "digits",
        "gesture (synthetic)",
        "sine (synthetic)",
    ]
    assert "gesture\n(synthetic)" in texts(plots.memory(VIEW, "uno"))


def test_what_did_not_fit_is_named_beside_the_points() -> None:
    figure = latency(VIEW, Clock.CYCLES)
    assert TOO_LARGE not in points(figure)
    assert "gesture float32 on uno:simavr (does not fit)" in texts(figure)


@pytest.mark.parametrize("board", ["uno", "stm32f4"])
def test_memory_bars_are_the_rows_numbers(board: str) -> None:
    flash, ram = (widths(axis) for axis in plots.memory(VIEW, board).axes)
    rows = [row for row in ROWS.values() if row.board == board and row.status is Status.OK]
    for row in rows:
        assert sum(flash[row.case]) == row.flash_bytes
        assert flash[row.case][0] == row.flash_model_bytes
        assert row.ram_static_bytes is not None
        assert row.stack_bytes is not None
        assert ram[row.case][0] == row.arena_bytes
        assert sum(ram[row.case]) == row.ram_static_bytes + row.stack_bytes
    assert len(flash) == 9


def hatched(axis: Axes) -> set[str]:
    """Cases whose whole bar is hatched; no bar is so in part."""
    found: dict[str, set[bool]] = {}
    for case, parts in bars(axis):
        found.setdefault(case, set()).update(bool(part.get_hatch()) for part in parts)
    assert all(len(kinds) == 1 for kinds in found.values())
    return {case for case, kinds in found.items() if kinds == {True}}


def test_what_is_beyond_a_limit_is_hatched_in_both_panels() -> None:
    figure = plots.memory(VIEW, "uno")
    flash, ram = figure.axes
    row = ROWS[TOO_LARGE]
    assert (row.flash_bytes, row.ram_static_bytes) == (40_056, 3612)
    assert hatched(flash) == hatched(ram) == {TOO_LARGE}
    assert widths(flash)[TOO_LARGE] == [30_256, 9_800]
    assert widths(ram)[TOO_LARGE] == [3200, 412, 0]
    assert "3,612 + stack" in texts(figure)
    limits = [axis.get_lines()[0] for axis in (flash, ram)]
    assert [float(np.asarray(line.get_xdata())[0]) for line in limits] == [32_256, 2048]
    assert all(line.get_label() == "limit" for line in limits)


@pytest.mark.parametrize(
    ("change", "in_flash", "in_ram"),
    [
        ({"ram_static_bytes": 1636, "arena_bytes": 1400}, True, False),
        ({"flash_bytes": 32_256}, False, True),
        ({"flash_bytes": 32_257, "ram_static_bytes": 2048}, True, False),
        # only the stack, which no column holds, is too much
        ({"flash_bytes": 32_000, "ram_static_bytes": 2000}, False, True),
    ],
)
def test_only_the_region_that_is_too_small_is_hatched(
    change: dict[str, Any], in_flash: bool, in_ram: bool
) -> None:
    row = replace(ROWS[TOO_LARGE], **change)
    flash, ram = plots.memory(View.of((ROWS | {TOO_LARGE: row}).values(), PROVENANCE), "uno").axes
    assert [TOO_LARGE in hatched(axis) for axis in (flash, ram)] == [in_flash, in_ram]


def test_what_could_not_be_linked_has_its_reason(tmp_path: Path) -> None:
    reason = "flash: needs 70000 bytes, the board has 32256 (37744 too many) (the model alone)."
    sizes = ("flash_bytes", "flash_model_bytes", "ram_static_bytes", "arena_bytes")
    unknown: dict[str, Any] = dict.fromkeys(sizes)
    row = replace(ROWS[TOO_LARGE], reason=reason, **unknown)
    view = View.of((ROWS | {TOO_LARGE: row}).values(), PROVENANCE)
    figure = plots.memory(view, "uno")
    assert all(TOO_LARGE not in widths(axis) for axis in figure.axes)
    assert f"gesture float32: {reason}" in texts(figure)
    assert texts(figure).count("does not fit, see below") == 2
    save(figure, tmp_path / "memory.png")
    assert_no_overlaps(figure)
    assert not list(plots.figures(View.of([row], PROVENANCE)))


def test_a_limit_far_away_is_named_not_drawn() -> None:
    flash, ram = plots.memory(VIEW, "stm32f4").axes
    assert "at most 3.8 % of 1,048,576 B" in flash.get_title()
    assert "131,072 B" in ram.get_title()
    assert flash.get_xlim()[1] < 100_000


@pytest.mark.parametrize("clock", list(Clock))
def test_variants_are_ratios_to_float32_of_the_same_lane(clock: Clock) -> None:
    figure = plots.variants(VIEW, clock)
    names = ("latency_ticks_median", "flash_bytes", "arena_bytes", "metric_value")
    for axis, name in zip(figure.axes, names, strict=True):
        shown = widths(axis)
        for row in ROWS.values():
            if row.clock is not clock:
                continue
            base = ROWS[row.case.replace(row.variant, "float32")]
            if base.status is Status.OK:
                assert shown[row.case] == [pytest.approx(getattr(row, name) / getattr(base, name))]
            else:
                assert row.case not in shown
        assert "float32's" in axis.get_xlabel()


def test_a_variant_has_one_colour_everywhere_and_tells_itself_apart() -> None:
    palette = colours(VIEW)
    assert list(palette) == ["float32", "ptq-int8", "qat-int8"]
    for line in (line for axis in latency(VIEW, Clock.CYCLES).axes for line in axis.get_lines()):
        if "@" in str(line.get_label()):
            assert line.get_color() == palette[str(line.get_label()).split("/")[1]]
    for figure in (plots.memory(VIEW, "stm32f4"), plots.variants(VIEW, Clock.WALL)):
        for axis in figure.axes:
            for case, parts in bars(axis):
                assert to_rgb(parts[0].get_facecolor()[:3]) == to_rgb(palette[case.split("/")[1]])
    only = View.of((), replace(PROVENANCE, cases=("w/other/aot@b:t", "w/qat-int8/aot@b:t")))
    assert colours(only)["qat-int8"] == palette["qat-int8"]
    assert colours(only)["other"] not in palette.values()


def wide_view() -> View:
    """Three lanes of one clock, six variants, a user's model: more than the default sweep shows."""
    known = replace(
        fixtures.KNOWN,
        variants=("float32", "ptq-int8", "qat-int8", "int16x8", "dynamic"),
        own={"/net.keras": "net-0123abcd"},
    )
    spec = SweepSpec(
        variants=("float32", "ptq-int8", "qat-int8", "ptq-int8+calib=50", "int16x8", "dynamic"),
        lanes=tuple(map(Lane.parse, ("uno:simavr", "uno:hardware", "stm32f4:hardware"))),
        model=Path("/net.keras"),
    )
    cases = expand(spec, known)
    rows = []
    for case in cases:
        like = Case.parse(
            f"{'digits' if case.workload.startswith('net') else case.workload}/"
            f"{'float32' if case.variant == 'float32' else 'ptq-int8'}/aot@{case.board}:"
            f"{'simavr' if case.board == 'uno' else 'qemu'}"
        )
        row = ROWS[like.id]
        clock = Clock.CYCLES if row.clock else None
        rows.append(replace(row, case=case.id, target=case.target, clock=clock))
    targets = {**PROVENANCE.targets, "uno:hardware": {"label": "Cycles of the board.", "clock": "cycles"}}
    return View.of(rows, replace(PROVENANCE, cases=tuple(case.id for case in cases), targets=targets))


def test_wide_spans_get_a_logarithmic_axis() -> None:
    axes = latency(wide_view(), Clock.CYCLES).axes
    scales = {axis.get_title().partition("\n")[0]: axis.get_xscale() for axis in axes}
    assert scales["digits"] == scales["net-0123abcd"] == "log"
    assert {axis.get_xscale() for axis in latency(VIEW, Clock.CYCLES).axes} == {"linear"}


@pytest.mark.parametrize("view", [VIEW, wide_view()], ids=["default", "wide"])
def test_every_plot_is_a_readable_png_without_overlaps(view: View, tmp_path: Path) -> None:
    stems = []
    for stem, caption, figure in plots.figures(view):
        path = tmp_path / f"{stem}.png"
        save(figure, path)
        pixels = imread(path)
        assert pixels.shape[1] == 1350
        assert 0.005 < float((pixels[..., :3].min(axis=-1) < 0.9).mean()) < 0.5
        assert caption
        assert_no_overlaps(figure)
        stems.append(stem)
    if view is VIEW:
        clocks = ("cycles", "instructions", "wall")
        expected = {f"{kind}-{clock}" for kind in ("latency", "variants") for clock in clocks}
        assert set(stems) == expected | {"memory-uno", "memory-stm32f4"}


def assert_no_overlaps(figure: Figure) -> None:
    """Title, panels with their labels, legend and footer have room of their own, inside the picture."""
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    panels = [axis.get_tightbbox(renderer) for axis in figure.axes if axis.get_visible()]
    (legend,) = figure.legends
    frame = legend.get_window_extent(renderer)
    written = [text.get_window_extent(renderer) for text in figure.texts if text.get_text()]
    for box in (*panels, frame, *written):
        assert box is not None
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1
    for panel in panels:
        assert panel is not None
        assert not any(panel.overlaps(other) for other in (frame, *written))
    assert not any(frame.overlaps(other) for other in written)
    for axis in figure.axes:
        if not axis.get_visible():
            continue
        ticks = [label.get_window_extent(renderer) for label in axis.get_xticklabels() if label.get_text()]
        inside = sorted(
            (t for t in ticks if axis.bbox.x0 <= (t.x0 + t.x1) / 2 <= axis.bbox.x1), key=lambda t: t.x0
        )
        assert all(left.x1 <= right.x0 for left, right in pairwise(inside))


@pytest.mark.parametrize("rows", [(), tuple(row for row in ROWS.values() if row.status is not Status.OK)])
def test_a_run_without_measurements_still_has_its_report(rows: tuple[Row, ...]) -> None:
    stems = [stem for stem, _, _ in plots.figures(View.of(rows, PROVENANCE))]
    assert stems == (["memory-uno"] if rows else [])


def test_one_measured_case_is_enough_for_a_plot(tmp_path: Path) -> None:
    for case in PROVENANCE.cases:
        if case == TOO_LARGE or not re.match("digits|sine", case):
            continue
        for stem, _, figure in plots.figures(View.of([ROWS[case]], PROVENANCE)):
            save(figure, tmp_path / f"{stem}.png")
            assert_no_overlaps(figure)
