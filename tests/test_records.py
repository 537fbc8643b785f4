# SPDX-License-Identifier: Apache-2.0
"""The comparison that every number depends on, and the summary of ticks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import FLOAT_TOLERANCE, P95_MIN_VALUES, Outcome, Status, summarize_ticks, verify

INF, NAN = math.inf, math.nan


def _float32(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_integers_must_be_equal_and_the_first_that_is_not_is_named() -> None:
    expected = np.array([[1, 2], [3, 4]], np.int8)
    outputs = np.array([[1, 2], [3, -128]], np.int8)
    found = verify(outputs, expected, "oracle")
    assert (found.mismatches, found.first_mismatch, found.max_abs_diff) == (1, (1, 1), 132.0)
    assert verify(expected, expected, "oracle").first_mismatch is None


def test_a_float_within_tolerance_is_not_the_first_mismatch() -> None:
    found = verify(_float32([1.0000001, 1], [2, 9]), _float32([1, 1], [2, 4]), "oracle")
    assert (found.mismatches, found.first_mismatch) == (1, (1, 1))


@pytest.mark.parametrize("size", [1.0, 1e-20, 1e20])
def test_the_tolerance_follows_the_largest_of_the_tensor(size: float) -> None:
    expected = _float32([size, 0.0])
    inside = _float32([size, size * FLOAT_TOLERANCE * 0.99])
    outside = _float32([size, size * FLOAT_TOLERANCE * 1.01])
    assert verify(inside, expected, "oracle").mismatches == 0
    assert verify(outside, expected, "oracle").mismatches == 1


@pytest.mark.parametrize(
    ("outputs", "expected", "mismatches", "largest"),
    [
        ([INF, 1.0], [INF, 1.0], 0, 0.0),
        ([INF, 999.0], [INF, 1.0], 1, 998.0),
        ([-INF, 1.0], [INF, 1.0], 1, INF),
        ([NAN, 1.0], [NAN, 1.0], 0, 0.0),
        ([NAN, 1.0], [1.0, 1.0], 1, INF),
        ([1.0, 1.0], [NAN, 1.0], 1, INF),
        ([NAN, NAN], [NAN, NAN], 0, 0.0),
    ],
)
@pytest.mark.filterwarnings("error")
def test_infinities_and_nans(
    outputs: list[float], expected: list[float], mismatches: int, largest: float
) -> None:
    found = verify(_float32(outputs), _float32(expected), "oracle")
    assert (found.mismatches, found.max_abs_diff) == (mismatches, largest)


def test_shapes_and_types_must_agree() -> None:
    with pytest.raises(ValueError, match="cannot compare"):
        verify(np.zeros((2, 1), np.int8), np.zeros((1, 2), np.int8), "oracle")
    with pytest.raises(ValueError, match="cannot compare"):
        verify(np.zeros((1, 1), np.int8), np.zeros((1, 1), np.float32), "oracle")


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=300))
def test_ticks_are_summarised_by_median_mad_and_p95_of_enough(ticks: list[int]) -> None:
    summary = summarize_ticks(tuple(ticks))
    ordered = sorted(ticks)
    middle = (ordered[(len(ticks) - 1) // 2] + ordered[len(ticks) // 2]) / 2
    assert summary.median == middle
    assert (summary.p95 is None) == (len(ticks) < P95_MIN_VALUES)
    assert 0 <= summary.mad <= ordered[-1] - ordered[0]


def test_every_status_but_ok_has_a_reason() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        Outcome(status=Status.UNAVAILABLE)
