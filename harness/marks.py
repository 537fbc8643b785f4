# SPDX-License-Identifier: Apache-2.0
"""How far a board's numbers can be trusted: the spread of its windows, and its clock against the host's.

docs/METHOD.md says why these limits, and what to do about each mark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from harness.records import P95_MIN_VALUES, HostCheck, Measurement, Window

MIN_WINDOWS: Final = 5
MIN_WINDOW_S: Final = 0.1
MAX_WINDOW_SPREAD: Final = 0.05
MIN_HOST_CHECK_S: Final = 2.0
MAX_CLOCK_ERROR: Final = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowSummary:
    """Ticks of one inference, as each window's mean gives them."""

    count: int
    median: float
    mad: float
    p95: float | None
    """None below `P95_MIN_VALUES` windows."""
    spread: float
    """Largest less smallest, over the median."""


def summarize_windows(windows: Sequence[Window]) -> WindowSummary | None:
    """Summarise windows; None where there are none."""
    if not windows:
        return None
    values = np.asarray([window.ticks / window.inferences for window in windows])
    median = float(np.median(values))
    width = float(values.max() - values.min())
    return WindowSummary(
        count=len(windows),
        median=median,
        mad=float(np.median(np.abs(values - median))),
        p95=float(np.percentile(values, 95)) if len(values) >= P95_MIN_VALUES else None,
        spread=width / median if median else math.inf if width else 0.0,
    )


def clock_error(check: HostCheck, counter_hz: int) -> float | None:
    """By how much the device counts too fast (above 0) or too slow, as a share; None without a rate."""
    return check.ticks / (counter_hz * check.host_s) - 1 if counter_hz else None


def marks(measured: Measurement) -> Iterator[str]:
    """Doubts about a real board's numbers, a clause each, with what to do."""
    summary = summarize_windows(measured.windows)
    if summary is None or summary.count < MIN_WINDOWS:
        count = summary.count if summary else 0
        yield f"only {count} windows of {MIN_WINDOWS}, so the spread is not known: run it again"
    if summary is not None and summary.spread > MAX_WINDOW_SPREAD:
        yield (
            f"the windows spread by {summary.spread:.1%} (limit {MAX_WINDOW_SPREAD:.0%}): turn off what else "
            "runs on the board (radio, interrupts), check its supply and temperature, run it again"
        )
    if measured.counter_hz:
        shortest_s = min((window.ticks for window in measured.windows), default=0) / measured.counter_hz
        if summary is not None and shortest_s < MIN_WINDOW_S:
            lasted = f"{shortest_s * 1e3:.3g} ms of {MIN_WINDOW_S * 1e3:.0f} ms"
            yield f"a window lasted only {lasted}: run it again"
    yield from _clock_marks(measured)


def _clock_marks(measured: Measurement) -> Iterator[str]:
    check = measured.host_check
    if check is None or check.host_s < MIN_HOST_CHECK_S:
        lasted = f"lasted only {check.host_s:.3g} s of {MIN_HOST_CHECK_S:g} s" if check else "was not made"
        yield f"the check of the board's clock {lasted}: cycles hold, times are not assured"
        return
    error = clock_error(check, measured.counter_hz)
    if error is not None and abs(error) > MAX_CLOCK_ERROR:
        direction = "fast" if error > 0 else "slow"
        yield (
            f"the board's clock is {abs(error):.1%} {direction} against the host's "
            f"(limit {MAX_CLOCK_ERROR:.0%}): cycles hold, times are wrong by as much, check its "
            "crystal and hse_hz in boards.yaml"
        )
