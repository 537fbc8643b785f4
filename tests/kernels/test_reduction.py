# SPDX-License-Identifier: Apache-2.0
"""MEAN, SUM, REDUCE_MAX and ARG_MAX against the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import lower
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from tests import tflite_builder as tb
from tests.native_model import native_model

from .models import Quant, check, few
from .models_reduce import arg_max, reduction
from .strategies import seeds, value_quants

KINDS = ("MEAN", "SUM", "REDUCE_MAX")
Reduction = tuple[list[int], list[int]]


@st.composite
def reductions(draw: st.DrawFn) -> Reduction:
    """A shape of up to five axes and any of them, in any order, some twice or counted from the end."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    axis = st.integers(-len(shape), len(shape) - 1)
    return shape, draw(st.lists(axis, min_size=1, max_size=len(shape)))


GLOBAL: Reduction = ([1, 6, 5, 3], [1, 2])
#: Nothing can be merged.
ALTERNATING: Reduction = ([2, 3, 2, 3, 2], [0, 2, -1])
LOUD = Quant(input_zero=-128, output_zero=127, gain=5.0)


@pytest.mark.parametrize("kind", KINDS)
@example(case=GLOBAL, keep_dims=True, quant=Quant(gain=1.0, output_zero=-3), seed=1)
@example(case=GLOBAL, keep_dims=False, quant=LOUD, seed=1)
@example(case=([1, 40, 40, 1], [1, 2]), keep_dims=False, quant=Quant(input_zero=127, gain=0.2), seed=1)
@example(case=ALTERNATING, keep_dims=False, quant=LOUD, seed=1)
@example(case=([3, 2], [1, 1]), keep_dims=False, quant=Quant(gain=0.02), seed=1)
@given(case=reductions(), keep_dims=st.booleans(), quant=value_quants, seed=seeds)
@few(8)
def test_int8(kind: str, case: Reduction, keep_dims: bool, quant: Quant, seed: int) -> None:
    check(reduction(kind, "int8", *case, keep_dims=keep_dims, quant=quant), seed=seed)


@pytest.mark.parametrize("kind", KINDS)
@example(case=GLOBAL, keep_dims=True, quant=LOUD, seed=1)
@example(case=ALTERNATING, keep_dims=False, quant=Quant(gain=0.02), seed=1)
@given(case=reductions(), keep_dims=st.booleans(), quant=value_quants, seed=seeds)
@few(5)
def test_int16(kind: str, case: Reduction, keep_dims: bool, quant: Quant, seed: int) -> None:
    check(reduction(kind, "int16", *case, keep_dims=keep_dims, quant=quant), seed=seed)


@pytest.mark.parametrize("kind", KINDS)
@example(case=GLOBAL, keep_dims=True, seed=1)
@example(case=ALTERNATING, keep_dims=False, seed=1)
@given(case=reductions(), keep_dims=st.booleans(), seed=seeds)
@few(5)
def test_float32(kind: str, case: Reduction, keep_dims: bool, seed: int) -> None:
    check(reduction(kind, "float32", *case, keep_dims=keep_dims), seed=seed)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("index", ["int32", "int64"])
@example(shape=[1, 10], axis=-1, seed=1)
@example(shape=[3, 4, 5], axis=1, seed=1)
@example(shape=[1], axis=0, seed=1)
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), axis=st.integers(-1, 0), seed=seeds)
@few(4)
def test_arg_max(dtype: str, index: str, shape: list[int], axis: int, seed: int) -> None:
    check(arg_max(dtype, index, shape, axis), seed=seed)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_the_first_of_equal_values_is_the_largest(dtype: str) -> None:
    model = native_model(arg_max(dtype, "int32", [6], 0))
    assert model.run([np.array([[1, 5, 2, 5, 5, 0]], dtype)])[0].tolist() == [[1]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_takes_its_inputs_place(kind: str) -> None:
    data = reduction(kind, "float32", *ALTERNATING)
    program = lower(read_tflite(data, name="model"))
    assert program.layout.plan.arena_bytes == 2 * 3 * 2 * 3 * 2 * 4
    check(data)


@pytest.mark.parametrize(
    ("shape", "axes", "output"),
    [([2, 3], [2], [2]), ([2, 3], [-3], [3]), ([2, 3], [1], [3]), ([2, 3, 4], [1], [4, 2]), ([6], [0], [2])],
)
def test_what_does_not_fit_together_is_refused(shape: list[int], axes: list[int], output: list[int]) -> None:
    b = tb.ModelBuilder()
    x, y = b.tensor(shape, "float32"), b.tensor(output, "float32")
    b.op("SUM", [x, b.constant(axes, "int32")], [y], tb.mean_options())
    with pytest.raises(UnsupportedError, match=r"axes|shape"):
        lower(read_tflite(b.build([x], [y]), name="model"))


def test_more_alternating_axes_than_the_kernel_walks_are_refused() -> None:
    data = reduction("SUM", "float32", [2] * 7, [0, 2, 4, 6])
    with pytest.raises(UnsupportedError, match="4 groups of neighbouring axes"):
        lower(read_tflite(data, name="model"))
