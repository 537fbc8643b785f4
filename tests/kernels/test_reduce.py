# SPDX-License-Identifier: Apache-2.0
"""MEAN, PAD and SOFTMAX against the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .models import DTYPES, Quant, check, few, mean, pad, softmax
from .strategies import scales, seeds, value_quants, zero_points


@st.composite
def reductions(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """A shape and a run of neighbouring axes, some counted from the end."""
    shape = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    first = draw(st.integers(0, len(shape) - 1))
    last = draw(st.integers(first, len(shape) - 1))
    axes = [axis - len(shape) * draw(st.booleans()) for axis in range(first, last + 1)]
    return shape, axes


GLOBAL = ([1, 6, 5, 3], [1, 2])


@example(reduction=GLOBAL, keep_dims=True, quant=Quant(gain=1.0, output_zero=-3), seed=1)
@example(reduction=GLOBAL, keep_dims=False, quant=Quant(input_zero=-128, output_zero=127, gain=5.0), seed=1)
@example(reduction=([1, 40, 40, 1], [1, 2]), keep_dims=False, quant=Quant(input_zero=127, gain=0.2), seed=1)
@given(reduction=reductions(), keep_dims=st.booleans(), quant=value_quants, seed=seeds)
@few(12)
def test_mean_int8(reduction: tuple[list[int], list[int]], keep_dims: bool, quant: Quant, seed: int) -> None:
    check(mean("int8", *reduction, keep_dims=keep_dims, quant=quant), seed=seed)


@example(reduction=GLOBAL, keep_dims=True, seed=1)
@given(reduction=reductions(), keep_dims=st.booleans(), seed=seeds)
@few(8)
def test_mean_float32(reduction: tuple[list[int], list[int]], keep_dims: bool, seed: int) -> None:
    check(mean("float32", *reduction, keep_dims=keep_dims), seed=seed)


@st.composite
def paddings(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]]]:
    """Rank 2 to 4; a batch axis is left alone."""
    rank = draw(st.integers(2, 4))
    width = st.integers(0, 3)
    shape = [draw(st.integers(1, 4)) for _ in range(rank)]
    widths = [(draw(width), draw(width)) for _ in range(rank)]
    if rank == 4:
        shape[0], widths[0] = 1, (0, 0)
    return shape, widths


@pytest.mark.parametrize("dtype", DTYPES)
@example(case=([1, 3, 4, 2], [(0, 0), (1, 2), (3, 0), (0, 0)]), zero_point=-128, seed=1)
@example(case=([1, 3, 4, 2], [(0, 0), (0, 0), (0, 0), (2, 1)]), zero_point=127, seed=1)
@given(case=paddings(), zero_point=zero_points, seed=seeds)
@few(7)
def test_pad(dtype: str, case: tuple[list[int], list[tuple[int, int]]], zero_point: int, seed: int) -> None:
    check(pad(dtype, *case, quant=Quant(input_zero=zero_point)), seed=seed)


@st.composite
def softmax_shapes(draw: st.DrawFn) -> list[int]:
    """Up to three leading axes before 1 to 40 classes."""
    return [*draw(st.lists(st.integers(1, 3), max_size=3)), draw(st.integers(1, 40))]


@example(shape=[1, 511], scale=0.5, beta=1.0, seed=1)
@example(shape=[2, 10], scale=2.0**-20, beta=1.0, seed=1)
@example(shape=[2, 10], scale=40.0, beta=1.0, seed=1)
@example(shape=[1, 1], scale=0.1, beta=1.0, seed=1)
@given(shape=softmax_shapes(), scale=scales(-10, 4), beta=st.sampled_from([1.0, 1.0, 0.5, 3.0]), seed=seeds)
@few(14)
def test_softmax_int8(shape: list[int], scale: float, beta: float, seed: int) -> None:
    check(softmax("int8", shape, quant=Quant(input_scale=scale), beta=beta), seed=seed)


def test_softmax_int8_of_equal_values_at_its_largest_depth() -> None:
    """The sum of exponentials is as large as it gets: one more class and the last shift would pass 31."""
    equal = np.stack([np.full(511, value, np.int8) for value in (-128, 0, 127)])
    check(softmax("int8", [1, 511]), inputs=[equal])


@given(shape=softmax_shapes(), beta=st.sampled_from([1.0, 0.5, 3.0]), seed=seeds)
@few(8)
def test_softmax_float32(shape: list[int], beta: float, seed: int) -> None:
    check(softmax("float32", shape, beta=beta), seed=seed)
