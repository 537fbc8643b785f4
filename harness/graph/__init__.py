# SPDX-License-Identifier: Apache-2.0
"""A .tflite file as a graph of frozen values, and what can be counted on it."""

from harness.graph.analysis import count_macs, count_params, op_macs
from harness.graph.nodes import (
    Activation,
    ActivationParams,
    DType,
    Graph,
    NoParams,
    Op,
    PackParams,
    Padding,
    Params,
    Quantization,
    SoftmaxParams,
    StridedSliceParams,
    Tensor,
    WindowParams,
)
from harness.graph.tflite_reader import read_tflite
from harness.graph.values import to_real, to_stored

__all__ = [
    "Activation",
    "ActivationParams",
    "DType",
    "Graph",
    "NoParams",
    "Op",
    "PackParams",
    "Padding",
    "Params",
    "Quantization",
    "SoftmaxParams",
    "StridedSliceParams",
    "Tensor",
    "WindowParams",
    "count_macs",
    "count_params",
    "op_macs",
    "read_tflite",
    "to_real",
    "to_stored",
]
