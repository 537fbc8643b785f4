# SPDX-License-Identifier: Apache-2.0
"""Doubts about a board's numbers: each limit from both sides."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.marks import clock_error, marks, summarize_windows
from harness.records import HostCheck, Measurement, Window

HZ = 16_000_000
#: 100 ms each, as their 160,000 cycles an inference give it.
STEADY = tuple(Window(ticks=1_600_000, inferences=10) for _ in range(5))
FINE = Measurement(
    counter="timer1",
    counter_hz=HZ,
    warmup_ticks=(),
    ticks=(1,),
    outputs=np.zeros((1, 1), np.int8),
    stack_bytes=None,
    firmware_sha256="",
    windows=STEADY,
    host_check=HostCheck(ticks=2 * HZ, host_s=2.0),
)


def test_good_windows_and_a_good_clock_are_not_marked() -> None:
    assert list(marks(FINE)) == []


@pytest.mark.parametrize(
    ("last", "marked"), [(1_679_999, False), (1_680_000, False), (1_680_001, True), (1_600_000, False)]
)
def test_a_spread_above_5_percent_is_marked(last: int, marked: bool) -> None:
    windows = (*STEADY[:4], Window(ticks=last, inferences=10))
    found = list(marks(replace(FINE, windows=windows)))
    assert len(found) == marked
    assert not marked or found[0].startswith("the windows spread by 5.0% (limit 5%): ")


def test_windows_of_other_lengths_do_the_same_work() -> None:
    windows = tuple(Window(ticks=160_000 * count, inferences=count) for count in (10, 11, 20, 10, 12))
    assert list(marks(replace(FINE, windows=windows))) == []


@pytest.mark.parametrize(("count", "text"), [(0, "only 0 windows of 5"), (4, "only 4 windows of 5")])
def test_too_few_windows_are_marked(count: int, text: str) -> None:
    (found,) = marks(replace(FINE, windows=STEADY[:count]))
    assert text in found


def test_a_short_window_is_marked() -> None:
    windows = tuple(Window(ticks=1_584_000, inferences=10) for _ in range(5))
    assert list(marks(replace(FINE, windows=windows))) == [
        "a window lasted only 99 ms of 100 ms: run it again"
    ]


@pytest.mark.parametrize(
    ("ticks", "text"),
    [
        (int(2 * HZ * 1.0199), None),
        (int(2 * HZ * 0.9801), None),
        (int(2 * HZ * 1.021), "2.1% fast against the host's"),
        (int(2 * HZ * 0.979), "2.1% slow against the host's"),
        (0, "100.0% slow"),
    ],
)
def test_a_clock_more_than_2_percent_off_is_marked(ticks: int, text: str | None) -> None:
    found = list(marks(replace(FINE, host_check=HostCheck(ticks=ticks, host_s=2.0))))
    assert len(found) == (text is not None)
    assert text is None or text in found[0]


def test_a_clock_that_was_hardly_looked_at_is_marked_and_not_judged() -> None:
    assert list(marks(replace(FINE, host_check=None))) == [
        "the check of the board's clock was not made: cycles hold, times are not assured"
    ]
    (short,) = marks(replace(FINE, host_check=HostCheck(ticks=5 * HZ, host_s=1.9)))
    assert "lasted only 1.9 s of 2 s" in short


def test_a_counter_without_a_rate_is_not_judged_by_time() -> None:
    assert clock_error(HostCheck(ticks=1, host_s=2.0), 0) is None
    assert list(marks(replace(FINE, counter_hz=0))) == []


def test_marks_are_clauses_that_a_row_can_hold() -> None:
    """Warnings are joined by semicolons."""
    worst = replace(FINE, windows=(STEADY[0], Window(ticks=1, inferences=1)), host_check=None)
    found = list(marks(worst))
    assert len(found) == 4
    assert not any(";" in mark or "\n" in mark for mark in found)


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**4)), min_size=1, max_size=150))
def test_the_summary_is_that_of_the_standard_library(pairs: list[tuple[int, int]]) -> None:
    summary = summarize_windows([Window(ticks=ticks, inferences=count) for ticks, count in pairs])
    assert summary is not None
    values = [ticks / count for ticks, count in pairs]
    median = statistics.median(values)
    assert summary.median == pytest.approx(median)
    assert summary.mad == pytest.approx(statistics.median(abs(v - median) for v in values), abs=1e-9 * median)
    assert summary.spread == pytest.approx((max(values) - min(values)) / median)
    assert (summary.p95 is None) == (len(pairs) < 100)


def test_no_windows_have_no_summary_and_nothing_is_no_spread() -> None:
    assert summarize_windows(()) is None
    still = summarize_windows([Window(ticks=0, inferences=1)] * 2)
    assert still is not None
    assert still.spread == 0.0


@pytest.mark.parametrize(("ticks", "inferences"), [(-1, 1), (1, 0)])
def test_an_impossible_window_cannot_be_made(ticks: int, inferences: int) -> None:
    with pytest.raises(ValueError, match="a window of"):
        Window(ticks=ticks, inferences=inferences)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_an_impossible_check_cannot_be_made(seconds: float) -> None:
    with pytest.raises(ValueError, match="a host check of"):
        HostCheck(ticks=1, host_s=seconds)
