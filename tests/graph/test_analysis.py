# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulates and parameters, counted by hand."""

from __future__ import annotations

import numpy as np

from harness.graph import count_macs, count_params, op_macs, read_tflite
from tests import tflite_builder as tb
from tests.tflite_builder import ModelBuilder


def small_cnn() -> bytes:
    """CONV_2D -> DEPTHWISE_CONV_2D (no bias) -> MEAN -> FULLY_CONNECTED twice with the same weights."""
    b = ModelBuilder()
    x = b.tensor((1, 8, 8, 3), "float32")
    features, depth = b.tensor((1, 4, 4, 10), "float32"), b.tensor((1, 2, 2, 20), "float32")
    pooled, hidden, y = (b.tensor((1, 20), "float32") for _ in range(3))
    w, bias = b.constant(np.ones((10, 3, 5, 3)), "float32"), b.constant(np.ones(10), "float32")
    b.op("CONV_2D", [x, w, bias], [features], tb.conv_options(strides=(2, 2), padding="SAME"))
    w = b.constant(np.ones((1, 3, 3, 20)), "float32")
    b.op("DEPTHWISE_CONV_2D", [features, w], [depth], tb.conv_options(depth_multiplier=2))
    b.op("MEAN", [depth, b.constant([1, 2], "int32")], [pooled], tb.mean_options())
    w, bias = b.constant(np.ones((20, 20)), "float32"), b.constant(np.ones(20), "float32")
    b.op("FULLY_CONNECTED", [pooled, w, bias], [hidden], tb.fully_connected_options())
    b.op("FULLY_CONNECTED", [hidden, w, bias], [y], tb.fully_connected_options())
    return b.build([x], [y])


def test_macs_of_each_operation() -> None:
    graph = read_tflite(small_cnn(), name="model")
    convolution = 4 * 4 * 10 * (3 * 5 * 3)
    depthwise = 2 * 2 * 20 * (3 * 3)
    dense = 20 * 20
    assert [op_macs(graph, op) for op in graph.ops] == [convolution, depthwise, 0, dense, dense]
    assert count_macs(graph) == convolution + depthwise + 2 * dense


def test_parameters_are_counted_once() -> None:
    """Shared weights count once, the axes of MEAN not at all."""
    graph = read_tflite(small_cnn(), name="model")
    assert count_params(graph) == (10 * 3 * 5 * 3 + 10) + 3 * 3 * 20 + (20 * 20 + 20)
