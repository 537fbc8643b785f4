# SPDX-License-Identifier: Apache-2.0
"""CONV_2D and DEPTHWISE_CONV_2D against the oracle."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from .models import PLAIN, Quant, check, few
from .models_window import Window, convolution, depthwise
from .strategies import activations, biases, layer_quants, seeds, windows

UPRIGHT = Window(size=(9, 1), channels=4, kernel=(4, 1), strides=(2, 1), padding="SAME")
UPRIGHT_DILATED = Window(size=(9, 1), channels=2, kernel=(3, 1), dilations=(2, 1), padding="SAME")
# Width 1, but the window is wider than the image: this one stays upright.
UPRIGHT_WIDE = Window(size=(9, 1), channels=2, kernel=(3, 3), padding="SAME")
MOSTLY_PADDING = Window(size=(2, 2), channels=3, kernel=(4, 4), dilations=(3, 3), padding="SAME")
POINTWISE = Window(size=(3, 4), channels=5, kernel=(1, 1), padding="VALID")

LOW_ZEROS = Quant(input_zero=-128, output_zero=-128)
HIGH_ZEROS = Quant(input_zero=127, output_zero=127)
LEFT_SHIFT = Quant(gain=3.7, per_channel=False)
# The accumulator leaves 32 bits when it is shifted: the reference drops the bits, so do we.
OVERFLOW = Quant(gain=2.0**20, per_channel=False)
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
