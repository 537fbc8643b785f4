# SPDX-License-Identifier: Apache-2.0
"""Hybrid models become the float models that they stand for, and nothing else changes."""

from __future__ import annotations

import numpy as np

from harness.graph import read_tflite
from harness.hybrid import dequantized
from tests import tflite_builder as tb
from tests.tflite_builder import ModelBuilder

STORED = np.arange(-6, 6, dtype=np.int8).reshape(1, 2, 2, 3)
SCALES = (0.5, 0.25, 0.125)


def depthwise(dtype: str = "float32") -> ModelBuilder:
    """A depthwise convolution with a scale per channel, the last axis."""
    b = ModelBuilder()
    quant = {} if dtype == "float32" else {"scale": 0.5}
    x, y = (b.tensor(shape, dtype, **quant) for shape in ((1, 4, 4, 3), (1, 3, 3, 3)))  # type: ignore[arg-type]
    weights = b.constant(STORED, "int8", scales=SCALES, zero_points=(0, 0, 0), axis=3)
    b.op("DEPTHWISE_CONV_2D", [x, weights, -1], [y], tb.conv_options(depth_multiplier=1))
    return b


def test_weights_of_a_scale_per_channel() -> None:
    made = dequantized(depthwise().build([0], [1]))
    assert made is not None
    graph = read_tflite(made, name="made")
    (op,) = graph.ops
    weights = graph.tensors[op.required_input(1)]
    assert weights.index == 3
    assert weights.data is not None
    assert (weights.dtype.value, weights.quantization) == ("float32", None)
    assert np.array_equal(weights.data, STORED * np.array(SCALES, np.float32))
    # the others are where they were
    assert [tensor.name for tensor in graph.tensors[:3]] == ["t0", "t1", "t2"]


def test_weights_with_a_zero_point_that_several_operations_share() -> None:
    b = ModelBuilder()
    x, y, z = (b.tensor((1, 2), "float32") for _ in range(3))
    plain = b.tensor((2, 2), "float32")
    shared = b.constant(np.array([[1, 2], [3, 4]]), "uint8", scales=(2.0,), zero_points=(3,))
    for end in (y, z):
        b.op("FULLY_CONNECTED", [x, shared, -1], [end], tb.fully_connected_options())
    b.op("DEQUANTIZE", [shared], [plain])
    made = dequantized(b.build([x], [y, z, plain]))
    assert made is not None
    graph = read_tflite(made, name="made")
    weights = [graph.tensors[op.required_input(1)] for op in graph.ops[:2]]
    assert [tensor.index for tensor in weights] == [5, 5]
    assert weights[0].data is not None
    assert weights[0].data.tolist() == [[-4, -2], [0, 2]]
    # what dequantizes them by itself still does
    assert graph.ops[2].inputs == (shared,)
    assert graph.tensors[shared].dtype.value == "uint8"


def test_models_that_are_not_hybrid_stay_as_they_are() -> None:
    assert dequantized(depthwise("int8").build([0], [1])) is None
    b = ModelBuilder()
    y = b.tensor((4,), "float32")
    b.op("DEQUANTIZE", [b.constant(np.arange(4), "int8", scales=(0.5,), zero_points=(0,))], [y])
    assert dequantized(b.build([], [y])) is None
