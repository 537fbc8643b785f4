# SPDX-License-Identifier: Apache-2.0
"""Functions of one value against the oracle: int8 and int16 over every value, float32 wherever it bends."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import lower
from harness.compiler.activations import sigmoid_argument
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from tests import tflite_builder as tb
from tests.native_model import native_model

from .models import DTYPES, PLAIN, Array, Quant, check, few
from .models_unary import convert, leaky_relu, prelu, unary
from .one_op import Sample, side_by_side
from .strategies import scales, seeds, value_quants, zero_points

ALL_INT8 = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
ALL_INT16 = np.arange(-(2**15), 2**15, dtype=np.int16).reshape(1, 2**16)

LOUD = Quant(input_zero=-128, output_zero=127, gain=7.5)
SYMMETRIC = Quant(input_zero=0, output_zero=0, gain=1.0)
QUIET = Quant(input_zero=127, output_zero=-128, gain=0.01)

#: Several operations go into one model, which takes no longer to compile than one.
quant_lists = st.lists(value_quants, min_size=12, max_size=12)

#: Scales whose quotient is next to a half or a tie: rounded to float32 it may fall on the other side.
CLOSE_TO_TIES = [
    Quant(input_scale=a, gain=a / b, input_zero=zero, output_zero=-zero - 1)
    for (a, b), zero in itertools.product(
        itertools.product((0.125, 0.35, 0.7, 0.25), (0.1, 0.2, 0.3, 0.4)), (0, -40)
    )
]


def check_int8(samples: Sequence[Sample]) -> None:
    """Every value through every one of them."""
    check(side_by_side(samples), inputs=[ALL_INT8] * len(samples))


def check_int16(samples: Sequence[Sample]) -> None:
    """Every value through every one of them."""
    check(side_by_side(samples), inputs=[ALL_INT16] * len(samples))


@pytest.mark.parametrize("kind", ["RELU", "RELU6", "ABS", "ELU"])
@given(quants=quant_lists)
@few(2)
def test_int8(kind: str, quants: list[Quant]) -> None:
    same = Quant(gain=1.0, output_zero=PLAIN.input_zero)
    check_int8([unary.on(kind, "int8", (1, 256), quant=q) for q in (*quants, LOUD, QUIET, same)])


@pytest.mark.parametrize("kind", ["RELU", "ABS", "ELU"])
def test_rescaling_close_to_a_half(kind: str) -> None:
    check_int8([unary.on(kind, "int8", (1, 256), quant=quant) for quant in CLOSE_TO_TIES])


#: Here float32 and double come to other 16-bit multipliers, and results.
FINE_QUOTIENTS = [
    Quant(input_scale=a, gain=a / b) for a, b in ((0.0643, 0.0525), (0.4472, 0.3672), (0.1576, 0.9044))
]


@example(quants=CLOSE_TO_TIES)
@example(quants=FINE_QUOTIENTS)
@given(quants=quant_lists)
@few(2)
def test_hard_swish_int8(quants: list[Quant]) -> None:
    """The reference takes no output that is finer than the input by more than 128."""
    check_int8([unary.on("HARD_SWISH", "int8", (1, 256), quant=quant) for quant in (*quants, LOUD, QUIET)])


@example(values=[(2.0**-28, 0), (2.0**-20, 3), (0.5, -1), (1.0, 0), (7.9, 127), (15.9, 5), (15.0, 0)])
@given(values=st.lists(st.tuples(scales(), zero_points), min_size=12, max_size=12))
@few(3)
@pytest.mark.parametrize(("kind", "output"), [("LOGISTIC", (1 / 256, -128)), ("TANH", (1 / 128, 0))])
def test_sigmoids_int8(kind: str, output: tuple[float, int], values: list[tuple[float, int]]) -> None:
    quants = [Quant(input_scale=scale, input_zero=zero) for scale, zero in values]
    check_int8([unary.on(kind, "int8", (1, 256), quant=quant, output=output) for quant in quants])


@example(quants=CLOSE_TO_TIES, alphas=[0.1, 0.2, 0.3, 0.5, -0.25, 0.7, 1.1, 0.0])
@given(quants=quant_lists, alphas=st.lists(st.floats(-3.0, 3.0, width=32), min_size=4, max_size=4))
@few(2)
def test_leaky_relu_int8(quants: list[Quant], alphas: list[float]) -> None:
    pairs = zip(quants, itertools.cycle(alphas), strict=False)
    check_int8([leaky_relu.on("int8", (1, 256), alpha=alpha, quant=quant) for quant, alpha in pairs])


@given(values=st.lists(st.tuples(scales(), scales(), zero_points), min_size=12, max_size=12))
@few(3)
def test_rsqrt_int8(values: list[tuple[float, float, int]]) -> None:
    """From the zero point on: below, the reference stops."""
    samples = [
        unary.on("RSQRT", "int8", (1, 256), quant=Quant(input_scale=a, input_zero=-128), output=(b, zero))
        for a, b, zero in values
    ]
    check_int8(samples)


@given(quants=quant_lists)
@few(2)
def test_relu_n1_to_1_int8(quants: list[Quant]) -> None:
    check_int8([unary.on("RELU_N1_TO_1", "int8", (1, 256), quant=q) for q in (*quants, LOUD, QUIET)])


def test_neg_int8() -> None:
    check(unary("NEG", "int8", (1, 256), quant=SYMMETRIC), inputs=[ALL_INT8])


@pytest.mark.parametrize("kind", ["RELU", "RELU6", "ABS"])
@given(quants=quant_lists)
@few(1)
def test_int16(kind: str, quants: list[Quant]) -> None:
    fine = Quant(input_scale=0.0003, gain=1.0)
    check_int16([unary.on(kind, "int16", (1, 2**16), quant=quant) for quant in (*quants, LOUD, fine)])


@given(values=st.lists(st.tuples(scales(-14, -4), scales(-15, -6)), min_size=8, max_size=8))
@few(1)
def test_rsqrt_int16(values: list[tuple[float, float]]) -> None:
    inputs = np.maximum(ALL_INT16, 0)
    samples = [
        unary.on("RSQRT", "int16", inputs.shape, quant=Quant(input_scale=a), output=(b, 0))
        for a, b in ((1.37e-4, 3.05e-5), *values)
    ]
    check(side_by_side(samples), inputs=[inputs] * len(samples))


#: 2^-12 and 2^-11 are taken as they are; the others next to them, and far away, by a multiplier.
SIGMOID_SCALES = (2.0**-12, 2.0**-11, 2.0**-10, 2.0**-13, 0.000244, 0.00049, 1e-5, 1e-9, 0.37, 2.6)


@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH"])
def test_sigmoids_int16(kind: str) -> None:
    quants = [Quant(input_scale=scale) for scale in SIGMOID_SCALES]
    check_int16([unary.on(kind, "int16", (1, 2**16), quant=quant, output=(2.0**-15, 0)) for quant in quants])


@given(quants=quant_lists, alphas=st.lists(st.floats(-3.0, 3.0, width=32), min_size=4, max_size=4))
@few(1)
def test_leaky_relu_int16(quants: list[Quant], alphas: list[float]) -> None:
    pairs = zip((*quants, LOUD, QUIET), itertools.cycle(alphas), strict=False)
    check_int16([leaky_relu.on("int16", (1, 2**16), alpha=alpha, quant=quant) for quant, alpha in pairs])


#: Both sides of every bend and limit, zeros of both signs, and steps in between.
BENDS = np.concatenate(
    [
        [0.0, -0.0, 1e-30, -1e-30, 1e-5, -1e-5, -0.5, -0.50001, -0.49999, 3.0, -3.0, 6.0, 16.6, 16.7, -9.0],
        [-9.1, 80.0, -80.0, 100.0, -100.0, 1.0, -1.0],
        np.linspace(-12, 12, 97),
    ]
).astype(np.float32)


@pytest.mark.parametrize("kind", ["RELU", "RELU6", "ABS", "NEG", "LOGISTIC", "TANH", "ELU", "HARD_SWISH"])
def test_float32(kind: str) -> None:
    """Each value is a sample of its own: nothing larger beside it hides a small error."""
    check(unary(kind, "float32", (1, 1)), inputs=[BENDS.reshape(-1, 1)])
    check(unary(kind, "float32", (2, 3, 4)), samples=3)


def test_relu_n1_to_1_float32() -> None:
    check(unary("RELU_N1_TO_1", "float32", (1, 1)), inputs=[BENDS.reshape(-1, 1)])


def test_rsqrt_float32() -> None:
    values = np.abs(np.concatenate([BENDS[2:], [1e-38, 1e38]])).astype(np.float32)
    check(unary("RSQRT", "float32", (1, 1)), inputs=[values.reshape(-1, 1)])


@pytest.mark.parametrize("alpha", [0.3, -0.7, 0.0, 2.5])
def test_leaky_relu_float32(alpha: float) -> None:
    check(leaky_relu("float32", (1, 1), alpha=alpha), inputs=[BENDS.reshape(-1, 1)])


def test_neg_int32() -> None:
    check(convert("NEG", ("int32", "int32"), (1, 9)))


SLOPE_SHAPES = [(4,), (3, 1), (1, 3, 4), (5, 1, 4), (2, 1, 3, 1), (1,), (2, 5, 3, 4), (2, 5, 1, 1)]


@pytest.mark.parametrize("dtype", [*DTYPES, "int16"])
@pytest.mark.parametrize("is_constant", [True, False])
def test_prelu(dtype: str, is_constant: bool) -> None:
    samples = [prelu.on(dtype, ((2, 5, 3, 4), slopes), is_constant=is_constant) for slopes in SLOPE_SHAPES]
    check(side_by_side(samples), samples=4)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@given(quants=quant_lists, slopes=st.tuples(scales(), zero_points), seed=seeds)
@few(2)
def test_prelu_of_any_scale(dtype: str, quants: list[Quant], slopes: tuple[float, int], seed: int) -> None:
    samples = [prelu.on(dtype, ((1, 40, 8), (8,)), alpha=slopes, quant=quant) for quant in quants]
    check(side_by_side(samples), seed=seed, samples=3)


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


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: unary("LOGISTIC", "int8", (1, 4), output=(1 / 256, 0)), "zero point 0"),
        (lambda: unary("TANH", "int8", (1, 4), output=(1 / 256, 0)), "scale 0.00390625"),
        (lambda: unary("TANH", "int16", (1, 4), output=(2.0**-14, 0)), "output scale"),
        (lambda: unary("TANH", "int8", (1, 4), quant=Quant(input_scale=16.0), output=(1 / 128, 0)), "16"),
        (lambda: unary("TANH", "int16", (1, 4), quant=Quant(input_scale=3.0), output=(2.0**-15, 0)), "2.6"),
        (lambda: unary("HARD_SWISH", "int8", (1, 4), quant=Quant(gain=200.0)), "128 times finer"),
        (lambda: unary("NEG", "int8", (1, 4)), "without zero points"),
        (lambda: unary("ELU", "int16", (1, 4)), "makes int16 of int16"),
        (lambda: convert("RELU", ("int8", "float32"), (1, 4), scales=((0.1, 0), None)), "float32 of int8"),
        (lambda: convert("RELU", ("int16",) * 2, (1, 4), scales=((0.1, 1), (0.1, 0))), "a zero point"),
        (lambda: leaky_relu("float32", (1, 4), alpha=float("inf")), "no C literal"),
        (lambda: prelu("int8", ((1, 4), (3,))), "make no"),
        (lambda: prelu("int8", ((1, 1), (2, 4))), "make no"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(data: Callable[[], bytes], why: str) -> None:
    with pytest.raises(UnsupportedError, match=why):
        lower(read_tflite(data(), name="model"))


@pytest.mark.parametrize("scale", [2.0**-12, 2.0**-12 * 1.0005, 2.0**-12 * 0.9996])
def test_scales_close_to_a_power_of_two_are_taken_for_it(scale: float) -> None:
    assert sigmoid_argument(scale, most_doublings=0) == (3, 0)


@pytest.mark.parametrize(("dtype", "values"), [("int8", ALL_INT8), ("int16", ALL_INT16)])
def test_rsqrt_of_negative_values_is_the_largest(dtype: str, values: Array) -> None:
    """The reference stops there; a device cannot."""
    data = unary("RSQRT", dtype, values.shape, quant=Quant(input_zero=0), output=(0.1, 0))
    outputs = native_model(data).run([values])[0]
    assert (outputs[values <= 0] == np.iinfo(dtype).max).all()
