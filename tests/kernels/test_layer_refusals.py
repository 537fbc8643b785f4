# SPDX-License-Identifier: Apache-2.0
"""Layers that are refused, with a word on what is supported instead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.compiler import AVR, FLAT, Cpu, compile_graph
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from tests import tflite_builder as tb

from .models import PLAIN, Quant
from .models_window import (
    Window,
    batch_matmul,
    convolution,
    depthwise,
    fully_connected,
    given,
    made,
    pool,
    transposed,
    weights,
)

SMALL = Window(size=(3, 3), channels=2, kernel=(2, 2))


def with_bias_type(dtype: str) -> bytes:
    """DEPTHWISE_CONV_2D of int16 whose bias the reference would read as another type."""
    b = tb.ModelBuilder()
    x, y = given(b, "int16", (1, 3, 3, 2), PLAIN), made(b, "int16", (1, 3, 3, 2), PLAIN)
    w, bias = weights(b, "int16", (1, 2, 2, 2), quant=PLAIN, axis=3, bias=9, seed=1, bias_type=dtype)
    options = tb.conv_options(padding="SAME", depth_multiplier=1)
    b.op("DEPTHWISE_CONV_2D", [x, w, bias], [y], options)
    return b.build([x], [y])


def with_int16_zero_point() -> bytes:
    b = tb.ModelBuilder()
    x, y = b.tensor((1, 4), "int16", scale=0.1, zero_point=5), b.tensor((1, 3), "int16", scale=0.1)
    w, _ = weights(b, "int16", (3, 4), quant=PLAIN, axis=0, bias=None, seed=1)
    b.op("FULLY_CONNECTED", [x, w, -1], [y], tb.fully_connected_options())
    return b.build([x], [y])


def with_computed_filter() -> bytes:
    b = tb.ModelBuilder()
    x, y = given(b, "int8", (1, 3, 3, 2), PLAIN), made(b, "int8", (1, 2, 2, 3), PLAIN)
    w = given(b, "int8", (3, 2, 2, 2), PLAIN)
    b.op("CONV_2D", [x, w, -1], [y], tb.conv_options())
    return b.build([x, w], [y])


def with_constant(shape: tuple[int, ...]) -> bytes:
    """ADD of a constant, which a CPU with flash apart copies to RAM first."""
    b = tb.ModelBuilder()
    x, y = b.tensor(shape, "float32"), b.tensor(shape, "float32")
    b.op("ADD", [x, b.constant(np.ones(shape), "float32")], [y], tb.add_options())
    return b.build([x], [y])


def with_types(activation: str, weight: str) -> bytes:
    b = tb.ModelBuilder()
    x, y = b.tensor((1, 4), activation, scale=0.1), b.tensor((1, 3), activation, scale=0.1)
    w = b.constant(np.ones((3, 4)), weight, scales=(0.1,))
    b.op("FULLY_CONNECTED", [x, w, -1], [y], tb.fully_connected_options())
    return b.build([x], [y])


def with_weight_zero_point() -> bytes:
    b = tb.ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.1), b.tensor((1, 3), scale=0.1)
    w = b.constant(np.ones((3, 4)), scales=(0.1,), zero_points=(1,))
    b.op("FULLY_CONNECTED", [x, w, -1], [y], tb.fully_connected_options())
    return b.build([x], [y])


CASES: dict[str, tuple[Callable[[], bytes], Cpu, str, str]] = {
    "16x8 depthwise bias": (
        lambda: with_bias_type("int32"), FLAT, "bias of 2 int32 for 2 outputs", "one int64 per output",
    ),
    "16x8 transposed bias": (
        lambda: transposed("int16", SMALL, bias_type="int32"), FLAT, "bias of 4 int32", "int16 or int64",
    ),
    "int16 zero point": (with_int16_zero_point, FLAT, "zero point 5", "have zero point 0"),
    "16x8 gain": (
        lambda: fully_connected("int16", quant=Quant(gain=200.0)), FLAT, "scales its sums by",
        "less than 128",
    ),
    "16x8 bias beyond 2^47": (
        lambda: fully_connected("int16", bias=2**50), FLAT, "that its sums cannot hold", "below 2^47",
    ),
    "computed filter": (with_computed_filter, FLAT, "computed weights", "Constant weights are supported"),
    "uint8": (lambda: with_types("uint8", "uint8"), FLAT, "uint8 with uint8 weights", "It has int8, int16"),
    "float weights": (lambda: with_types("int8", "float32"), FLAT, "with float32 weights", "It has int8"),
    "asymmetric weights": (with_weight_zero_point, FLAT, "not symmetrically quantized", "zero points of 0"),
    "groups": (
        lambda: convolution("int8", SMALL, outputs=3, groups=2), FLAT, "2 -> 3 channels", "groups",
    ),
    "large pool": (
        lambda: pool("AVERAGE_POOL_2D", "int16", Window(size=(256, 256), channels=1, kernel=(256, 256))),
        FLAT, "has a window of 65536 values", "At most 65534",
    ),
    "dilation on AVR": (
        lambda: depthwise("int8", Window(channels=1, dilations=(1, 20000))), AVR, "a size of 40", "",
    ),
    "offsets beyond 32 bits": (
        lambda: depthwise(
            "int8", Window(size=(1, 4), channels=2, kernel=(1, 3), dilations=(1, 2**29), padding="SAME")
        ),
        FLAT, "reaches further than 32 bits count", "",
    ),
    "16x8 sums beyond 2^47": (
        lambda: batch_matmul("int16", ((1, 2**17), (2**17, 1))), FLAT, "sums 131072 products",
        "At most 131071",
    ),
    "constant on AVR": (lambda: with_constant((1, 9000)), AVR, "a size of 36000", ""),
    "many rows on AVR": (
        lambda: fully_connected("int8", rows=200, inputs=200, outputs=1), AVR, "a size of 40000", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    make, cpu, why, fix = CASES[name]
    with pytest.raises(UnsupportedError) as caught:
        compile_graph(read_tflite(make(), name="model"), cpu)
    assert why in str(caught.value)
    assert fix in caught.value.fix
