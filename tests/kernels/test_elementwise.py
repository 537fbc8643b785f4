# SPDX-License-Identifier: Apache-2.0
"""RELU, RELU6, QUANTIZE, DEQUANTIZE, ADD and RESHAPE against the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests import tflite_builder as tb
from tests.native_model import native_model

from .models import DTYPES, PLAIN, Quant, add, check, dequantize, few, quantize, unary
from .strategies import activations, scales, seeds, value_quants, zero_points

shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4)

#: Every int8 value as one sample of a tensor of 256 elements.
ALL_INT8 = [np.arange(-128, 128, dtype=np.int8).reshape(1, 256)]

LOUD = Quant(input_zero=-128, output_zero=127, gain=7.5)
QUIET = Quant(input_zero=127, output_zero=-128, gain=0.01)


@pytest.mark.parametrize("kind", ["RELU", "RELU6", "QUANTIZE"])
@example(quant=LOUD)
@example(quant=QUIET)
@example(quant=Quant(gain=1.0, output_zero=PLAIN.input_zero))
@given(quant=value_quants)
@few(8)
def test_every_value_of_int8(kind: str, quant: Quant) -> None:
    check(unary(kind, "int8", (1, 256), quant=quant), inputs=ALL_INT8)


@pytest.mark.parametrize("kind", ["RELU", "QUANTIZE"])
@pytest.mark.parametrize(("input_scale", "output_scale"), [(0.125, 0.1), (0.35, 0.1), (0.7, 0.2)])
def test_rescaling_close_to_a_half(kind: str, input_scale: float, output_scale: float) -> None:
    """The scales' quotient is next to a half: rounded to float32 it is the half, and rounds the other way."""
    quant = Quant(input_scale=input_scale, gain=input_scale / output_scale, output_zero=-128)
    check(unary(kind, "int8", (1, 256), quant=quant), inputs=ALL_INT8)


@pytest.mark.parametrize("kind", ["RELU", "RELU6"])
@given(shape=shapes, seed=seeds)
@few(5)
def test_relu_float32(kind: str, shape: list[int], seed: int) -> None:
    check(unary(kind, "float32", shape), seed=seed)


@example(scale=0.5, zero_point=0)
@example(scale=0.5, zero_point=127)
@example(scale=2.0**-10, zero_point=-128)
@given(scale=scales(), zero_point=zero_points)
@few(8)
def test_quantize_float32(scale: float, zero_point: int) -> None:
    # Halves must round away from zero, values far outside must saturate.
    exact = np.arange(-300, 301, dtype=np.float32) * np.float32(scale / 2)
    random = np.random.default_rng(1).normal(size=601).astype(np.float32) * np.float32(scale * 100)
    far = np.linspace(-1e6, 1e6, 601, dtype=np.float32)
    model = quantize((1, 601), scale=scale, zero_point=zero_point)
    check(model, inputs=[np.stack([exact, random, far])])


def test_quantize_of_what_is_no_number_is_the_same_everywhere() -> None:
    model = native_model(quantize((1, 3), scale=0.5, zero_point=7))
    values = np.array([[np.nan, np.inf, -np.inf]], np.float32)
    assert model.run([values])[0].tolist() == [[-128, 127, -128]]


@example(scale=0.5, zero_point=-128)
@given(scale=scales(), zero_point=zero_points)
@few(5)
def test_dequantize(scale: float, zero_point: int) -> None:
    check(dequantize((1, 256), scale=scale, zero_point=zero_point), inputs=ALL_INT8)


@st.composite
def operand_shapes(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Equal shapes, or one that repeats along the other's leading axes; in either order."""
    large = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    small = large[draw(st.integers(0, len(large) - 1)) :]
    if draw(st.booleans()):
        small = [1] * (len(large) - len(small)) + small
    pair = (large, small) if draw(st.booleans()) else (small, large)
    return pair if draw(st.booleans()) else (large, large)


@example(shapes=([2, 3], [2, 3]), quants=(LOUD, QUIET), output=(0.5, -128), activation="NONE", seed=1)
@example(shapes=([1], [1, 1]), quants=(PLAIN, PLAIN), output=(0.5, -128), activation="NONE", seed=1)
@example(shapes=([3], [1, 2, 2, 3]), quants=(QUIET, LOUD), output=(0.01, 127), activation="RELU6", seed=1)
@example(shapes=([1, 2, 2, 3], [1]), quants=(PLAIN, LOUD), output=(8.0, 0), activation="RELU", seed=1)
@given(
    shapes=operand_shapes(), quants=st.tuples(value_quants, value_quants),
    output=st.tuples(scales(), zero_points), activation=activations, seed=seeds,
)  # fmt: skip
@few(14)
def test_add_int8(
    shapes: tuple[list[int], list[int]], quants: tuple[Quant, Quant], output: tuple[float, int],
    activation: str, seed: int,
) -> None:  # fmt: skip
    check(add("int8", shapes, quants=quants, output=output, activation=activation), seed=seed)


@given(shapes=operand_shapes(), activation=activations, seed=seeds)
@few(8)
def test_add_float32(shapes: tuple[list[int], list[int]], activation: str, seed: int) -> None:
    check(add("float32", shapes, activation=activation), seed=seed)


@pytest.mark.parametrize("dtype", DTYPES)
def test_reshape_between_two_operations(dtype: str) -> None:
    q = PLAIN.input if dtype == "int8" else {}
    b = tb.ModelBuilder()
    x, first, flat = (b.tensor(shape, dtype, **q) for shape in [(1, 4, 4, 2), (1, 2, 2, 2), (1, 8)])
    y = b.tensor((1, 8), dtype, **q)
    b.op("MAX_POOL_2D", [x], [first], tb.pool_options(filter_size=(2, 2), strides=(2, 2)))
    b.op("RESHAPE", [first, b.constant([1, 8], "int32")], [flat], tb.reshape_options([1, 8]))
    b.op("RELU", [flat], [y])
    check(b.build([x], [y]))
