# SPDX-License-Identifier: Apache-2.0
"""TRANSPOSE_CONV against the oracle, in every form."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import compile_graph
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from tests import tflite_builder as tb

from .models import PLAIN, Quant, check, few
from .models_window import Window, made, transposed, weights
from .models_window import given as value
from .strategies import activations, biases, layer_quants, layer_quants_int16, seeds, windows

#: A filter that is smaller than its stride leaves outputs with nothing but their bias.
SPARSE = Window(batch=2, size=(7, 5), channels=3, kernel=(1, 2), strides=(3, 3))
OVERLAPPING = Window(size=(6, 7), channels=2, kernel=(4, 5), strides=(2, 3))
TIGHT = Window(size=(7, 9), channels=3, kernel=(3, 5), strides=(2, 2), padding="VALID")
#: The last row and column of the output are out of reach.
LEFT_OVER = Window(size=(8, 8), channels=2, kernel=(3, 3), strides=(2, 2), padding="VALID")

WINDOWS = windows(dilated=False)


@example(window=SPARSE, outputs=2, quant=PLAIN, activation="NONE", bias=1000, seed=1)
@example(window=OVERLAPPING, outputs=3, quant=Quant(input_zero=127), activation="RELU", bias=0, seed=1)
@example(window=TIGHT, outputs=3, quant=Quant(input_zero=-128), activation="RELU6", bias=None, seed=1)
@example(window=LEFT_OVER, outputs=3, quant=Quant(gain=3.7), activation="NONE", bias=2**30, seed=1)
@given(
    window=WINDOWS, outputs=st.integers(1, 5), quant=layer_quants, activation=activations, bias=biases,
    seed=seeds,
)  # fmt: skip
@few(10)
def test_int8(
    *, window: Window, outputs: int, quant: Quant, activation: str, bias: int | None, seed: int
) -> None:
    model = transposed(
        "int8", window, outputs=outputs, quant=quant, activation=activation, bias=bias, seed=seed
    )
    check(model, seed=seed)


@example(window=OVERLAPPING, quant=Quant(gain=2**-14), bias=2**46, bias_type="int64", seed=1)
@example(window=OVERLAPPING, quant=Quant(gain=2**-14), bias=2**15 - 1, bias_type="int16", seed=1)
@given(
    window=WINDOWS, quant=layer_quants_int16, bias=st.sampled_from([None, 1000]),
    bias_type=st.sampled_from(["int16", "int64"]), seed=seeds,
)  # fmt: skip
@few(6)
def test_int16(window: Window, quant: Quant, bias: int | None, bias_type: str, seed: int) -> None:
    check(transposed("int16", window, quant=quant, bias=bias, bias_type=bias_type, seed=seed), seed=seed)


@pytest.mark.parametrize("form", ["float32", "hybrid"])
@example(window=OVERLAPPING, activation="RELU", bias=1, seed=1)
@example(window=LEFT_OVER, activation="NONE", bias=None, seed=1)
@given(window=WINDOWS, activation=activations, bias=st.sampled_from([None, 1]), seed=seeds)
@few(5)
def test_float32(form: str, window: Window, activation: str, bias: int | None, seed: int) -> None:
    check(transposed(form, window, activation=activation, bias=bias, seed=seed), seed=seed)


def test_a_shape_that_is_not_the_outputs_is_refused() -> None:
    b = tb.ModelBuilder()
    x, y = value(b, "int8", (1, 3, 3, 2), PLAIN), made(b, "int8", (1, 6, 6, 4), PLAIN)
    w, _ = weights(b, "int8", (4, 3, 3, 2), quant=PLAIN, axis=0, bias=None, seed=1)
    b.op("TRANSPOSE_CONV", [b.constant([1, 6, 7, 4], "int32"), w, x], [y], tb.transpose_conv_options())
    with pytest.raises(UnsupportedError, match=r"makes shape \[1, 6, 7, 4\], but its output"):
        compile_graph(read_tflite(b.build([x], [y]), name="model"))
