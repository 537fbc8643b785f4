# SPDX-License-Identifier: Apache-2.0
"""CONV_2D and DEPTHWISE_CONV_2D against the oracle, in every form."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import compile_graph, lower
from harness.graph import read_tflite
from tests import tflite_builder as tb

from .models import PLAIN, Quant, check, few
from .models_window import FORMS, Window, convolution, depthwise, weights
from .strategies import activations, biases, layer_quants, layer_quants_int16, seeds, windows

UPRIGHT = Window(size=(9, 1), channels=4, kernel=(4, 1), strides=(2, 1), padding="SAME")
UPRIGHT_DILATED = Window(size=(9, 1), channels=2, kernel=(3, 1), dilations=(2, 1), padding="SAME")
# Width 1, but the window is wider than the image: this one stays upright.
UPRIGHT_WIDE = Window(size=(9, 1), channels=2, kernel=(3, 3), padding="SAME")
MOSTLY_PADDING = Window(size=(2, 2), channels=3, kernel=(4, 4), dilations=(3, 3), padding="SAME")
POINTWISE = Window(size=(3, 4), channels=5, kernel=(1, 1), padding="VALID")

GROUPED = Window(batch=2, size=(5, 4), channels=6, kernel=(3, 2), strides=(1, 2), padding="SAME")
GROUPED_DILATED = Window(size=(5, 5), channels=4, kernel=(2, 2), dilations=(2, 3), padding="VALID")

LOW_ZEROS = Quant(input_zero=-128, output_zero=-128)
HIGH_ZEROS = Quant(input_zero=127, output_zero=127)
LEFT_SHIFT = Quant(gain=3.7, per_channel=False)
# The accumulator leaves 32 bits when it is shifted: the reference drops the bits, so do we.
OVERFLOW = Quant(gain=2.0**20, per_channel=False)
OVERFLOW_INT16 = Quant(input_scale=0.001, gain=2.0**-9, per_channel=False)
VANISHING = Quant(gain=2.0**-31)
BELOW_ONE_BIT = Quant(gain=2.0**-40)


@example(window=UPRIGHT, outputs=3, quant=PLAIN, activation="RELU", bias=100, seed=1)
@example(window=UPRIGHT_DILATED, outputs=3, quant=PLAIN, activation="NONE", bias=100, seed=1)
@example(window=UPRIGHT_WIDE, outputs=3, quant=PLAIN, activation="NONE", bias=None, seed=1)
@example(window=MOSTLY_PADDING, outputs=2, quant=HIGH_ZEROS, activation="RELU6", bias=0, seed=1)
@example(window=POINTWISE, outputs=7, quant=LOW_ZEROS, activation="NONE", bias=2**30, seed=1)
@example(window=POINTWISE, outputs=7, quant=LEFT_SHIFT, activation="RELU_N1_TO_1", bias=10, seed=1)
@example(window=POINTWISE, outputs=7, quant=OVERFLOW, activation="NONE", bias=1000, seed=1)
@example(window=POINTWISE, outputs=7, quant=VANISHING, activation="NONE", bias=2**30, seed=1)
@example(window=POINTWISE, outputs=7, quant=BELOW_ONE_BIT, activation="NONE", bias=2**30, seed=1)
@given(
    window=windows(), outputs=st.integers(1, 6), quant=layer_quants, activation=activations, bias=biases,
    seed=seeds,
)  # fmt: skip
@few(16)
def test_conv_2d_int8(
    *, window: Window, outputs: int, quant: Quant, activation: str, bias: int | None, seed: int
) -> None:
    model = convolution(
        "int8", window, outputs=outputs, quant=quant, activation=activation, bias=bias, seed=seed
    )
    check(model, seed=seed)


@example(window=UPRIGHT, outputs=3, activation="RELU", bias=1, seed=1)
@example(window=UPRIGHT_DILATED, outputs=3, activation="NONE", bias=1, seed=1)
@example(window=MOSTLY_PADDING, outputs=2, activation="RELU6", bias=None, seed=1)
@given(
    window=windows(), outputs=st.integers(1, 6), activation=activations,
    bias=st.sampled_from([None, 1]), seed=seeds,
)  # fmt: skip
@few(12)
def test_conv_2d_float32(window: Window, outputs: int, activation: str, bias: int | None, seed: int) -> None:
    model = convolution("float32", window, outputs=outputs, activation=activation, bias=bias, seed=seed)
    check(model, seed=seed)


@example(window=UPRIGHT, multiplier=2, quant=PLAIN, activation="RELU", bias=100, seed=1)
@example(window=UPRIGHT_DILATED, multiplier=1, quant=PLAIN, activation="NONE", bias=100, seed=1)
@example(window=UPRIGHT_WIDE, multiplier=1, quant=PLAIN, activation="NONE", bias=None, seed=1)
@example(window=MOSTLY_PADDING, multiplier=3, quant=HIGH_ZEROS, activation="RELU6", bias=0, seed=1)
@example(window=POINTWISE, multiplier=1, quant=LOW_ZEROS, activation="NONE", bias=2**30, seed=1)
@example(window=POINTWISE, multiplier=2, quant=LEFT_SHIFT, activation="RELU_N1_TO_1", bias=10, seed=1)
@given(
    window=windows(), multiplier=st.integers(1, 3), quant=layer_quants, activation=activations, bias=biases,
    seed=seeds,
)  # fmt: skip
@few(16)
def test_depthwise_conv_2d_int8(
    *, window: Window, multiplier: int, quant: Quant, activation: str, bias: int | None, seed: int
) -> None:
    model = depthwise(
        "int8", window, multiplier=multiplier, quant=quant, activation=activation, bias=bias, seed=seed
    )
    check(model, seed=seed)


@example(window=UPRIGHT, multiplier=2, activation="RELU", bias=1, seed=1)
@example(window=MOSTLY_PADDING, multiplier=2, activation="RELU6", bias=None, seed=1)
@given(
    window=windows(), multiplier=st.integers(1, 3), activation=activations,
    bias=st.sampled_from([None, 1]), seed=seeds,
)  # fmt: skip
@few(12)
def test_depthwise_conv_2d_float32(
    window: Window, multiplier: int, activation: str, bias: int | None, seed: int
) -> None:
    model = depthwise("float32", window, multiplier=multiplier, activation=activation, bias=bias, seed=seed)
    check(model, seed=seed)


# 2^46 is just below what the reference's scaling of 64-bit sums holds; 700 taps leave 32 bits.
@example(window=POINTWISE, outputs=3, quant=PLAIN, activation="RELU6", bias=2**46, seed=1)
@example(window=GROUPED, outputs=2, quant=PLAIN, activation="NONE", bias=None, seed=1)
@example(window=MOSTLY_PADDING, outputs=2, quant=VANISHING, activation="NONE", bias=0, seed=1)
@given(
    window=windows(), outputs=st.integers(1, 6), quant=layer_quants_int16, activation=activations,
    bias=biases, seed=seeds,
)  # fmt: skip
@few(10)
def test_conv_2d_int16(
    *, window: Window, outputs: int, quant: Quant, activation: str, bias: int | None, seed: int
) -> None:
    model = convolution(
        "int16", window, outputs=outputs, quant=quant, activation=activation, bias=bias, seed=seed
    )
    check(model, seed=seed)


@example(window=POINTWISE, quant=OVERFLOW_INT16, bias=2**31 - 1, seed=1)
@given(window=windows(), quant=layer_quants_int16, bias=st.sampled_from([0, 200_000]), seed=seeds)
@few(6)
def test_conv_2d_int16_with_32_bit_sums(window: Window, quant: Quant, bias: int, seed: int) -> None:
    check(convolution("int16", window, quant=quant, bias=bias, bias_type="int32", seed=seed), seed=seed)


@example(window=UPRIGHT, multiplier=2, quant=PLAIN, activation="RELU", bias=100, seed=1)
@example(window=MOSTLY_PADDING, multiplier=3, quant=PLAIN, activation="RELU_N1_TO_1", bias=0, seed=1)
@given(
    window=windows(), multiplier=st.integers(1, 3), quant=layer_quants_int16, activation=activations,
    bias=biases, seed=seeds,
)  # fmt: skip
@few(8)
def test_depthwise_conv_2d_int16(
    *, window: Window, multiplier: int, quant: Quant, activation: str, bias: int | None, seed: int
) -> None:
    model = depthwise(
        "int16", window, multiplier=multiplier, quant=quant, activation=activation, bias=bias, seed=seed
    )
    check(model, seed=seed)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("window", "groups", "outputs"), [(GROUPED, 3, 6), (GROUPED_DILATED, 2, 4)])
def test_groups(form: str, window: Window, groups: int, outputs: int) -> None:
    quant = Quant(gain=2**-12 if form == "int16" else 2**-7)
    check(convolution(form, window, groups=groups, outputs=outputs, quant=quant, activation="RELU"))


@pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])
@pytest.mark.parametrize("window", [UPRIGHT, MOSTLY_PADDING, GROUPED], ids=["upright", "padding", "batch"])
def test_hybrid(*, window: Window, per_channel: bool) -> None:
    quant = Quant(per_channel=per_channel)
    check(convolution("hybrid", window, quant=quant, activation="RELU", seed=5))
    check(depthwise("hybrid", window, multiplier=2, quant=quant, activation="RELU6", bias=None, seed=5))


@pytest.mark.parametrize("form", ["int8", "float32"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (4, 1)])
def test_depthwise_in_place(
    form: str, kernel: tuple[int, int], strides: tuple[int, int], padding: str
) -> None:
    """The arena shows where it is done, with a ring or without, and the oracle that it may be."""
    window = Window(batch=2, size=(7, 6), channels=2, kernel=kernel, strides=strides, padding=padding)
    data = depthwise(form, window)
    planned, (given_bytes, made_bytes) = arena(data)
    assert planned < given_bytes + made_bytes
    assert planned == given_bytes or (padding == "SAME" and kernel != (1, 1))
    check(data, samples=3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("outputs", "ring"), [(4, 4), (3, 3), (1, 0)])
def test_a_pointwise_convolution_waits_for_one_pixel(form: str, outputs: int, ring: int) -> None:
    window = Window(batch=2, size=(3, 5), channels=4, kernel=(1, 1))
    quant = Quant(gain=2**-12 if form == "int16" else 2**-7)
    data = convolution(form, window, outputs=outputs, quant=quant)
    planned, (given_bytes, _) = arena(data)
    element_bytes = given_bytes // (2 * 3 * 5 * 4)
    assert planned == given_bytes + ring * element_bytes
    check(data)


def arena(data: bytes) -> tuple[int, tuple[int, int]]:
    """Planned bytes, and those of the input and the output."""
    graph = read_tflite(data, name="model")
    sizes = (graph.input_tensors()[0].nbytes, graph.output_tensors()[0].nbytes)
    return compile_graph(graph).arena_bytes, sizes


def test_an_input_that_is_read_again_is_left_alone() -> None:
    """The same image goes through two convolutions, once under another name."""
    b = tb.ModelBuilder()
    x = b.tensor((1, 4, 4, 2), scale=0.05, zero_point=3)
    flat, y = b.tensor((1, 32), scale=0.05, zero_point=3), b.tensor((1, 4, 4, 2), scale=0.2)
    z = b.tensor((1, 3), scale=0.3)
    b.op("RESHAPE", [x, b.constant([1, 32], "int32")], [flat], tb.reshape_options([1, 32]))
    w, _ = weights(b, "int8", (2, 3, 3, 2), quant=PLAIN, axis=0, bias=None, seed=1)
    b.op("CONV_2D", [x, w, -1], [y], tb.conv_options(padding="SAME"))
    w, _ = weights(b, "int8", (3, 32), quant=PLAIN, axis=0, bias=None, seed=2)
    b.op("FULLY_CONNECTED", [flat, w, -1], [z], tb.fully_connected_options())
    data = b.build([x], [y, z])
    assert "ring" not in {s.role for step in lower(read_tflite(data, name="m")).steps for s in step.scratches}
    check(data)
