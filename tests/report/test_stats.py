# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.stats import base_of, doubts, interval, metric_interval, ratio, spread
from harness.report.view import View
from harness.rows import Row, Samples, format_row, parse_row
from tests.report import fixtures

CASES = fixtures.default_cases()


def row_of(index: int = 1) -> Row:
    return parse_row(format_row(fixtures.result_of(CASES[index]))[:-1], "")


def samples(*ticks: int) -> Samples:
    return Samples(warmup_ticks=(), ticks=ticks, outputs=np.zeros((len(ticks), 1)))


def test_the_interval_is_wilsons() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263 and 15 of 148
    assert interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert interval(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert interval(0.0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert interval(1 / 29, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_holds_its_share(right: int, total: int) -> None:
    share = min(right, total) / total
    low, high = interval(share, total)
    assert 0 <= low <= share <= high <= 1
    wide_low, wide_high = interval(share, max(1, total // 4))
    assert wide_high - wide_low >= high - low - 1e-12


def test_only_an_accuracy_has_an_interval() -> None:
    assert metric_interval(row_of()) is not None
    assert metric_interval(replace(row_of(), metric="mae")) is None
    assert metric_interval(replace(row_of(), metric_value=None)) is None
    assert metric_interval(replace(row_of(), metric_value=1.5)) is None
    assert metric_interval(replace(row_of(), samples=0)) is None


def test_a_clean_row_raises_no_doubt() -> None:
    assert doubts(row_of(), samples(100, 101)) == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"warnings": "3 frames were sent again"}, "3 frames were sent again."),
        ({"latency_ticks_median": 100.0, "latency_ticks_mad": 5.1}, "MAD is 5% of the median"),
        ({"samples": 29}, "Only 29 samples: run more than 29."),
        ({"mismatches": 2}, "2 outputs differ"),
        ({"metric_value": 0.9, "metric_reference": 0.95}, "give accuracy 95.00 %"),
    ],
)
def test_doubts(change: dict[str, Any], word: str) -> None:
    (doubt,) = doubts(replace(row_of(), **change))
    assert word in doubt


def test_an_outlier_is_doubted() -> None:
    row = replace(row_of(), latency_ticks_median=100.0, latency_ticks_mad=0.0)
    assert doubts(row, samples(100, 100, 200)) == ()
    (doubt,) = doubts(row, samples(100, 100, 201))
    assert "2.0 times the median" in doubt


def test_spread_and_ratio_of_nothing() -> None:
    assert spread(replace(row_of(), latency_ticks_median=None)) is None
    assert spread(replace(row_of(), latency_ticks_median=0.0)) is None
    assert math.isclose(spread(replace(row_of(), latency_ticks_median=50.0, latency_ticks_mad=5.0)) or 0, 0.1)
    assert ratio(None, 2) is ratio(2, None) is ratio(2, 0) is None
    assert ratio(1, 4) == 0.25


def test_the_base_is_float32_on_the_same_lane() -> None:
    rows = [row_of(index) for index in range(27)]
    view = View.of(rows, fixtures.provenance(CASES))
    for entry in view.entries:
        base = base_of(view, entry)
        if (entry.workload, entry.board) == ("gesture", "uno"):
            assert base is None
        else:
            assert base is not None
            assert base.case == f"{entry.workload}/float32/aot@{entry.lane}"
