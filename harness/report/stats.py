# SPDX-License-Identifier: Apache-2.0
"""Numbers that reports derive from rows and samples, and the doubts about them."""

from __future__ import annotations

import math
from typing import Final

from harness.report.view import FLOAT, Entry, View, metric_text
from harness.rows import Row, Samples

#: From here on a spread is worth a warning: median absolute deviation over median.
MAX_SPREAD: Final = 0.05
#: An inference that takes longer than this many medians is an outlier worth a warning.
MAX_OUTLIER: Final = 2.0
#: A median of fewer inferences is called thin.
MIN_SAMPLES: Final = 30
_Z_95: Final = 1.959964


def interval(share: float, samples: int) -> tuple[float, float]:
    """95 % Wilson interval of a share (an accuracy) that `samples` samples gave.

    Two accuracies on the same test set may differ by less than this and still be different, but a user's
    data are another draw: there a difference inside the interval means little.
    """
    z2 = _Z_95**2 / samples
    centre = (share + z2 / 2) / (1 + z2)
    half = _Z_95 / (1 + z2) * math.sqrt(share * (1 - share) / samples + z2 / (4 * samples))
    # share 0 and 1 must bound themselves in spite of rounding
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def metric_interval(row: Row) -> tuple[float, float] | None:
    """The interval of an accuracy; None for other metrics."""
    if row.metric != "accuracy" or row.metric_value is None or not row.samples:
        return None
    return interval(row.metric_value, row.samples) if 0 <= row.metric_value <= 1 else None


def spread(row: Row) -> float | None:
    """Median absolute deviation of the ticks over their median."""
    if not row.latency_ticks_median or row.latency_ticks_mad is None:
        return None
    return row.latency_ticks_mad / row.latency_ticks_median


def doubts(row: Row, samples: Samples | None = None) -> tuple[str, ...]:
    """Reasons not to trust a row's numbers, a sentence each."""
    found = []
    if row.warnings:
        found.append(f"{row.warnings.rstrip('.')}.")
    relative = spread(row)
    if relative is not None and relative > MAX_SPREAD:
        found.append(f"The ticks spread: their MAD is {relative:.0%} of the median.")
    ticks = samples.ticks if samples else ()
    if ticks and row.latency_ticks_median and max(ticks) > MAX_OUTLIER * row.latency_ticks_median:
        times = max(ticks) / row.latency_ticks_median
        found.append(f"The slowest inference took {times:.1f} times the median.")
    if row.samples is not None and row.samples < MIN_SAMPLES:
        found.append(f"Only {row.samples} samples: run more than {MIN_SAMPLES - 1}.")
    if row.mismatches:
        found.append(f"{row.mismatches} outputs differ from the reference: its numbers are worth nothing.")
    if (
        row.metric_value is not None
        and row.metric_reference is not None
        and not math.isclose(row.metric_value, row.metric_reference, rel_tol=1e-4, abs_tol=1e-9)
    ):
        reference = metric_text(row.metric, row.metric_reference)
        found.append(f"The reference interpreter's outputs give {row.metric} {reference}.")
    return tuple(found)


def base_of(view: View, entry: Entry) -> Row | None:
    """The float32 row of the same workload on the same lane, if it was measured."""
    for other in view.entries:
        if (other.workload, other.lane) == (entry.workload, entry.lane) and other.variant.split()[0] == FLOAT:
            return other.ok
    return None


def ratio(value: float | None, base: float | None) -> float | None:
    """value / base; None where either is missing or there is nothing to divide by."""
    return value / base if value is not None and base else None
